"""Frames hold what tables hold: nothing is lost on the way there and back."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from report_tables import NOON, table_of

from dambench_hub.building.sources.reports.error_std import error_std
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import DataError
from dambench_hub.interop.earth2studio.frames import (
    COLUMNS,
    SCHEMA,
    dambench_name,
    earth2studio_name,
    from_frame,
    to_frame,
)
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES, REPORTS
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable

MINIMAL = {
    "time": pd.Timestamp("2018-11-20T12:00"),
    "lat": np.float32(50.0),
    "lon": np.float32(8.0),
    "observation": np.float32(280.0),
    "variable": "t2m",
}


def frame_of(rows=1, **columns):
    """A frame with no more columns than earth2studio's own models need."""
    return pd.DataFrame({**MINIMAL, **columns}, index=range(rows))


def assert_same(one, other):
    for column in SCHEMA.names:
        name = COLUMNS.get(column, column)
        read = [t.labels(name) if name in NAMED else getattr(t, name) for t in (one, other)]
        np.testing.assert_array_equal(*read, err_msg=name)


NAMED = ("variable", "station", "report")
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 12))

    def column(values):
        return draw(st.lists(values, min_size=rows, max_size=rows))

    variable = column(st.sampled_from(list(OBSERVED_VARIABLES)))
    pressure = column(st.floats(100, 110_000, width=32))
    return ObservationTable.from_columns(
        time=NOON + np.array(column(st.integers(-(10**9), 10**9)), "timedelta64[ms]"),
        latitude=np.array(column(st.floats(-90, 90))),
        longitude=np.array(column(st.floats(0, 360, exclude_max=True))),
        elevation=np.array(column(st.floats(-500, 8000, width=32) | st.just(np.nan)), "f4"),
        pressure=np.array(
            [
                p if OBSERVED_VARIABLES[v].on_levels else np.nan
                for p, v in zip(pressure, variable, strict=True)
            ],
            "f4",
        ),
        variable=np.array(variable, object),
        value=np.array(column(FLOATS), "f4"),
        error_std=np.array(column(st.floats(2**-20, 1e6, width=32)), "f4"),
        station=np.array(column(st.text(max_size=5)), object),
        report=np.array(column(st.sampled_from(REPORTS)), object),
        quality=np.array(column(st.sampled_from(list(map(int, Quality)))), "u1"),
        withheld=np.array(column(st.booleans()), bool),
    )


@given(tables())
def test_there_and_back_is_the_same_table(table):
    frame = to_frame(table)
    assert_same(from_frame(frame), table)
    pd.testing.assert_frame_equal(to_frame(from_frame(frame)), frame)


def test_a_frame_has_the_columns_and_types_of_its_schema():
    frame = to_frame(table_of(variable=["t2m", "u10", "ps"], value=[280.0, 5.0, 1e5]))
    assert list(frame.columns) == SCHEMA.names
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    assert arrow.cast(SCHEMA).equals(arrow.select(SCHEMA.names).cast(SCHEMA))
    assert frame["time"].dtype == "datetime64[ns]"
    assert frame["variable"].tolist() == ["t2m", "u10m", "pres"]
    assert (frame["variable"] == "u10m").tolist() == [False, True, False]


def test_names_have_inverses():
    names = [*OBSERVED_VARIABLES, *STANDARD_CHANNELS]
    assert [dambench_name(earth2studio_name(name)) for name in names] == names


def test_times_that_nanoseconds_cannot_count_are_refused():
    with pytest.raises(DataError, match="leave out what is before 1678"):
        to_frame(table_of(time=np.datetime64("1500-01-01", "ms")))


def test_a_frame_of_another_source_is_completed():
    """By what is prescribed for such reports; what its codes mean is not guessed."""
    frame = frame_of(
        3,
        variable=["t2m", "t", "pres"],
        observation=np.array([280, 250, 99_000], "f4"),
        pres=np.array([99_000, 50_000, 99_000], "f4"),
        elev=np.array([120, 5_600, 120], "f4"),
        quality=[2, 2, 15],
        type=["FM-12", "120", "181"],
        station=["10637", None, "10637"],
        source="4",
    )
    table = from_frame(frame)
    assert table.labels("variable").tolist() == ["t2m", "t", "ps"]
    assert table.labels("report").tolist() == ["synop", "temp", "synop"]
    assert table.labels("station").tolist() == ["10637", "", "10637"]
    np.testing.assert_array_equal(table.pressure, np.array([np.nan, 50_000, np.nan], "f4"))
    np.testing.assert_array_equal(table.elevation, np.array([120, np.nan, 120], "f4"))
    assert not table.quality.any() and not table.withheld.any()
    sonde = error_std("temp", "t", np.array([5e4]), np.array([np.nan]))
    np.testing.assert_array_equal(table.error_std[:2], np.array([2.0, sonde[0]], "f4"))


def test_without_errors_a_frame_of_ours_keeps_what_is_withheld_and_refused():
    quality = np.array([Quality.PROVIDER, Quality.GOOD, Quality.GOOD], np.uint8)
    table = table_of(latitude=[50.0, 51.0, 52.0]).replace(
        quality=quality, withheld=np.array([False, True, False])
    )
    read = from_frame(to_frame(table).drop(columns="error_std"))
    np.testing.assert_array_equal(read.withheld, table.withheld)
    np.testing.assert_array_equal(read.quality, quality)
    prescribed = error_std("synop", "t2m", *np.full((2, 3), np.nan))
    np.testing.assert_array_equal(read.error_std, prescribed)


def test_errors_that_are_there_need_not_be_prescribed():
    frame = frame_of(variable="brightness_temperature", error_std=np.float32(0.5))
    assert from_frame(frame).error_std.tolist() == [0.5]


def test_given_columns_go_before_those_of_the_frame():
    table = from_frame(frame_of(2), report="ship", quality=[0, 2], station=["A", "B"])
    assert table.labels("report").tolist() == ["ship", "ship"]
    assert table.error_std.tolist() == [np.float32(1.8)] * 2, "the prescribed error of ships"
    assert table.quality.tolist() == [0, 2]
    assert from_frame(frame_of(), error_std=0.5).error_std == 0.5


def test_a_longitude_that_was_rounded_up_to_360_is_0():
    assert from_frame(frame_of(lon=np.float32(360))).longitude == 0


def test_rows_come_in_any_order_of_time():
    times = pd.to_datetime(["2018-11-20T13:00", "2018-11-20T12:00"])
    table = from_frame(frame_of(2, time=times, observation=np.array([1, 2], "f4")))
    assert table.value.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"variable": "ws10m"}, "unknown variable 'ws10m'"),
        ({"variable": "olr"}, "No error is prescribed for olr of synop reports; give error_std"),
        ({"variable": "t"}, "pressure is in Pa"),
        ({"observation": np.float32("nan")}, "value is finite"),
        ({"lat": np.float32(91)}, "latitude is from -90 to 90"),
    ],
)
def test_what_no_table_can_hold_is_refused(columns, message):
    with pytest.raises(DataError, match=message):
        from_frame(frame_of(**columns))


def test_an_absent_column_is_named():
    with pytest.raises(DataError, match="no column lon, observation; those of earth2studio"):
        from_frame(frame_of().drop(columns=["lon", "observation"]))
