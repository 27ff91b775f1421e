"""CPC's daily precipitation from files laid out as NOAA PSL's are, half a degree and all."""

import h5netcdf
import numpy as np
import pytest

from dambench_hub.building.era5.alignment import PRODUCTS
from dambench_hub.building.sources.daily.precipitation import open_precipitation
from dambench_hub.building.sources.daily.series import read_day
from dambench_hub.building.sources.states import MissingData
from dambench_hub.errors import BuildError

FILL = np.float32(-9.96921e36)
LATITUDE = (89.75 - 0.5 * np.arange(360)).astype("f4")
LONGITUDE = (0.25 + 0.5 * np.arange(720)).astype("f4")
LAND = np.random.default_rng(0).random((360, 720)) < 0.3


def rain(day):
    """Tenths of mm over land, missing over the sea."""
    number = int((np.datetime64(day) - np.datetime64("1979-01-01")).astype(int))
    tenths = np.random.default_rng(number).integers(0, 900, LAND.shape)
    return np.where(LAND, (tenths / 10).astype("f4"), FILL)


def write_year(path, first, count, valid=None, units="mm"):
    """A file of PSL from the day `first` on; only the first `valid` days hold values."""
    days = np.datetime64(first) + np.arange(count)
    values = np.full((count, 360, 720), FILL)
    for row, day in enumerate(days[:valid]):
        values[row] = rain(day)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"lat": 360, "lon": 720, "time": None}
        file.resize_dimension("time", count)
        lat = file.create_variable("lat", ("lat",), "f4", data=LATITUDE)
        lat.attrs.update({"units": "degrees_north", "axis": "Y", "long_name": "Latitude"})
        lon = file.create_variable("lon", ("lon",), "f4", data=LONGITUDE)
        lon.attrs.update({"units": "degrees_east", "axis": "X", "long_name": "Longitude"})
        time = file.create_variable("time", ("time",), "f8", chunks=(512,))
        time[:] = (days - np.datetime64("1900-01-01")).astype("f8") * 24
        time.attrs.update(
            {
                "long_name": "Time",
                "axis": "T",
                "standard_name": "time",
                "units": "hours since 1900-01-01 00:00:00",
                "delta_t": "0000-00-01 00:00:00",
                "avg_period": "0000-00-01 00:00:00",
            }
        )
        precip = file.create_variable(
            "precip",
            ("time", "lat", "lon"),
            "f4",
            chunks=(1, 360, 720),
            fillvalue=FILL,
            compression="gzip",
            compression_opts=1,
        )
        precip[:] = values
        precip.attrs.update(
            {
                "var_desc": "Precipitation",
                "level_desc": "Surface",
                "statistic": "Total",
                "missing_value": FILL,
                "long_name": "Daily total of precipitation",
                "units": units,
                "valid_range": np.array([0, 1000], "f4"),
                "cell_methods": "time: sum",
            }
        )
        file.attrs.update(
            {
                "Conventions": "CF-1.0",
                "title": "CPC GLOBAL PRCP V1.0 RT",
                "dataset_title": "CPC GLOBAL PRCP V1.0",
            }
        )
    return path


def write_long_term_mean(path):
    """As PSL's `precip.day.ltm.*.nc`: times in the year 1, marked as a climatology."""
    write_year(path, "2001-01-01", 3)
    with h5netcdf.File(path, "a") as file:
        file["time"][:] = -7.0e5 + 24 * np.arange(3)
        file["time"].attrs["units"] = "hours since 1800-01-01 00:00:0.0"
        file["time"].attrs["climatology"] = "climatology_bounds"
        file["precip"].attrs["long_name"] = "Long Term Mean Daily total of precipitation"
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The last days of 2003, the first of 2004 with its leap day ahead, and a long-term mean."""
    folder = tmp_path_factory.mktemp("cpc")
    write_year(folder / "precip.2003.nc", "2003-12-30", 2)
    write_year(folder / "precip.2004.nc", "2004-02-28", 5, valid=3)
    write_long_term_mean(folder / "precip.day.ltm.1991-2020.nc")
    return folder


def test_the_series(folder):
    series = open_precipitation(folder)
    days = ["2003-12-30", "2003-12-31", *(f"2004-02-{day}" for day in (28, 29))]
    days += [f"2004-03-0{day}" for day in (1, 2, 3)]
    np.testing.assert_array_equal(series.time, np.array(days, "datetime64[ns]"))
    np.testing.assert_array_equal(series.latitude, LATITUDE)
    np.testing.assert_array_equal(series.longitude, LONGITUDE)
    assert series.name == "precipitation"
    assert series.attrs["units"] == "mm day-1"
    assert series.attrs["holes"] == "2004-01-01 to 2004-02-27"


def test_values_are_those_of_the_file_and_missing_ones_nan(folder):
    series = open_precipitation(str(folder / "precip.*.nc"))
    for day in ("2003-12-31", "2004-02-29"):
        field = series.sel(time=day).values
        np.testing.assert_array_equal(field, np.where(LAND, rain(day), np.nan))
        assert field.dtype == np.float32
    assert np.isnan(series[0].values).sum() == (~LAND).sum()


def test_the_long_term_mean_is_left_out_by_its_content(folder):
    left_out = open_precipitation(folder).attrs["left_out"]
    assert left_out == "precip.day.ltm.1991-2020.nc is a long-term mean"
    with pytest.raises(BuildError, match="no file of CPC unified precipitation.*long-term mean"):
        open_precipitation(folder / "precip.day.ltm.1991-2020.nc")


def test_days_that_the_file_holds_in_advance_are_missing(folder):
    series = open_precipitation(folder)

    def every_third(field):
        return field[::3, ::3]

    coarse = read_day(series, np.datetime64("2004-03-01"), every_third)
    expected = np.where(LAND, rain("2004-03-01"), np.nan)[::3, ::3]
    np.testing.assert_array_equal(coarse, expected)
    for day in ("2004-03-02", "2004-03-03"):
        missing = read_day(series, np.datetime64(day), every_third)
        assert isinstance(missing, MissingData)
        assert f"nothing was measured on {day}" in str(missing)


def test_attributes_are_sentences_and_name_the_product(folder):
    attributes = open_precipitation(folder).attrs
    assert attributes["product"] in PRODUCTS
    assert "https://psl.noaa.gov" in attributes["attribution"]
    for name in ("title", "source", "licence", "citation"):
        assert len(attributes[name]) > 20


def test_two_copies_of_a_year_are_refused(tmp_path):
    write_year(tmp_path / "precip.2004.nc", "2004-01-01", 2)
    write_year(tmp_path / "precip.2004 (1).nc", "2004-01-01", 1)
    with pytest.raises(BuildError, match="both have 2004-01-01"):
        open_precipitation(tmp_path)


def test_rates_are_refused_by_their_unit(tmp_path):
    path = write_year(tmp_path / "precip.2004.nc", "2004-01-01", 1, units="kg m-2 s-1")
    with pytest.raises(BuildError, match="in 'kg m-2 s-1'; wanted 'mm'.*86400"):
        open_precipitation(path)
