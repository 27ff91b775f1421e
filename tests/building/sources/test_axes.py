"""Axes of any name and order become one convention, with the values where they belong."""

import itertools

import numpy as np
import pytest
import xarray as xr

from dambench_hub.building.sources.axes import harmonized
from dambench_hub.errors import BuildError

TIME = np.arange("2020-01-01", "2020-01-04", dtype="M8[D]").astype("M8[ns]")
LEVEL = np.array([50, 500, 850, 1000])
LATITUDE = np.linspace(90, -90, 5)
LONGITUDE = 45.0 * np.arange(8)
DIMENSION_ORDERS = list(itertools.permutations(("time", "level", "latitude", "longitude")))


def archive(**axes):
    """A data set whose values say where they are: a function of time, level, place alone."""
    axes = {
        "time": TIME,
        "level": LEVEL,
        "latitude": LATITUDE,
        "longitude": LONGITUDE,
        **axes,
    }
    time, level, latitude, longitude = np.meshgrid(
        (np.asarray(axes["time"]).astype("M8[D]") - np.datetime64("2020-01-01")).astype("f8"),
        np.asarray(axes["level"], "f8"),
        np.asarray(axes["latitude"], "f8"),
        np.mod(np.asarray(axes["longitude"], "f8"), 360),
        indexing="ij",
    )
    values = 1e7 * time + 1e3 * level + latitude + longitude / 1e3
    dims = ("time", "level", "latitude", "longitude")
    return xr.Dataset({"t": (dims, values)}, axes)


def assert_same(found):
    xr.testing.assert_identical(
        found.transpose("time", "level", "latitude", "longitude").drop_attrs(), archive()
    )


ORDERS = {
    "level": (LEVEL, LEVEL[::-1], LEVEL[[2, 0, 3, 1]], LEVEL.astype("f8")),
    "latitude": (LATITUDE, LATITUDE[::-1], LATITUDE.astype("f4"), LATITUDE[[3, 0, 4, 1, 2]]),
    "longitude": (LONGITUDE, LONGITUDE[::-1], LONGITUDE - 180, np.roll(LONGITUDE, 3)),
}


@pytest.mark.parametrize("orders", list(itertools.product(range(4), repeat=3)), ids=str)
def test_every_order_of_the_axes_gives_the_same(orders):
    axes = {name: ORDERS[name][n] for name, n in zip(ORDERS, orders, strict=True)}
    found = harmonized(archive(**axes), "here")
    np.testing.assert_array_equal(found.latitude, LATITUDE)
    assert_same(found.assign_coords(latitude=LATITUDE))


@pytest.mark.parametrize("dims", DIMENSION_ORDERS)
def test_dimensions_in_any_order(dims):
    assert_same(harmonized(archive(latitude=LATITUDE[::-1]).transpose(*dims), "here"))


@pytest.mark.parametrize(
    "names",
    [
        {"latitude": "lat", "longitude": "lon"},
        {"time": "valid_time", "level": "pressure_level"},
        {"time": "date", "level": "isobaricInhPa"},
        {"level": "plev"},
        {"level": "lev"},
        {"level": "isobaric"},
        {"level": "isobaricInPa"},
        {"level": "pressure"},
    ],
)
def test_other_names(names):
    assert_same(harmonized(archive().rename(names), "here"))


@pytest.mark.parametrize(
    ("ours", "theirs", "standard_name"),
    [
        ("level", "isobaric3", "air_pressure"),
        ("latitude", "Lat", "latitude"),
        ("longitude", "nav_lon", "longitude"),
    ],
)
def test_axes_of_unknown_names_are_known_by_their_standard_name(ours, theirs, standard_name):
    dataset = archive()
    dataset[ours].attrs["standard_name"] = standard_name
    assert_same(harmonized(dataset.rename({ours: theirs}), "here"))


def test_a_field_called_like_an_axis_is_none():
    dataset = archive().rename(level="model_level")
    dataset["pressure"] = dataset.t
    assert "level" not in harmonized(dataset, "here").coords


TIME_ORDERS = list(itertools.permutations(range(3)))


@pytest.mark.parametrize("order", TIME_ORDERS, ids=str)
def test_times_in_any_order_become_ascending_with_their_values(order):
    assert_same(harmonized(archive(time=TIME[list(order)]), "here"))


def test_a_valid_time_beside_the_time_is_left_alone():
    dataset = archive().assign_coords(valid_time=("time", TIME + np.timedelta64(1, "D")))
    found = harmonized(dataset, "here")
    np.testing.assert_array_equal(found.time, TIME)
    np.testing.assert_array_equal(found.valid_time, TIME + np.timedelta64(1, "D"))


@pytest.mark.parametrize("units", [{"units": "Pa"}, {}])
def test_levels_in_pascal(units):
    dataset = archive()
    dataset = dataset.assign_coords(level=("level", 100.0 * LEVEL, units))
    assert_same(harmonized(dataset, "here"))


def test_levels_of_the_stratosphere_in_pascal_are_known_by_their_unit():
    dataset = archive(level=[1, 2, 3, 5])
    dataset = dataset.assign_coords(level=("level", [100.0, 200.0, 300.0, 500.0], {"units": "Pa"}))
    np.testing.assert_array_equal(harmonized(dataset, "here").level, [1, 2, 3, 5])


def test_single_level_data_need_no_level():
    found = harmonized(archive().isel(level=0, drop=True), "here")
    assert "level" not in found.coords


def test_sorting_stays_lazy(tmp_path):
    """The values are not read: they could not be, as the file has none of them."""
    dataset = archive(latitude=LATITUDE[::-1], longitude=LONGITUDE - 180, level=LEVEL[::-1])
    dataset.to_zarr(tmp_path / "a.zarr", zarr_format=2)
    for chunk in (tmp_path / "a.zarr" / "t").glob("[0-9]*"):
        chunk.write_bytes(b"no values")
    found = harmonized(xr.open_zarr(tmp_path / "a.zarr", chunks=None), "here")
    np.testing.assert_array_equal(found.level, LEVEL)
    with pytest.raises((RuntimeError, ValueError)):
        found.t.values  # noqa: B018


HOURS = np.arange("2024-02-29", "2024-03-08", 6, dtype="M8[h]").astype("M8[ns]")


def stored_times(units, dtype, times=HOURS):
    """A data set as xarray decodes it, of times that were stored as such numbers."""
    dataset = xr.Dataset(coords={"time": times, "latitude": LATITUDE, "longitude": LONGITUDE})
    variable = dataset.time.variable.copy()
    variable.encoding = {"units": units, "dtype": "f8", "calendar": "proleptic_gregorian"}
    variable.encoding["_FillValue"] = None
    numbers = xr.conventions.encode_cf_variable(variable).astype(dtype)
    return xr.decode_cf(dataset.assign_coords(time=numbers))


@pytest.mark.parametrize(
    ("units", "dtype", "exact"),
    [
        ("hours since 1900-01-01", "i4", True),
        ("days since 1800-01-01", "f8", True),
        ("hours since 1900-01-01", "f4", True),
        ("seconds since 1970-01-01", "f4", False),
        ("minutes since 1900-01-01", "f4", True),
        ("days since 1901-01-01 00:07", "f4", False),
    ],
)
def test_times_that_rounding_moved_off_the_hour_are_moved_back(units, dtype, exact):
    dataset = stored_times(units, dtype)
    assert np.array_equal(dataset.time, HOURS) == exact
    np.testing.assert_array_equal(harmonized(dataset, "here").time, HOURS)


def test_times_that_are_not_whole_hours_stay_where_numbers_are_fine():
    halves = HOURS + np.timedelta64(30, "m")
    for dtype in ("i4", "f8", "f4"):
        dataset = stored_times("minutes since 2024-01-01", dtype, halves)
        np.testing.assert_array_equal(harmonized(dataset, "here").time, halves)


@pytest.mark.parametrize(
    ("units", "dtype", "apart"),
    [
        ("hours since 0001-01-01", "f4", "2"),
        ("days since 0001-01-01", "f4", "1.5"),
        ("seconds since 0001-01-01", "f4", "1.13778"),
    ],
)
def test_times_too_coarse_to_tell_the_hour_are_refused(units, dtype, apart):
    dataset = stored_times(units, dtype)
    with pytest.raises(
        BuildError, match=f"here: times are stored as float32 .*{apart} hours apart"
    ):
        harmonized(dataset.isel(time=slice(1)), "here")


TWICE = TIME[[0, 1, 1]]
GAP = np.array(["2020-01-01", "NaT", "2020-01-03"], "M8[ns]")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"time": TWICE}, "time has a value twice, 2020-01-02.*fetch it again"),
        ({"time": TIME[[1, 2, 1]]}, "time has a value twice, 2020-01-02"),
        ({"latitude": LATITUDE[[0, 1, 1, 3, 4]]}, "latitude has a value twice"),
        ({"latitude": LATITUDE * 1.1}, "beyond the poles"),
        ({"longitude": [0, 45, 90, 135, 180, 225, 270, 360]}, "longitude has a value twice"),
        ({"level": [50, 500, 500, 1000]}, "level has a value twice"),
        ({"level": [50, 500, 850.5, 1000]}, "whole hPa"),
    ],
)
def test_unusable_axes(axes, message):
    with pytest.raises(BuildError, match=f"here.*{message}"):
        harmonized(archive(**axes), "here")


@pytest.mark.parametrize(
    ("axis", "values", "message"),
    [
        ("time", np.arange(3), "time is int64, not dates"),
        ("time", GAP, "some are missing"),
        ("latitude", np.where(LATITUDE > 80, np.nan, LATITUDE), "latitude holds values"),
        ("longitude", np.full(8, np.inf), "longitude holds values"),
        ("level", np.where(LEVEL > 900, np.nan, LEVEL), "whole hPa"),
    ],
)
def test_axes_without_numbers(axis, values, message):
    with pytest.raises(BuildError, match=f"here.*{message}"):
        harmonized(archive().assign_coords({axis: values}), "here")


@pytest.mark.parametrize("axis", ["time", "level", "latitude", "longitude"])
def test_empty_axes(axis):
    with pytest.raises(BuildError, match=f"here is empty along {axis}"):
        harmonized(archive().isel({axis: slice(0)}), "here")


@pytest.mark.parametrize("axis", ["latitude", "longitude"])
def test_absent_axes(axis):
    with pytest.raises(BuildError, match=f"here has no axis {axis}"):
        harmonized(archive().isel({axis: 0}, drop=True), "here")


def test_axes_in_two_dimensions_are_no_axes():
    dataset = archive().rename(latitude="y", longitude="x")
    place = ("y", "x"), np.zeros((5, 8))
    with pytest.raises(BuildError, match="no axis latitude"):
        harmonized(dataset.assign_coords(lat=place, lon=place), "here")
