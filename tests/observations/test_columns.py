"""What comes from elsewhere is a column without loss, or refused with a reason."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import DataError
from dambench_hub.observations.columns import (
    as_longitudes,
    as_times,
    from_series,
    of_one_length,
    to_arrow,
)

NAMES = pa.dictionary(pa.int32(), pa.string())


def test_a_single_value_is_that_of_all_rows():
    arrays = of_one_length({"a": [1, 2, 3], "b": "x", "c": np.float32(2)})
    assert [values.tolist() for values in arrays.values()] == [[1, 2, 3], ["x"] * 3, [2.0] * 3]
    assert of_one_length({"a": 1, "b": 2})["b"].tolist() == [2]
    assert of_one_length({"a": [], "b": 2})["b"].tolist() == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, 2], "b": [1, 2, 3]}, r"got a \(2,\), b \(3,\)"),
        ({"a": [1, 2], "b": [1]}, r"got a \(2,\), b \(1,\)"),
        ({"a": [1, 2], "b": []}, r"got a \(2,\), b \(0,\)"),
        ({"a": [[1, 2]]}, r"got a \(1, 2\)"),
        ({"a": np.ma.array([1, 2], mask=[0, 1])}, "Column a has masked values"),
    ],
)
def test_other_lengths_are_refused(columns, message):
    with pytest.raises(DataError, match=message):
        of_one_length(columns)


@given(st.floats(-180, 360, exclude_max=True))
def test_longitudes_are_the_same_place_on_0_to_360(longitude):
    (found,) = as_longitudes(np.array([longitude]))
    assert 0 <= found < 360
    assert np.cos(np.deg2rad(found - longitude)) == pytest.approx(1)
    assert longitude < 0 or found == longitude


@pytest.mark.parametrize("tiny", [-5e-324, -1e-300, -1e-16, -1e-14, -0.0])
def test_a_hair_west_of_greenwich_is_not_360(tiny):
    assert 0 <= as_longitudes(np.array([tiny]))[0] < 360


@pytest.mark.parametrize("longitude", [-180.1, -360.0, 360.0, np.nan])
def test_other_longitudes_are_left_for_the_table_to_refuse(longitude):
    np.testing.assert_array_equal(as_longitudes(np.array([longitude])), [longitude])


def test_times_of_any_unit_and_text():
    wanted = np.datetime64("2024-02-29T12:05", "ms")
    for times in (
        np.array(["2024-02-29T12:05"], "M8[m]"),
        np.array(["2024-02-29T12:05:00.000000000"], "M8[ns]"),
        np.array(["2024-02-29T12:05"]),
        np.array([datetime.datetime(2024, 2, 29, 12, 5)]),
    ):
        assert as_times(times).dtype == "datetime64[ms]" and as_times(times)[0] == wanted


@pytest.mark.parametrize("times", [[1709208300], [1.7e9], [True], ["noon"], [object()]])
def test_what_is_no_time_is_refused(times):
    with pytest.raises(DataError, match=r"Column time .*give datetime64, or text as"):
        as_times(np.array(times))


@pytest.mark.parametrize(
    ("name", "values", "arrow_type"),
    [
        ("value", [1e6, -2.5, np.nan], pa.float32()),
        ("value", [1, 2, 3], pa.float32()),
        ("quality", [0, 6, 255], pa.uint8()),
        ("withheld", [True, False, True], pa.bool_()),
        ("station", ["07149", "B", ""], NAMES),
        ("station", [7149, 1, 7149], NAMES),
        ("station", np.array([b"07149", b"B"]), NAMES),
    ],
)
def test_values_survive(name, values, arrow_type):
    column = to_arrow(name, np.asarray(values), arrow_type)
    assert column.type == arrow_type and column.null_count == 0
    found = column.to_pylist()
    if arrow_type == NAMES:
        values = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("absent", [None, np.nan, pd.NA])
def test_what_is_absent_is_null_or_unknown(absent):
    values = np.array([absent, "A"], object)
    assert to_arrow("station", values, NAMES).to_pylist() == [None, "A"]
    values = np.array([absent, 2.5], object)
    assert to_arrow("value", values, pa.float32()).null_count == 1
    elevation = to_arrow("elevation", values, pa.float32())
    assert np.isnan(elevation[0].as_py()) and elevation[1].as_py() == 2.5
    time = np.array(["NaT", "2024-01-01"], "M8[ms]")
    assert to_arrow("time", time, pa.timestamp("ms", "UTC")).null_count == 1


@pytest.mark.parametrize(
    ("values", "arrow_type", "message"),
    [
        ([256], pa.uint8(), "Column x cannot be read .*256 not in range.*wanted uint8"),
        ([-1], pa.uint8(), "-1 not in range"),
        ([0.5], pa.uint8(), "truncated"),
        (["warm"], pa.float32(), "'warm'.*wanted float"),
        ([1 + 2j], pa.float32(), "cannot be read"),
        (np.array(["A", 2], object), NAMES, "cannot be read .*wanted text"),
        ([2.5], NAMES, "cannot be read .*wanted text"),
    ],
)
def test_values_of_another_kind_are_refused(values, arrow_type, message):
    with pytest.raises(DataError, match=message):
        to_arrow("x", np.asarray(values), arrow_type)


def test_series_with_zones_and_categories():
    berlin = pd.Series(pd.to_datetime(["2024-02-29T13:05"]).tz_localize("Europe/Berlin"))
    assert from_series(berlin)[0] == np.datetime64("2024-02-29T12:05")
    assert from_series(pd.Series(["B", "A", None], dtype="category")).tolist()[:2] == ["B", "A"]
    assert from_series(pd.Series([1.5, 2.5])).tolist() == [1.5, 2.5]
