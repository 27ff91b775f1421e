"""Files of daily products: recognised by content, read whatever they call missing, or refused."""

from dataclasses import replace

import h5netcdf
import h5py
import numpy as np
import psutil
import pytest
from scipy.io import netcdf_file

from dambench_hub.building.sources.daily.files import Layout, find_files
from dambench_hub.errors import BuildError

RAIN = Layout(
    "cpc_precipitation", "made-up rain", "precip", 30.0, True, ("mm",), (0, 2000), "Mend it.", 0.05
)
LATITUDE = np.array([75, 45, 15, -15, -45, -75], "f4")
LONGITUDE = (15 + 30 * np.arange(12)).astype("f4")
UNITS = "hours since 1900-01-01 00:00:00"
FIRST = np.datetime64("2004-02-27")


def hours(days, since="1900-01-01"):
    return (np.asarray(days, "M8[h]") - np.datetime64(since, "h")).astype("f8")


DAYS = FIRST + np.arange(4)
RAINFALL = np.random.default_rng(1).gamma(0.5, 8, (4, 6, 12)).astype("f4")
RAINFALL[:, 0] = 0


def write(
    path,
    values=RAINFALL,
    stamps=None,
    latitude=LATITUDE,
    longitude=LONGITUDE,
    name="precip",
    attributes=None,
    time_attributes=None,
    title="made-up",
    fill=None,
):
    """A netCDF-4 file as PSL writes them, an unlimited time and a chunk a day."""
    attributes = {"units": "mm"} if attributes is None else attributes
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": None, "lat": len(latitude), "lon": len(longitude)}
        file.resize_dimension("time", len(values))
        time = file.create_variable("time", ("time",), "f8", chunks=(512,))
        time[:] = hours(DAYS) if stamps is None else stamps
        time.attrs.update({"units": UNITS, **(time_attributes or {})})
        for axis, points in (("lat", latitude), ("lon", longitude)):
            file.create_variable(axis, (axis,), "f4", data=points)
        variable = file.create_variable(
            name,
            ("time", "lat", "lon"),
            values.dtype,
            chunks=(1, *values.shape[1:]),
            fillvalue=fill,
            compression="gzip",
        )
        variable[:] = values
        variable.attrs.update(attributes)
        file.attrs["title"] = title
    return path


def write_classic(path, values=RAINFALL, version=1, **attributes):
    """The same as netCDF-3 with a record dimension."""
    with netcdf_file(path, "w", version=version) as file:
        file.createDimension("time", None)
        for name, points in (("lat", LATITUDE), ("lon", LONGITUDE)):
            file.createDimension(name, len(points))
            file.createVariable(name, "f4", (name,))[:] = points
        time = file.createVariable("time", "f8", ("time",))
        time[:] = hours(DAYS)
        time.units = UNITS
        variable = file.createVariable("precip", values.dtype, ("time", "lat", "lon"))
        variable[:] = values
        for name, value in {"units": "mm", **attributes}.items():
            setattr(variable, name, value)
    return path


def one(path, layout=RAIN):
    (file,), left_out = find_files(path, [layout])
    assert not left_out
    return file


@pytest.mark.parametrize("container", ["netCDF-4", "netCDF-3", "netCDF-3 64 bit", "no extension"])
def test_a_file_is_read_day_by_day_from_any_container(tmp_path, container):
    if container.startswith("netCDF-3"):
        path = write_classic(tmp_path / "rain.nc", version=2 if "64" in container else 1)
    else:
        path = write(tmp_path / ("rain" if container == "no extension" else "rain.nc"))
    file = one(path)
    assert file.days.tolist() == DAYS.tolist()
    for row in (2, 0, 3, 1):
        field = file.read(row)
        np.testing.assert_array_equal(field, RAINFALL[row])
        assert field.dtype == np.float32


def test_axes_of_any_direction_become_ours(tmp_path):
    west = np.roll(np.where(LONGITUDE > 180, LONGITUDE - 360, LONGITUDE), 6)
    turned = np.roll(RAINFALL[:, ::-1], 6, axis=2)
    file = one(write(tmp_path / "rain.nc", turned, latitude=LATITUDE[::-1], longitude=west))
    np.testing.assert_array_equal(file.read(1), RAINFALL[1])


def test_dimensions_may_come_in_any_order(tmp_path):
    axes = {"time": hours(DAYS), "lat": LATITUDE, "lon": LONGITUDE}
    with h5netcdf.File(tmp_path / "rain.nc", "w") as file:
        file.dimensions = {name: len(points) for name, points in axes.items()}
        for name, points in axes.items():
            file.create_variable(name, (name,), "f8", data=points)
        file["time"].attrs["units"] = UNITS
        turned = file.create_variable(
            "precip", ("lon", "time", "lat"), "f4", data=RAINFALL.transpose(2, 0, 1)
        )
        turned.attrs["units"] = "mm"
    np.testing.assert_array_equal(one(tmp_path / "rain.nc").read(2), RAINFALL[2])


def test_a_stamp_at_any_hour_names_its_day(tmp_path):
    for hour in (0, 12, 23):
        assert one(write(tmp_path / "rain.nc", stamps=hours(DAYS) + hour)).days[0] == FIRST
    # Rounded to a little before midnight.
    stamps = hours(DAYS) - [1e-7, 0, 1e-7, 1e-7]
    assert one(write(tmp_path / "rain.nc", stamps=stamps)).days.tolist() == DAYS.tolist()


def test_nothing_is_left_open(tmp_path):
    paths = [write(tmp_path / "four.nc"), write_classic(tmp_path / "three.nc")]
    for path in paths:
        one(path).read(0)
    assert not {file.path for file in psutil.Process().open_files()} & set(map(str, paths))


NETCDF_FILL = np.float32(-9.96921e36)


@pytest.mark.parametrize(
    ("constant", "attributes", "fill"),
    [
        (NETCDF_FILL, {"missing_value": NETCDF_FILL}, NETCDF_FILL),
        (NETCDF_FILL, {"missing_value": NETCDF_FILL}, None),
        (NETCDF_FILL, {}, None),
        (-NETCDF_FILL, {}, None),
        (np.float32(1e20), {}, None),
        (np.float32(-999), {}, None),
        (np.float32(-9999), {}, None),
        (np.float32(32766), {}, None),
        (np.float32(-999), {}, NETCDF_FILL),
        (np.float32("nan"), {}, None),
        (np.float32(-99.9), {"missing_value": np.float32(-99.9)}, None),
    ],
)
def test_missing_values_are_nan_declared_or_not(tmp_path, constant, attributes, fill):
    values = RAINFALL.copy()
    values[:, 2:4, 5:] = constant
    expected = RAINFALL.copy()
    expected[:, 2:4, 5:] = np.nan
    file = one(
        write(tmp_path / "rain.nc", values, attributes={"units": "mm", **attributes}, fill=fill)
    )
    np.testing.assert_array_equal(file.read(1), expected[1])


def test_packed_values_are_unpacked_and_their_sentinel_is_missing(tmp_path):
    packed = np.round(RAINFALL * 10).astype("i2")
    packed[:, 2] = 32766
    scale = {"scale_factor": np.float32(0.1), "add_offset": np.float32(0)}
    declared = write_classic(tmp_path / "a.nc", packed, missing_value=np.int16(32766), **scale)
    expected = (np.round(RAINFALL * 10) / 10).astype("f4")
    expected[:, 2] = np.nan
    np.testing.assert_allclose(one(declared).read(3), expected[3], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "came"),
    [
        (lambda v: v.__setitem__((1, 3, 4), 2100), "to 2100"),
        (lambda v: v.__setitem__((1, 3, 4), -0.5), "-0.5 to"),
        (lambda v: v.__setitem__((1, 3, 4), np.inf), "to inf"),
        (lambda v: v.__imul__(np.float32(1 / 86400)), "0 to 0.000"),
    ],
    ids=["above", "below", "infinite", "rate"],
)
def test_impossible_values_are_refused_with_their_range(tmp_path, change, came):
    values = RAINFALL.copy()
    change(values)
    file = one(write(tmp_path / "rain.nc", values))
    with pytest.raises(BuildError, match=rf"rain.nc, 2004-02-28: precip runs.*{came}.*Mend it"):
        file.read(1)


def test_a_dry_day_is_a_measurement(tmp_path):
    assert np.all(one(write(tmp_path / "rain.nc", 0 * RAINFALL)).read(0) == 0)


@pytest.mark.parametrize("units", ["mm", "MM", " mm ", "millimetres"])
def test_units_may_be_spelt_freely(tmp_path, units):
    spelt = one(write(tmp_path / "rain.nc", attributes={"units": units}))
    plain = one(write(tmp_path / "plain.nc"))
    np.testing.assert_array_equal(spelt.read(0), plain.read(0))


@pytest.mark.parametrize("units", ["kg m-2 s-1", "m", "cm", "inches", ""])
def test_other_units_are_refused(tmp_path, units):
    write(tmp_path / "rain.nc", attributes={"units": units} if units else {})
    said = f"is in '{units}'" if units else "declares no unit"
    with pytest.raises(BuildError, match=f"rain.nc: precip {said}; wanted 'mm'. Mend it."):
        find_files(tmp_path, [RAIN])


OTHERS = {
    "tmax": ({"name": "tmax"}, r"has no variable precip"),
    "climatology": ({"time_attributes": {"climatology": "climatology_bounds"}}, "a long-term mean"),
    "mean": ({"attributes": {"units": "mm", "statistic": "Long Term Mean"}}, "'long term mean'"),
    "anomaly": ({"title": "Daily anomalies"}, "'anomal'"),
    "monthly": ({"stamps": hours(["2004-01-01", "2004-02-01", "2004-03-01", "2004-04-01"])}, "744"),
    "half-daily": ({"stamps": hours(DAYS)[0] + 12 * np.arange(4)}, "12 hours apart"),
    "with poles": ({"latitude": np.linspace(90, -90, 6)}, "6x12 points from 90 N, 15 E"),
    "columns": ({"values": RAINFALL[..., ::2], "longitude": LONGITUDE[::2]}, "6x6 points"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_content_is_left_out_with_its_reason(tmp_path, kind):
    settings, reason = OTHERS[kind]
    write(tmp_path / "a.nc")
    other = write(tmp_path / "precip.nc", **settings)
    files, left_out = find_files(tmp_path, [RAIN])
    assert [file.path.name for file in files] == ["a.nc"]
    assert reason in left_out["precip.nc"]
    with pytest.raises(BuildError, match="has no file of made-up rain: precip.nc"):
        find_files(other, [RAIN])


def test_fields_on_other_axes_are_left_out(tmp_path):
    write(tmp_path / "a.nc")
    with h5netcdf.File(tmp_path / "b.nc", "w") as file:
        file.dimensions = {"time": 4, "y": 6, "x": 12, "lat": 6}
        file.create_variable("time", ("time",), "f8", data=hours(DAYS)).attrs["units"] = UNITS
        file.create_variable("precip", ("time", "y", "x"), "f4", data=RAINFALL)
    with h5netcdf.File(tmp_path / "c.nc", "w") as file:
        file.dimensions = {"time": None, "lat": 6, "lon": 12}
        for name in ("time", "lat", "lon"):
            file.create_variable(name, (name,), "f8", chunks=(512,) if name == "time" else None)
        file.create_variable("precip", ("time", "lat", "lon"), "f4", chunks=(1, 6, 12))
    files, left_out = find_files(tmp_path, [RAIN])
    assert [file.path.name for file in files] == ["a.nc"]
    assert left_out == {
        "b.nc": "has precip on other axes than time, lat, lon",
        "c.nc": "has no times",
    }


def test_words_of_the_attributes_tell_products_on_one_grid_apart(tmp_path):
    path = write(tmp_path / "precip.nc", title="Blended analysis")
    with pytest.raises(BuildError, match="speaks of 'blend'"):
        find_files(path, [replace(RAIN, excluded=("blend",))])
    one(path, replace(RAIN, required=("blend",)))
    with pytest.raises(BuildError, match="has not 'interpolat'"):
        find_files(path, [replace(RAIN, required=("interpolat",))])


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [0, 2, 1, 3], [2, 3, 0, 1]])
@pytest.mark.parametrize("writer", [write, write_classic])
def test_days_in_any_order_are_each_given_under_its_date(tmp_path, order, writer):
    path = writer(tmp_path / "rain.nc", RAINFALL[order])
    with h5py.File(path, "r+") if writer is write else netcdf_file(path, "a") as file:
        (file if writer is write else file.variables)["time"][:] = hours(DAYS)[order]
    found = one(path)
    assert found.days.tolist() == DAYS.tolist()
    for number in range(4):
        np.testing.assert_array_equal(found.read(number), RAINFALL[number])


@pytest.mark.parametrize(
    ("stamps", "problem"),
    [
        (hours(DAYS)[[0, 1, 1, 2]], "time has a value twice, 2004-02-28"),
        (hours(DAYS)[[1, 2, 3, 1]], "time has a value twice, 2004-02-28"),
        (hours(DAYS) + [0, 0, -12, 0], "has 2004-02-28 twice"),
    ],
    ids=["twice", "twice in no order", "twice a day"],
)
def test_damaged_times_are_refused(tmp_path, stamps, problem):
    write(tmp_path / "rain.nc", stamps=stamps)
    with pytest.raises(BuildError, match=problem):
        find_files(tmp_path, [RAIN])


def test_times_without_a_calendar_are_refused(tmp_path):
    write(tmp_path / "rain.nc", time_attributes={"units": "hours"})
    with pytest.raises(BuildError, match="not dates"):
        find_files(tmp_path, [RAIN])
    write(tmp_path / "rain.nc", time_attributes={"units": "hours since yesterday"})
    with pytest.raises(BuildError, match="times cannot be decoded"):
        find_files(tmp_path, [RAIN])


def test_files_are_found_by_name_folder_and_glob(tmp_path):
    for name in ("precip.2004.nc", "precip.2005.nc4", "other.nc", ".hidden.nc", "precip.2006.txt"):
        write(tmp_path / name)
    (tmp_path / "folder.nc").mkdir()

    def names(path):
        return [file.path.name for file in find_files(path, [RAIN])[0]]

    assert names(tmp_path / "precip.2006.txt") == ["precip.2006.txt"]
    assert names(tmp_path) == ["other.nc", "precip.2004.nc", "precip.2005.nc4"]
    assert names(str(tmp_path / "precip.200[45]*")) == ["precip.2004.nc", "precip.2005.nc4"]


def test_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "absent.nc", tmp_path / "absent*"):
        with pytest.raises(BuildError, match="No netCDF file at"):
            find_files(path, [RAIN])


@pytest.mark.parametrize("content", [b"<html>502 Bad Gateway", b"", b"CDF\x05\0\0\0\0", b"CD"])
def test_what_is_no_netcdf_is_refused(tmp_path, content):
    (tmp_path / "rain.nc").write_bytes(content)
    with pytest.raises(BuildError, match=r"rain.nc begins with .*fetch it again"):
        find_files(tmp_path, [RAIN])


@pytest.mark.parametrize("writer", [write, write_classic])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_file_cut_short_is_refused(tmp_path, writer, share):
    path = writer(tmp_path / "rain.nc")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(BuildError, match="rain.nc is damaged.*Fetch it again"):
        one(path).read(3)


def test_only_the_day_that_is_read_is_touched(tmp_path):
    """A file with one broken day opens, gives the other days, and refuses that one."""
    path = write(tmp_path / "rain.nc")
    with h5py.File(path) as file:
        chunk = file["precip"].id.get_chunk_info(2)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\xff" * chunk.size)
    file = one(path)
    for row in (0, 1, 3):
        np.testing.assert_array_equal(file.read(row), RAINFALL[row])
    with pytest.raises(BuildError, match="rain.nc is damaged"):
        file.read(2)


def test_a_file_that_vanished_is_refused(tmp_path):
    path = write(tmp_path / "rain.nc")
    file = one(path)
    path.unlink()
    with pytest.raises(BuildError, match="rain.nc cannot be read: No such file"):
        file.read(0)
