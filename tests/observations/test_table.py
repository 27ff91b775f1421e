"""A table that is wrong cannot be built; rows keep together however they are asked for."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import DataError
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES, REPORTS
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import SCHEMA, UNITS, ObservationTable, concatenate
from dambench_hub.observations.window import Window

START = np.datetime64("2024-02-29T09:00", "ms")
NAMED = ("variable", "station", "report")


def columns(rows=6, seed=0, **changes):
    """Random columns, in no order of time."""
    rng = np.random.default_rng(seed)
    variable = rng.choice(["t2m", "u10", "t", "z"], rows)
    on_levels = np.isin(variable, ["t", "z"])
    values = {
        "time": START + rng.integers(0, 7_200_000, rows),
        "latitude": rng.uniform(-90, 90, rows),
        "longitude": rng.uniform(-180, 360, rows),
        "elevation": np.where(rng.random(rows) < 0.3, np.nan, rng.uniform(-400, 5_000, rows)),
        "pressure": np.where(on_levels, rng.uniform(100, 100_000, rows), np.nan),
        "variable": variable,
        "value": rng.normal(size=rows),
        "error_std": rng.uniform(0.1, 2, rows),
        "station": rng.choice(["07149", "Ærø", "x" * 40], rows),
        "report": rng.choice(REPORTS, rows),
        "quality": rng.choice(list(Quality), rows),
        "withheld": rng.random(rows) < 0.3,
    }
    return values | changes


def make(rows=6, seed=0, **changes):
    return ObservationTable.from_columns(**columns(rows, seed, **changes))


def rows_of(table):
    """The rows as tuples; NaN is one value."""
    parts = [table.labels(name) if name in NAMED else getattr(table, name) for name in SCHEMA.names]
    return [tuple(map(str, row)) for row in zip(*parts, strict=True)]


# From columns


@given(st.integers(0, 40), st.integers(0, 5))
def test_rows_are_those_given_in_the_order_of_time(rows, seed):
    given_columns = columns(rows, seed)
    table = ObservationTable.from_columns(**given_columns)
    assert len(table) == rows
    order = np.argsort(given_columns["time"], kind="stable")
    for name in SCHEMA.names:
        found = table.labels(name) if name in NAMED else getattr(table, name)
        wanted = np.asarray(given_columns[name])[order]
        if name == "longitude":
            assert np.all((found >= 0) & (found < 360))
            np.testing.assert_allclose(found, np.where(wanted < 0, wanted + 360, wanted))
        else:
            np.testing.assert_array_equal(found, wanted.astype(found.dtype))


def test_rows_of_one_time_keep_their_order():
    table = make(50, time=START, value=np.arange(50.0))
    assert table.value.tolist() == list(range(50))


def test_types_are_those_of_the_schema():
    table = make()
    assert table.arrow.schema == SCHEMA
    types = {"time": "M8[ms]", "latitude": "f8", "longitude": "f8", "quality": "u1"}
    types |= {"withheld": "?"} | dict.fromkeys(
        ("elevation", "pressure", "value", "error_std"), "f4"
    )
    for name, dtype in types.items():
        assert getattr(table, name).dtype == dtype
    assert table.codes("station").dtype == np.int32


def test_one_value_serves_all_rows_and_defaults_the_rest():
    table = ObservationTable.from_columns(
        time=START,
        latitude=[10, 20],
        longitude=-0.25,
        variable="t2m",
        value=[280, 281],
        error_std=1.5,
        station="A",
        report="synop",
    )
    assert table.longitude.tolist() == [359.75] * 2 and table.error_std.tolist() == [1.5] * 2
    assert np.isnan(table.elevation).all() and np.isnan(table.pressure).all()
    assert table.quality.tolist() == [Quality.GOOD] * 2 and not table.withheld.any()


@pytest.mark.parametrize("name", OBSERVED_VARIABLES)
def test_every_variable_can_be_in_it(name):
    pressure = 50_000.0 if OBSERVED_VARIABLES[name].on_levels else np.nan
    assert make(variable=name, pressure=pressure).names("variable") == [name]


def test_columns_are_known_and_all_there():
    with pytest.raises(DataError, match="Unknown column 'lattitude'. Did you mean 'latitude'"):
        ObservationTable.from_columns(**columns(), lattitude=1)
    for name in ("value", "station", "error_std"):
        some = columns()
        del some[name]
        with pytest.raises(DataError, match=f"Columns {name} are absent"):
            ObservationTable.from_columns(**some)


WRONG = [
    ("time", np.datetime64("NaT"), "time is null in 1 rows"),
    ("latitude", 90.01, "latitude is from -90 to 90 degrees; row 2 has 90.01"),
    ("latitude", np.nan, "latitude is from"),
    ("longitude", 360.0, "longitude is from 0 to 360 degrees, 360 excluded"),
    ("longitude", -180.5, "longitude is from"),
    ("longitude", np.inf, "longitude is from"),
    ("elevation", 9_001.0, "elevation is from -1000 to 9000 m, or NaN"),
    ("elevation", -np.inf, "elevation is from"),
    ("pressure", 500.0, r"pressure is in Pa, .* row 2 has 500.0 \(t2m\), 1 rows are wrong"),
    ("value", np.nan, "value is finite; row 2 has nan"),
    ("value", np.inf, "value is finite"),
    ("error_std", 0.0, "error_std is positive"),
    ("error_std", -1.0, "error_std is positive"),
    ("error_std", np.nan, "error_std is positive"),
    ("error_std", np.inf, "error_std is positive"),
    ("quality", 7, r"quality is one of 0 \(good\), 1 \(gross\).* row 2 has 7"),
    ("variable", "t2n", "unknown variable 't2n'. Did you mean 't2m'"),
    ("variable", "t850", "unknown variable 't850'"),
    ("report", "synopp", "unknown report 'synopp'. Did you mean 'synop'"),
]


@pytest.mark.parametrize(("name", "wrong", "message"), WRONG)
def test_impossible_values_are_refused(name, wrong, message):
    right = make(variable="t2m", pressure=np.nan, report="synop", time=START + np.arange(6))
    values = {
        column: (right.labels(column).astype(object) if column in NAMED else getattr(right, column))
        for column in SCHEMA.names
    }
    values[name] = np.array(values[name])
    if name == "time":
        values[name][5] = wrong
    else:
        values[name][2] = wrong
    with pytest.raises(DataError, match=message) as caught:
        ObservationTable.from_columns(**values)
    assert "table of observations cannot be used" in str(caught.value)


@pytest.mark.parametrize("pressure", [np.nan, 0.5, 120_001.0])
def test_what_is_on_levels_needs_a_pressure(pressure):
    with pytest.raises(DataError, match=r"pressure is in Pa, from 1 to 120000.*\(t\)"):
        make(variable="t", pressure=pressure)


# From Arrow


def test_an_arrow_table_needs_all_columns_in_its_types():
    arrow = make().arrow
    with pytest.raises(DataError, match="lacks value, withheld; its columns are time"):
        ObservationTable(arrow.drop_columns(["value", "withheld"]))
    text = arrow.set_column(6, "value", pa.array(["warm"] * 6))
    with pytest.raises(DataError, match=r"value of the table is string, wanted float \(.*warm"):
        ObservationTable(text)
    nulls = arrow.set_column(8, "station", pa.array(["A", None] * 3))
    with pytest.raises(DataError, match="station is null in 3 rows; what is not known is NaN"):
        ObservationTable(nulls)


def test_an_arrow_table_must_ascend_in_time():
    arrow = make(seed=1).arrow
    with pytest.raises(DataError, match="time is ascending"):
        ObservationTable(arrow.take(list(range(5, -1, -1))))


def test_columns_in_another_order_and_of_wider_types_are_taken():
    table = make()
    wider = {pa.float32(): pa.float64(), SCHEMA.field("station").type: pa.large_string()}
    types = {f.name: wider.get(f.type, f.type) for f in SCHEMA} | {
        "time": pa.timestamp("ns", "UTC")
    }
    arrow = table.arrow.cast(pa.schema(types)).select(SCHEMA.names[::-1])
    assert rows_of(ObservationTable(arrow.append_column("more", pa.array(range(6))))) == rows_of(
        table
    )


def test_times_finer_than_a_millisecond_are_refused():
    arrow = make(1).arrow
    fine = pa.array(np.array(["2024-01-01T00:00:00.000000001"], "M8[ns]"))
    with pytest.raises(DataError, match=r"time of the table is timestamp\[ns\], wanted"):
        ObservationTable(arrow.set_column(0, "time", fine))


def test_a_table_cannot_be_changed():
    table = make()
    with pytest.raises(ValueError, match="read-only"):
        table.value[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.arrow = None


# Rows


@given(st.integers(0, 30), st.integers(-1_000, 8_000), st.integers(1, 4_000))
def test_windows_are_half_open_at_both_ends(rows, end_seconds, length_seconds):
    table = make(rows)
    valid, window = START, Window((end_seconds - length_seconds) / 3600, end_seconds / 3600)
    start, end = window.bounds(valid)
    inside = (table.time > start) & (table.time <= end)
    assert rows_of(table.window(valid, window)) == rows_of(table.where(inside))


def test_a_row_at_the_end_is_in_and_one_at_the_start_is_out():
    hours = np.array([-3, -3, 0, 0, 1]) * np.timedelta64(3_600_000, "ms")
    table = make(5, time=START + hours)
    assert table.window(START, Window(-3, 0)).time.tolist() == [START.item()] * 2
    assert len(table.window(START, Window(-6, -3))) == 2
    assert len(table.window(START, Window(-2, -1))) == 0


@given(st.integers(0, 30), st.integers(0, 9))
def test_consecutive_windows_share_the_rows_out(rows, seed):
    table = make(rows, seed)
    windows = [Window(hours, hours + 0.5) for hours in np.arange(-0.5, 2.5, 0.5)]
    parts = [table.window(START, window) for window in windows]
    assert rows_of(concatenate(parts)) == rows_of(table)


def test_selected_rows_are_a_whole_table():
    table = make(20)
    chosen = table.value > 0
    part = table.where(chosen)
    assert rows_of(part) == [row for row, c in zip(rows_of(table), chosen, strict=True) if c]
    assert rows_of(ObservationTable(part.arrow)) == rows_of(part)
    assert rows_of(part.where(np.zeros(len(part), bool))) == []
    names = [name in table.labels("station") for name in part.names("station")]
    assert all(names) and set(part.labels("station")) <= set(part.names("station"))


@pytest.mark.parametrize("rows", [[0, 1, 2], np.ones(5, bool), np.ones((6, 1), bool)])
def test_rows_are_chosen_by_a_boolean_each(rows):
    with pytest.raises(DataError, match="chosen by a boolean for each of 6, got"):
        make().where(rows)


def test_names_and_codes_say_the_same():
    table = make(20)
    for column in NAMED:
        names = np.array(table.names(column))
        assert names[table.codes(column)].tolist() == table.labels(column).tolist()
        for name in [*names, "nobody"]:
            np.testing.assert_array_equal(table.is_of(column, name), table.labels(column) == name)


def test_columns_can_be_replaced():
    table = make()
    other = table.replace(quality=np.full(6, Quality.GROSS), station=np.array(list("ABCABC")))
    assert other.quality.tolist() == [1] * 6 and other.labels("station").tolist() == list("ABCABC")
    np.testing.assert_array_equal(other.value, table.value)
    assert table.labels("station").tolist() != list("ABCABC")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": np.arange(6)}, "No column 'time' to replace"),
        ({"qualitty": np.zeros(6)}, "Did you mean 'quality'"),
        ({"value": np.zeros(5)}, r"value has shape \(5,\), the table has 6 rows"),
        ({"value": 1.0}, r"value has shape \(\)"),
        ({"value": np.full(6, np.nan)}, "value is finite"),
        ({"quality": np.full(6, 300)}, "not in range"),
    ],
)
def test_wrong_replacements_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        make().replace(**change)


@given(st.lists(st.integers(0, 12), max_size=4), st.integers(0, 3))
def test_a_concatenation_has_all_rows_in_the_order_of_time(sizes, seed):
    tables = [make(rows, seed + n) for n, rows in enumerate(sizes)]
    whole = concatenate(tables)
    assert sorted(rows_of(whole)) == sorted(row for table in tables for row in rows_of(table))
    assert np.all(np.diff(whole.time).astype(int) >= 0)


def test_rows_of_one_time_follow_their_tables():
    first, second = (make(3, time=START, value=value) for value in (1.0, 2.0))
    assert concatenate([second, first]).value.tolist() == [2, 2, 2, 1, 1, 1]


# No rows


@pytest.mark.parametrize(
    "table",
    [
        ObservationTable.empty(),
        make(0),
        make().where(np.zeros(6, bool)),
        make().window(START, Window(-9, -8)),
        concatenate([]),
        ObservationTable.from_pandas(ObservationTable.empty().to_pandas()),
    ],
    ids=["empty", "columns", "where", "window", "concatenate", "pandas"],
)
def test_a_table_of_no_rows_has_everything_but_rows(table):
    assert len(table) == 0 and repr(table) == "ObservationTable(0 rows)"
    assert table.arrow.schema == SCHEMA and rows_of(table) == []
    assert table.is_of("variable", "t2m").shape == table.codes("station").shape == (0,)
    assert len(table.window(START, Window())) == len(table.where(np.zeros(0, bool))) == 0
    assert len(table.to_pandas()) == table.to_xarray().sizes["observation"] == 0
    assert rows_of(concatenate([table, make()])) == rows_of(make())


# Elsewhere


@given(st.integers(0, 20), st.integers(0, 5))
def test_pandas_and_back(rows, seed):
    table = make(rows, seed)
    frame = table.to_pandas()
    assert list(frame) == SCHEMA.names and str(frame["time"].dtype) == "datetime64[ms, UTC]"
    assert rows_of(ObservationTable.from_pandas(frame)) == rows_of(table)
    shuffled = frame.sample(frac=1, random_state=seed).astype({"station": str})
    assert sorted(rows_of(ObservationTable.from_pandas(shuffled))) == sorted(rows_of(table))


def test_a_frame_of_another_zone_is_of_the_same_time():
    table = make()
    frame = table.to_pandas()
    frame["time"] = frame["time"].dt.tz_convert("Asia/Kathmandu")
    assert rows_of(ObservationTable.from_pandas(frame)) == rows_of(table)


@pytest.mark.parametrize("absent", [None, np.nan, pd.NA])
def test_a_station_without_a_name_is_refused(absent):
    frame = make().to_pandas()
    frame["station"] = [absent, *"ABCDE"]
    for column in (frame["station"].astype(object), frame["station"].astype("category")):
        with pytest.raises(DataError, match="station is null in 1 rows"):
            ObservationTable.from_pandas(frame.assign(station=column))


def test_xarray_and_back():
    table = make(20)
    points = table.to_xarray()
    assert points.attrs["featureType"] == "point" and set(points.dims) == {"observation"}
    assert {name: points[name].attrs["units"] for name in UNITS} == UNITS
    frame = points.to_dataframe().reset_index(drop=True)
    assert rows_of(ObservationTable.from_pandas(frame)) == rows_of(table)


def test_xarray_writes_it_as_netcdf(tmp_path):
    xr = pytest.importorskip("xarray")
    table = make()
    table.to_xarray().to_netcdf(tmp_path / "points.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "points.nc", engine="h5netcdf") as points:
        np.testing.assert_array_equal(points["value"], table.value)
        np.testing.assert_array_equal(points["time"].values.astype("M8[ms]"), table.time)
        assert points["station"].values.tolist() == table.labels("station").tolist()


def test_it_says_what_it_is():
    table = make(3, variable="t2m", pressure=np.nan, time=START + np.arange(3) * 3_600_000)
    words = "ObservationTable(3 rows, 2024-02-29T09:00 to 2024-02-29T11:00 UTC, t2m)"
    assert repr(table) == words
