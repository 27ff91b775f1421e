"""Outgoing longwave radiation from files laid out as NCEI's and PSL's are, whatever their names."""

import h5netcdf
import numpy as np
import pytest
from scipy.io import netcdf_file

from dambench_hub.building.era5.alignment import PRODUCTS
from dambench_hub.building.sources.daily.olr import open_olr
from dambench_hub.building.sources.daily.series import read_day, require_days
from dambench_hub.errors import BuildError

CDR_LATITUDE, CDR_LONGITUDE = -89.5 + np.arange(180), 0.5 + np.arange(360)
PSL_LATITUDE, PSL_LONGITUDE = 90 - 2.5 * np.arange(73), 2.5 * np.arange(144)
INTERPOLATED = {
    "Conventions": "CF-1.2",
    "title": "Daily Mean Interpolated OLR",
    "description": "Data is interpolated in time and space from NOAA twice-daily OLR values and "
    "averaged to once daily",
    "dataset_title": "NOAA Interpolated Outgoing Longwave Radiation (OLR)",
}
CDR = {"Conventions": "CF-1.6", "title": "NOAA Climate Data Record of Daily Mean OLR"}


def days_from(first, count):
    return np.datetime64(first, "D") + np.arange(count)


def radiation(day, shape):
    """Hundredths of W m-2 between 90 and 340, as the packed file can hold."""
    number = int((np.datetime64(day, "D") - np.datetime64("1970-01-01")).astype(int))
    return np.random.default_rng(number).integers(9000, 34000, shape) / 100


def fields(days, shape, missing):
    values = np.stack([radiation(day, shape) for day in days])
    values[:, 3, 5:9] = missing
    return values.astype("f4")


def write_cdf4(path, days, values, latitude, longitude, time_units, stamps, attributes, variable):
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": None, "lat": len(latitude), "lon": len(longitude)}
        file.resize_dimension("time", len(days))
        for axis, points in (("lat", latitude), ("lon", longitude)):
            file.create_variable(axis, (axis,), "f4", data=points.astype("f4"))
        time = file.create_variable("time", ("time",), "f8", data=stamps)
        time.attrs["units"] = time_units
        variable = {"long_name": "NOAA Climate Data Record of Daily OLR", **variable}
        fill = variable.pop("_FillValue", None)
        olr = file.create_variable("olr", ("time", "lat", "lon"), "f4", data=values, fillvalue=fill)
        olr.attrs.update(variable)
        file.attrs.update(attributes)
    return path


def write_cdr(path, first, count, attributes=None, units="W m-2", missing=np.nan, **variable):
    """A year of the CDR: latitude ascending, stamps at noon, bounds beside."""
    days = days_from(first, count)
    stamps = days.astype("f8") + 0.5
    write_cdf4(
        path,
        days,
        fields(days, (180, 360), missing),
        CDR_LATITUDE,
        CDR_LONGITUDE,
        "days since 1970-01-01 00:00:00",
        stamps,
        {**CDR, **(attributes or {})},
        {"units": units, **variable},
    )
    with h5netcdf.File(path, "a") as file:
        file.dimensions["nv"] = 2
        bounds = np.stack([stamps - 0.5, stamps + 0.5], axis=1)
        file.create_variable("time_bounds", ("time", "nv"), "f8", data=bounds)
        file["time"].attrs["bounds"] = "time_bounds"
    return path


def psl_stamps(days):
    return (days - np.datetime64("1800-01-01")).astype("f8") * 24


def write_interpolated(path, days, values=None, latitude=PSL_LATITUDE, attributes=INTERPOLATED):
    """PSL's file as it is since 2020: netCDF-4, float32."""
    if values is None:
        values = fields(days, (73, 144), np.float32(-9.96921e36))
    return write_cdf4(
        path,
        days,
        values,
        latitude,
        PSL_LONGITUDE,
        "hours since 1800-01-01 00:00:0.0",
        psl_stamps(days),
        attributes,
        {"units": "W/m^2", "missing_value": np.float32(-9.96921e36), "statistic": "Mean"},
    )


def write_packed(path, days, declared=True):
    """PSL's file as it was before 2020: netCDF-3, int16."""
    values = fields(days, (73, 144), np.nan).astype("f8")
    packed = np.where(np.isnan(values), 32766, np.round((values - 327.65) / 0.01)).astype("i2")
    with netcdf_file(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("lon", 144)
        file.createDimension("lat", 73)
        file.createVariable("lat", "f4", ("lat",))[:] = PSL_LATITUDE
        file.createVariable("lon", "f4", ("lon",))[:] = PSL_LONGITUDE
        time = file.createVariable("time", "f8", ("time",))
        time[:] = psl_stamps(days)
        time.units = "hours since 1800-01-01 00:00:0.0"
        olr = file.createVariable("olr", "i2", ("time", "lat", "lon"))
        olr[:] = packed
        olr.units, olr.long_name = "W/m^2", "Daily OLR"
        olr.scale_factor, olr.add_offset = np.float32(0.01), np.float32(327.65)
        olr.valid_range = np.array([-32765, 32765], "i2")
        if declared:
            olr.missing_value = np.int16(32766)
        for name, value in INTERPOLATED.items():
            setattr(file, name, value)
    return path


def expected(day, shape):
    return fields([np.datetime64(day)], shape, np.nan)[0]


def test_the_record_comes_north_to_south_on_its_days(tmp_path):
    write_cdr(tmp_path / "olr-daily_v01r02_20200101_20201231.nc", "2020-02-28", 3)
    series = open_olr(tmp_path)
    days = np.array(["2020-02-28", "2020-02-29", "2020-03-01"], "datetime64[ns]")
    np.testing.assert_array_equal(series.time, days)
    np.testing.assert_array_equal(series.latitude, CDR_LATITUDE[::-1])
    np.testing.assert_array_equal(series.longitude, CDR_LONGITUDE)
    for day in days:
        field = series.sel(time=day).values
        np.testing.assert_array_equal(field, expected(day, (180, 360))[::-1])
    assert series.name == "olr"
    assert series.attrs["units"] == "W m-2"
    assert (series.attrs["product"], series.attrs["version"]) == ("olr_cdr", "v01r02")


@pytest.mark.parametrize("missing", [-9.96921e36, -999.0, 32766.0, 1e20])
@pytest.mark.parametrize("declared", [True, False])
def test_any_fill_value_of_the_record_is_nan(tmp_path, missing, declared):
    attributes = {"_FillValue": np.float32(missing)} if declared else {}
    limits = {"valid_min": np.float32(50), "valid_max": np.float32(450)}
    path = tmp_path / "OLR-Daily_v02r00_s20240101_e20241231.nc"
    series = open_olr(write_cdr(path, "2024-01-01", 2, missing=missing, **attributes, **limits))
    np.testing.assert_array_equal(series[1].values, expected("2024-01-02", (180, 360))[::-1])
    assert series.attrs["version"] == "v02r00"


@pytest.mark.parametrize("writer", [write_packed, write_interpolated])
def test_both_encodings_of_interpolated_olr_give_the_same(tmp_path, writer):
    days = days_from("2019-12-30", 4)
    series = open_olr(writer(tmp_path / "olr.day.mean.nc", days))
    np.testing.assert_array_equal(series.time, days.astype("datetime64[ns]"))
    np.testing.assert_array_equal(series.latitude, PSL_LATITUDE)
    np.testing.assert_array_equal(series.longitude, PSL_LONGITUDE)
    for day in days:
        field = series.sel(time=day.astype("datetime64[ns]")).values
        # float32 of 0.01 n + 327.65 has steps of 3e-5.
        np.testing.assert_allclose(field, expected(day, (73, 144)), rtol=0, atol=1e-4)
        assert field.dtype == np.float32
    assert series.attrs["product"] == "olr_interpolated"


def test_the_sentinel_of_packed_values_is_missing_though_undeclared(tmp_path):
    days = days_from("2019-12-30", 1)
    series = open_olr(write_packed(tmp_path / "olr.day.mean.nc", days, declared=False))
    assert np.isnan(series[0, 3, 5:9].values).all()
    assert np.isnan(series[0].values).sum() == 4


def test_preliminary_days_are_used_where_there_is_no_final_one(tmp_path):
    final = "olr-daily_v01r02_20230101_20231231.nc"
    preliminary = "olr-daily_v01r02-preliminary_20231230_20240102.nc"
    write_cdr(tmp_path / final, "2023-12-28", 4)
    write_cdr(tmp_path / preliminary, "2023-12-30", 4, missing=100.0)
    series = open_olr(tmp_path)
    assert series.sizes["time"] == 6
    assert np.isnan(series[:, -4, 5].values).tolist() == 4 * [True] + 2 * [False]
    assert series.attrs["preliminary"] == "2024-01-01 to 2024-01-02"
    assert open_olr(tmp_path / final).attrs["preliminary"] == ""
    only = open_olr(tmp_path / preliminary)
    assert only.attrs["preliminary"] == "2023-12-30 to 2024-01-02"


def test_a_preliminary_file_may_say_so_in_its_attributes(tmp_path):
    write_cdr(tmp_path / "a.nc", "2024-01-01", 2, {"title": "OLR Daily (preliminary)"})
    write_cdr(tmp_path / "b.nc", "2024-01-01", 1)
    assert open_olr(tmp_path).attrs["preliminary"] == "2024-01-02 to 2024-01-02"


def test_a_preliminary_file_that_is_wholly_replaced_gives_nothing(tmp_path):
    write_cdr(tmp_path / "olr_preliminary.nc", "2024-01-01", 2, missing=100.0)
    write_cdr(tmp_path / "olr.nc", "2024-01-01", 2)
    series = open_olr(tmp_path)
    assert series.attrs["preliminary"] == ""
    assert np.isnan(series[:, -4, 5].values).all()


def test_two_final_files_with_one_day_are_refused(tmp_path):
    write_cdr(tmp_path / "olr-daily_v01r02_20180101_20181231.nc", "2018-12-31", 1)
    write_cdr(tmp_path / "olr-daily_v01r02_19800101_20231231.nc", "2018-12-30", 3)
    with pytest.raises(BuildError, match="both have 2018-12-31"):
        open_olr(tmp_path)


def test_two_versions_are_refused(tmp_path):
    write_cdr(tmp_path / "olr-daily_v01r02_20180101_20181231.nc", "2018-01-01", 1)
    write_cdr(tmp_path / "2019.nc", "2019-01-01", 1, {"product_version": "v02r00"})
    with pytest.raises(BuildError, match=r"Two versions.*v01r02 .*v02r00 \(2019.nc\).*by a glob"):
        open_olr(tmp_path)
    assert open_olr(tmp_path / "2019.nc").attrs["version"] == "v02r00"


def test_two_products_are_refused(tmp_path):
    write_cdr(tmp_path / "olr.2018.nc", "2018-01-01", 1)
    write_interpolated(tmp_path / "olr.day.mean.nc", days_from("2019-01-01", 1))
    with pytest.raises(BuildError, match="NOAA OLR-Daily CDR and NOAA interpolated OLR; give one"):
        open_olr(tmp_path)


def test_a_year_under_the_name_of_another_is_refused(tmp_path):
    """Copies from 2019 held 2018 twice."""
    days = np.concatenate([days_from(f"{year}-01-10", 12) for year in (2016, 2017, 2018)])
    values = fields(days, (73, 144), np.nan)
    open_olr(write_interpolated(tmp_path / "olr.day.mean.nc", days, values))
    values[12:24] = values[24:]
    with pytest.raises(BuildError, match="2017 and 2018 are identical on 01-15"):
        open_olr(write_interpolated(tmp_path / "olr.day.mean.nc", days, values))
    values[:] = np.nan  # days without values are alike and no copies
    open_olr(write_interpolated(tmp_path / "olr.day.mean.nc", days, values))


def test_the_gap_of_1978_is_listed(tmp_path):
    days = np.concatenate([days_from("1978-03-10", 7), days_from("1979-01-01", 9)])
    series = open_olr(write_interpolated(tmp_path / "olr.day.mean.nc", days))
    assert series.attrs["holes"] == "1978-03-17 to 1978-12-31"


def test_days_after_its_end_are_refused_and_the_record_is_named(tmp_path):
    series = open_olr(write_interpolated(tmp_path / "a.nc", days_from("2022-12-30", 2)))
    with pytest.raises(
        BuildError, match="ends on 2022-12-31; the OLR-Daily CDR covers 1979 to now"
    ):
        require_days(series, days_from("2022-12-31", 2))


def test_products_of_the_same_file_name_are_told_apart(tmp_path):
    """PSL's copy of the CDR has 181 latitudes; CPC's blended OLR comes on both grids."""
    days, blended = days_from("2010-01-01", 2), {"title": "CPC Blended OLR"}
    values = np.full((2, 181, 144), 200, "f4")
    path = tmp_path / "olr.day.mean.nc"
    write_interpolated(path, days, values, latitude=90 - np.arange(181.0))
    with pytest.raises(BuildError, match="grid of 181x144"):
        open_olr(path)
    write_interpolated(path, days, attributes=blended)
    with pytest.raises(BuildError, match="speaks of 'blend'"):
        open_olr(path)
    write_interpolated(path, days, attributes={"title": "OLR"})
    with pytest.raises(BuildError, match="has not 'interpolat' in its attributes"):
        open_olr(path)
    write_cdr(path, "2010-01-01", 2, blended)
    with pytest.raises(BuildError, match="speaks of 'blend'"):
        open_olr(path)


def test_values_of_another_unit_are_refused(tmp_path):
    path = write_cdr(tmp_path / "a.nc", "2010-01-01", 1, units="J m-2")
    with pytest.raises(BuildError, match="olr is in 'J m-2'; wanted 'W m-2'"):
        open_olr(path)
    days = days_from("2010-02-01", 1)
    path = write_interpolated(tmp_path / "b.nc", days, np.full((1, 73, 144), 200, "f4") * 86400)
    with pytest.raises(BuildError, match="runs from 1.728e"):
        open_olr(path)[0].load()


@pytest.mark.parametrize("units", ["W m-2", "W/m^2", "W m**-2", "w m^-2", "Watts m^-2"])
def test_units_may_be_spelt_freely(tmp_path, units):
    assert open_olr(write_cdr(tmp_path / "a.nc", "2010-01-01", 1, units=units)).size


def test_one_day_on_the_grid(tmp_path):
    series = open_olr(write_cdr(tmp_path / "a.nc", "2010-01-01", 2))

    def blocks(field):
        return np.nanmean(field.reshape(60, 3, 120, 3), axis=(1, 3))

    coarse = read_day(series, np.datetime64("2010-01-02"), blocks)
    np.testing.assert_allclose(coarse, blocks(expected("2010-01-02", (180, 360))[::-1]), rtol=1e-6)


@pytest.mark.parametrize("writer", [write_packed, write_interpolated])
def test_attributes_are_sentences_and_name_the_product(tmp_path, writer):
    both = (
        open_olr(writer(tmp_path / "a.nc", days_from("2010-01-01", 1))),
        open_olr(write_cdr(tmp_path / "b.nc", "2010-01-01", 1)),
    )
    for series in both:
        assert series.attrs["product"] in PRODUCTS
        for name in ("title", "source", "licence", "attribution", "citation"):
            assert len(series.attrs[name]) > 20
