"""Files of the Climate Data Store, made to the letter: every kind, every trap, one truth."""

import importlib.util
import os
import pickle
import shutil
import sys
import zipfile

import h5netcdf
import numpy as np
import pytest
import scipy.io
import xarray as xr

from dambench_hub.building.sources.cds import files as cds_files
from dambench_hub.building.sources.cds.download import open_cds
from dambench_hub.building.sources.states import MissingData, read_states, require_channels
from dambench_hub.errors import BuildError, DambenchError

LATITUDE, LONGITUDE = np.linspace(90, -90, 5), np.arange(8) * 45.0
LEVELS = np.array([500, 850, 1000])
UNITS = {"z": "m**2 s**-2", "t": "K", "u10": "m s**-1", "t2m": "K", "msl": "Pa"}
MEANS = {"t": 270.0, "u10": 3.0, "t2m": 280.0, "msl": 1e5}
needs_grib = pytest.mark.skipif(
    importlib.util.find_spec("eccodes") is None or importlib.util.find_spec("cfgrib") is None,
    reason="GRIB needs the extra era5: eccodes and cfgrib",
)


def six_hourly(first, count):
    return np.datetime64(first, "s") + np.arange(count) * np.timedelta64(6, "h")


def truth(name, times):
    """Any field: (N, L, Y, X), or (N, Y, X) for a single-level variable; keyed by name and time."""

    def field(time):
        rng = np.random.default_rng([*name.encode(), int(time.astype("i8"))])
        noise = rng.normal(size=(3, 5, 8)).astype("f4")
        if name == "z":
            return noise + np.array([50000, 14000, 1000], "f4")[:, None, None]
        return (noise if name == "t" else noise[0]) + np.float32(MEANS[name])

    return np.stack([field(time) for time in times])


def write_new(path, names, times, expver="0001", levels=LEVELS, units=UNITS, **options):
    """As delivered since September 2024: netCDF-4, valid_time, levels downward, expver a text."""
    texts = [expver] * len(times) if isinstance(expver, str) else expver
    with h5netcdf.File(path, "w") as file:
        file.attrs["Conventions"] = "CF-1.7"
        file.attrs["history"] = "2024-12-05T10:00 GRIB to CDM+CF via cfgrib-0.9.14.2/ecCodes-2.36.0"
        file.dimensions = {"valid_time": len(times), "latitude": 5, "longitude": 8}
        upper = names[0] in ("z", "t")
        if upper:
            file.dimensions["pressure_level"] = len(levels)
            axis = file.create_variable("pressure_level", ("pressure_level",), "f8")
            axis[...] = np.sort(levels)[::-1]
            axis.attrs["units"], axis.attrs["stored_direction"] = "hPa", "decreasing"
        time = file.create_variable("valid_time", ("valid_time",), "i8")
        time[...] = times.astype("datetime64[s]").astype("i8")
        time.attrs["units"] = "seconds since 1970-01-01"
        time.attrs["calendar"] = "proleptic_gregorian"
        for name, values, unit in (
            ("latitude", LATITUDE, "degrees_north"),
            ("longitude", LONGITUDE, "degrees_east"),
        ):
            axis = file.create_variable(name, (name,), "f8")
            axis[...], axis.attrs["units"] = values, unit
        file.create_variable("number", (), "i8")[...] = 0
        string = file._h5py.string_dtype()
        file.create_variable("expver", ("valid_time",), string)[...] = np.array(texts, object)
        dims = ("valid_time", *(["pressure_level"] if upper else []), "latitude", "longitude")
        for name in names:
            values = truth(name, times)
            if upper:
                values = values[:, np.searchsorted(LEVELS, np.sort(levels))][:, ::-1]
            variable = file.create_variable(
                name, dims, "f4", compression="gzip", shuffle=True, fillvalue=np.nan, **options
            )
            variable[...] = values
            variable.attrs["units"] = units[name]
            variable.attrs["GRIB_shortName"] = name
            variable.attrs["coordinates"] = "number valid_time expver latitude longitude"
    return path


def write_old(path, names, times, version=2, final=None):
    """As delivered before: netCDF-3, packed int16; with `final` (N,) a dimension expver (1, 5)."""
    upper = names[0] in ("z", "t")
    with scipy.io.netcdf_file(path, "w", version=version) as file:
        sizes = {"longitude": 8, "latitude": 5}
        sizes |= ({"level": 3} if upper else {}) | ({} if final is None else {"expver": 2})
        for name, size in ({"time": None} | sizes).items():
            file.createDimension(name, size)
        axes = {"longitude": ("f4", LONGITUDE), "latitude": ("f4", LATITUDE)}
        axes |= {"level": ("i4", LEVELS), "expver": ("i4", [1, 5])}
        units = {"longitude": "degrees_east", "latitude": "degrees_north", "level": "millibars"}
        for name in sizes:
            axis = file.createVariable(name, axes[name][0], (name,))
            axis[:] = axes[name][1]
            if name in units:
                axis.units = units[name]
        time = file.createVariable("time", "i4", ("time",))
        time[:] = (times - np.datetime64("1900-01-01")) // np.timedelta64(1, "h")
        time.units, time.calendar = "hours since 1900-01-01 00:00:00.0", "gregorian"
        middle = (["expver"] if final is not None else []) + (["level"] if upper else [])
        for name in names:
            values = truth(name, times).astype("f8")
            offset, scale = (values.max() + values.min()) / 2, np.ptp(values) / 65000
            packed = np.rint((values - offset) / scale)
            if final is not None:
                there = np.stack([final, ~np.asarray(final)], 1)
                there = there.reshape(*there.shape, *[1] * (packed.ndim - 1))
                packed = np.where(there, packed[:, None], -32767)
            variable = file.createVariable(name, "i2", ("time", *middle, "latitude", "longitude"))
            variable[:] = packed.astype("i2")
            variable.scale_factor, variable.add_offset = scale, offset
            variable._FillValue = variable.missing_value = np.int16(-32767)
            variable.units = UNITS[name]
    return path


def write_grib(path, names, times, expver="0001"):
    """GRIB 1, message by message, as data_format grib gives it."""
    import eccodes

    short = {"t2m": "2t", "u10": "10u"}
    texts = [expver] * len(times) if isinstance(expver, str) else expver
    with path.open("wb") as file:
        for time, text in zip(times, texts, strict=True):
            for name in names:
                upper = name in ("z", "t")
                fields = truth(name, [time])[0]
                for level, field in zip(LEVELS, fields, strict=True) if upper else [(0, fields)]:
                    sample = "regular_ll_pl_grib1" if upper else "regular_ll_sfc_grib1"
                    message = eccodes.codes_grib_new_from_samples(sample)
                    day, hour = str(time)[:10].replace("-", ""), int(str(time)[11:13])
                    for key, value in {
                        **{"Ni": 8, "Nj": 5, "shortName": short.get(name, name)},
                        **{"latitudeOfFirstGridPointInDegrees": 90, "dataDate": int(day)},
                        **{"latitudeOfLastGridPointInDegrees": -90, "dataTime": hour * 100},
                        **{"longitudeOfFirstGridPointInDegrees": 0, "level": int(level)},
                        **{"longitudeOfLastGridPointInDegrees": 315, "bitsPerValue": 24},
                        **{"iDirectionIncrementInDegrees": 45, "jDirectionIncrementInDegrees": 45},
                        "expver": text,
                    }.items():
                        eccodes.codes_set(message, key, value)
                    eccodes.codes_set_values(message, field.ravel().astype("f8"))
                    eccodes.codes_write(message, file)
                    eccodes.codes_release(message)
    return path


def check(dataset, names, times, tolerance=0.0):
    """The convention of the archives, and the truth in it."""
    np.testing.assert_array_equal(dataset.time.values.astype("M8[s]"), times)
    np.testing.assert_array_equal(dataset.latitude, LATITUDE)
    np.testing.assert_array_equal(dataset.longitude, LONGITUDE)
    assert set(dataset.data_vars) == set(names)
    for name in names:
        found = dataset[name]
        assert found.dtype == np.float32
        values = found.transpose("time", ..., "latitude", "longitude").values
        np.testing.assert_allclose(values, truth(name, times), rtol=0, atol=tolerance)
        if "level" in found.dims:
            np.testing.assert_array_equal(found.level, LEVELS)


JANUARY, FEBRUARY = six_hourly("2024-01-30", 8), six_hourly("2024-02-01", 4)


def test_new_files_of_two_variables_and_months(tmp_path):
    for month, times in (("01", JANUARY), ("02", FEBRUARY)):
        write_new(tmp_path / f"z{month}.nc", ["z"], times)
        write_new(tmp_path / f"surface{month}.nc", ["t2m", "msl", "u10"], times)
    dataset = open_cds(tmp_path)
    check(dataset, ["z", "t2m", "msl", "u10"], np.concatenate([JANUARY, FEBRUARY]))
    assert set(dataset.expver.values) == {"0001"}
    assert dataset.z.attrs["units"] == "m2 s-2" and dataset.u10.attrs["units"] == "m s-1"
    assert dataset.t2m.attrs["standard_name"] == "air_temperature"


@pytest.mark.parametrize("version", [1, 2])
def test_old_files_are_unpacked_to_values(tmp_path, version):
    path = write_old(tmp_path / "old.nc", ["z", "t"], JANUARY, version)
    assert path.read_bytes()[:4] == b"CDF" + bytes([version])
    dataset = open_cds(path)
    check(dataset, ["z", "t"], JANUARY, tolerance=0.5)  # an int16 step of z is 0.75
    np.testing.assert_allclose(dataset.t.values, truth("t", JANUARY), atol=1e-3)
    assert set(dataset.expver.values) == {""}


def test_both_halves_of_expver_are_merged(tmp_path):
    """Each half is NaN where the other one is; a time that both lack is not there."""
    final = np.array([True] * 5 + [False] * 3)
    write_old(tmp_path / "upper.nc", ["z", "t"], JANUARY, final=final)
    write_old(tmp_path / "single.nc", ["t2m"], JANUARY, final=final)
    dataset = open_cds(tmp_path)
    check(dataset, ["z", "t", "t2m"], JANUARY, tolerance=0.5)
    assert dataset.expver.values.tolist() == ["0001"] * 5 + ["0005"] * 3


def test_where_both_halves_have_values_the_final_one_wins(tmp_path):
    path = write_old(tmp_path / "a.nc", ["t"], JANUARY, final=np.ones(8, bool))
    with scipy.io.netcdf_file(path, "a", mmap=False) as file:
        file.variables["t"][2:4, 1] = np.zeros(
            (2, 3, 5, 8), "i2"
        )  # a preliminary value that is not the truth
    dataset = open_cds(path)
    check(dataset, ["t"], JANUARY, tolerance=1e-3)
    assert set(dataset.expver.values) == {"0001"}
    with scipy.io.netcdf_file(path, "a", mmap=False) as file:
        file.variables["t"][5] = -32767
    np.testing.assert_array_equal(open_cds(path).time, np.delete(JANUARY, 5))


def test_expver_of_new_files_is_kept_for_each_time(tmp_path):
    texts = ["0001"] * 5 + ["0005"] * 3
    write_new(tmp_path / "a.nc", ["z"], JANUARY, texts)
    assert open_cds(tmp_path).expver.values.tolist() == texts
    write_new(tmp_path / "final.nc", ["z"], JANUARY[5:], "0001")
    dataset = open_cds(tmp_path)
    assert set(dataset.expver.values) == {"0001"}
    check(dataset, ["z"], JANUARY)
    write_new(tmp_path / "again.nc", ["z"], JANUARY[6:], "0001")
    with pytest.raises(
        BuildError, match=r"again.nc and .*final.nc both hold z at 500 hPa of 2024-"
    ):
        open_cds(tmp_path)


def test_an_unknown_expver_is_refused(tmp_path):
    with pytest.raises(BuildError, match="a.nc: expver is '0070'"):
        open_cds(write_new(tmp_path / "a.nc", ["z"], JANUARY, "0070"))


@needs_grib
def test_grib(tmp_path):
    texts = ["0001"] * 5 + ["0005"] * 3
    write_grib(tmp_path / "any name", ["z", "t"], JANUARY, texts)
    write_grib(tmp_path / "b.nc", ["t2m", "msl"], JANUARY)
    before = sorted(tmp_path.iterdir())
    dataset = open_cds(tmp_path)
    check(dataset, ["z", "t", "t2m", "msl"], JANUARY, tolerance=0.02)
    assert dataset.expver.values.tolist() == texts
    assert sorted(tmp_path.iterdir()) == before  # no index is left there


@needs_grib
def test_grib_with_different_times_in_one_file(tmp_path):
    one = write_grib(tmp_path / "one", ["z"], JANUARY)
    other = write_grib(tmp_path / "other", ["t2m"], JANUARY[:3])
    (tmp_path / "one").write_bytes(one.read_bytes() + other.read_bytes())
    dataset = open_cds(one)
    np.testing.assert_allclose(dataset.z, truth("z", JANUARY), atol=0.02)
    np.testing.assert_allclose(dataset.t2m[:3], truth("t2m", JANUARY[:3]), atol=1e-4)
    assert dataset.t2m[3:].isnull().all()


@needs_grib
def test_grib_of_one_time(tmp_path):
    path = write_grib(tmp_path / "a.grib", ["z", "t2m"], JANUARY[:1], "0005")
    dataset = open_cds(path)
    check(dataset, ["z", "t2m"], JANUARY[:1], tolerance=0.02)
    assert dataset.expver.values.tolist() == ["0005"]


@needs_grib
def test_truncated_grib_is_refused(tmp_path):
    path = write_grib(tmp_path / "a.grib", ["t2m"], JANUARY)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BuildError, match=r"a.grib is truncated: GRIB ends with 7777"):
        open_cds(path)


def test_grib_without_cfgrib_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cfgrib", None)
    (tmp_path / "a.nc").write_bytes(b"GRIB....7777")
    with pytest.raises(BuildError, match=r"pip install 'dambench-hub\[era5\]'"):
        open_cds(tmp_path)


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, member in members.items():
            file.write(member, f"{name}.nc")
            member.unlink()
    return path


def test_a_zip_archive_under_the_name_of_a_netcdf_file(tmp_path):
    """What comes when instantaneous and accumulated variables are asked for together."""
    instant = write_new(tmp_path / "1", ["t2m", "msl"], JANUARY)
    accumulated = write_new(tmp_path / "2", ["u10"], JANUARY)
    with h5netcdf.File(accumulated, "a") as file:
        file._h5file.move("u10", "tp")
    names = ["data_stream-oper_stepType-instant", "data_stream-oper_stepType-accum"]
    path = archive(tmp_path / "era5.nc", **dict(zip(names, [instant, accumulated], strict=True)))
    assert path.read_bytes()[:4] == b"PK\x03\x04"
    check(open_cds(path), ["t2m", "msl"], JANUARY)
    unpacked = tmp_path / "era5.nc.unpacked"
    assert sorted(p.stem for p in unpacked.iterdir()) == sorted(names)
    before = {p: p.stat().st_mtime_ns for p in unpacked.iterdir()}
    check(open_cds(tmp_path), ["t2m", "msl"], JANUARY)  # and not once more from beside it
    assert {p: p.stat().st_mtime_ns for p in unpacked.iterdir()} == before


def test_a_newer_archive_is_unpacked_again(tmp_path):
    path = archive(tmp_path / "a.nc", data=write_new(tmp_path / "1", ["t2m"], JANUARY))
    open_cds(path)
    archive(path, data=write_new(tmp_path / "1", ["t2m"], FEBRUARY[:4]))
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))
    check(open_cds(path), ["t2m"], FEBRUARY)


def test_a_damaged_archive_is_refused_and_leaves_nothing_half(tmp_path):
    path = archive(tmp_path / "a.nc", data=write_new(tmp_path / "1", ["t2m"], JANUARY))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BuildError, match=r"a.nc is a damaged ZIP archive"):
        open_cds(path)
    assert not list(tmp_path.glob("a.nc.unpacked/*"))
    path.write_bytes(content[:-200])
    with pytest.raises(BuildError, match=r"a.nc is a damaged ZIP archive"):
        open_cds(path)


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    path = tmp_path / "in" / "a.nc"
    path.parent.mkdir()
    member = write_new(tmp_path / "1", ["t2m"], JANUARY)
    with zipfile.ZipFile(path, "w") as file:
        file.write(member, "../../data.nc")
    check(open_cds(path), ["t2m"], JANUARY)
    assert not list(tmp_path.rglob("../data.nc")) and not (tmp_path / "data.nc").exists()
    with zipfile.ZipFile(path, "a") as file:
        file.write(member, "x/data.nc")
    with pytest.raises(BuildError, match="two files of one name"):
        open_cds(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><p>Error", "begins with b'<!DOCTYP'; wanted netCDF-4.*error page"),
        (b"", "begins with b''"),
        (b"CDF\x05\0\0\0\0", "nccopy"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "cannot be opened.*fetch it again"),
        (b"CDF\x01" + b"\0\0\0\x01\0\0\0\x0b", "cannot be opened.*fetch it again"),
    ],
)
def test_what_is_no_data_is_refused(tmp_path, content, words):
    write_new(tmp_path / "good.nc", ["z"], JANUARY)
    (tmp_path / "bad.nc").write_bytes(content)
    with pytest.raises(BuildError, match=f"bad.nc.*{words}"):
        open_cds(tmp_path)


@pytest.mark.parametrize("write", [write_new, write_old])
def test_a_truncated_file_is_refused(tmp_path, write):
    path = write(tmp_path / "a.nc", ["z"], JANUARY)
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(BuildError, match=r"a.nc cannot be opened.*truncated"):
        open_cds(path)


def test_nothing_is_refused(tmp_path):
    with pytest.raises(BuildError, match=r"none of u10.* in .* \(0 files\)"):
        open_cds(tmp_path)
    with pytest.raises(BuildError, match="an empty list"):
        open_cds([])
    with pytest.raises(BuildError, match=r"absent.nc cannot be read: No such file"):
        open_cds(tmp_path / "absent.nc")


def test_hidden_files_and_those_of_cfgrib_are_passed_over(tmp_path):
    write_new(tmp_path / "a.nc", ["z"], JANUARY)
    for name in (".DS_Store", ".b.nc.0123.partial", "a.grib.5b7b6.idx", ".hidden/c.nc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"junk")
    (tmp_path / "2024").mkdir()
    write_new(tmp_path / "2024" / "b", ["z"], FEBRUARY)
    check(open_cds(tmp_path), ["z"], np.concatenate([JANUARY, FEBRUARY]))


def test_wrong_units_are_refused(tmp_path):
    units = UNITS | {"t2m": "degC"}
    with pytest.raises(BuildError, match=r"a.nc: t2m is in 'degC'; wanted 'K'"):
        open_cds(write_new(tmp_path / "a.nc", ["t2m"], JANUARY, units=units))


def rewrite(path, change):
    """Write a file anew, changed by a function of the opened data set."""
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        changed = change(dataset.load())
    changed.to_netcdf(path.with_name("changed"), engine="h5netcdf")
    return path.with_name("changed").replace(path)


def test_ensemble_members_are_refused(tmp_path):
    path = write_new(tmp_path / "a.nc", ["t2m"], JANUARY)
    rewrite(path, lambda d: d.drop_vars("number").expand_dims(number=[0, 1]))
    with pytest.raises(BuildError, match=r"t2m holds 2 members of an ensemble.*reanalysis"):
        open_cds(path)


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ({"GRIB_dataType": "es", "GRIB_stepType": "instant"}, "ensemble spreads"),
        ({"GRIB_dataType": "an", "GRIB_stepType": "avgua"}, "statistics over time"),
        ({"cell_methods": "time: mean (interval: 1 hour)"}, "a mean over time"),
    ],
)
def test_what_is_no_analysis_by_its_attributes_is_refused(tmp_path, attributes, what):
    path = write_new(tmp_path / "a.nc", ["t2m", "msl"], JANUARY)
    rewrite(path, lambda d: d.assign(msl=d.msl.assign_attrs(attributes)))
    with pytest.raises(BuildError, match=rf"a.nc: msl holds {what}.*reanalysis, hourly"):
        open_cds(path)


def test_forecasts_by_their_step_are_refused(tmp_path):
    """Also where the valid time is the only time."""
    path = write_new(tmp_path / "a.nc", ["t2m"], JANUARY)
    rewrite(path, lambda d: d.assign_coords(step=np.timedelta64(6, "h")))
    with pytest.raises(BuildError, match=r"t2m holds forecasts \(step is 6 hours\)"):
        open_cds(path)


def test_further_dimensions_of_one_place_are_dropped(tmp_path):
    path = write_new(tmp_path / "a.nc", ["z"], JANUARY)
    rewrite(path, lambda d: d.expand_dims("number"))
    check(open_cds(path), ["z"], JANUARY)


def test_the_orography_is_not_taken_for_the_geopotential(tmp_path):
    path = write_new(tmp_path / "a.nc", ["t2m"], JANUARY)
    rewrite(path, lambda d: d.assign(z=d.t2m.assign_attrs(units="m**2 s**-2")))
    check(open_cds(path), ["t2m"], JANUARY)


def test_an_upper_air_variable_on_an_unknown_axis_is_refused(tmp_path):
    """Else it would be passed over as the orography is, and said to be absent."""
    path = write_new(tmp_path / "a.nc", ["t"], JANUARY, levels=LEVELS[[1]])
    write_new(tmp_path / "b.nc", ["t2m"], JANUARY)
    rewrite(path, lambda d: d.rename(pressure_level="model_level"))
    with pytest.raises(BuildError, match=r"a.nc: t lies along model_level; wanted .* hPa"):
        open_cds(tmp_path)


def test_when_there_is_nothing_of_ours_the_message_says_what_there_is(tmp_path):
    path = write_new(tmp_path / "a.nc", ["t2m", "msl"], JANUARY)

    def without_level(dataset):
        return dataset.rename(t2m="sst", msl="tp").assign(
            z=dataset.t2m.assign_attrs(units="m2 s-2")
        )

    rewrite(path, without_level)
    with pytest.raises(BuildError, match=r"none of u10.*a.nc holds sst, tp, z; z has no pressure"):
        open_cds(path)
    rewrite(path, lambda d: d[["z"]].isel(valid_time=0, drop=True))
    with pytest.raises(BuildError, match=r"a.nc holds z; z has no time"):
        open_cds(path)


DEGREES = ("latitude", "longitude")


def reduced(dataset):
    return dataset.stack(values=DEGREES).reset_index("values")


def rotated(dataset):
    places = np.meshgrid(dataset.latitude, dataset.longitude, indexing="ij")
    axes = {name: (("y", "x"), place) for name, place in zip(DEGREES, places, strict=True)}
    dataset = dataset.rename(latitude="y", longitude="x").drop_vars(["y", "x"])
    return dataset.assign_coords(axes)


@pytest.mark.parametrize("change", [reduced, rotated])
def test_points_without_axes_are_told_from_a_grid(tmp_path, change):
    path = write_new(tmp_path / "a.nc", ["t2m"], JANUARY)
    rewrite(path, change)
    with pytest.raises(BuildError, match=r"a.nc is on a grid of its own; wanted are values on ax"):
        open_cds(path)


def test_files_that_cfgrib_wrote_have_two_times(tmp_path):
    """Names time and isobaricInhPa, with valid_time and step beside them."""
    path = write_new(tmp_path / "a.nc", ["z"], JANUARY)

    def as_cfgrib(dataset):
        dataset = dataset.rename(valid_time="time", pressure_level="isobaricInhPa")
        step = ((), np.timedelta64(0, "h"))
        return dataset.assign_coords(valid_time=("time", dataset.time.values), step=step)

    rewrite(path, as_cfgrib)
    check(open_cds(path), ["z"], JANUARY)
    later = np.timedelta64(6, "h")
    rewrite(path, lambda d: d.assign_coords(valid_time=d.valid_time + later))
    with pytest.raises(BuildError, match="holds forecasts"):
        open_cds(path)


def test_one_time_and_one_level_without_dimensions(tmp_path):
    for n in range(2):
        path = write_new(tmp_path / f"{n}.nc", ["z"], JANUARY[n : n + 1], levels=LEVELS[[1]])
        rewrite(path, lambda d: d.squeeze())
    dataset = open_cds(tmp_path)
    assert dataset.z.shape == (2, 1, 5, 8) and dataset.level.values.tolist() == [850]
    np.testing.assert_array_equal(dataset.z.values[:, 0], truth("z", JANUARY[:2])[:, 1])


def test_any_order_of_axes(tmp_path):
    """South first, -180 to 180, longitude before latitude, levels upward."""
    path = write_new(tmp_path / "a.nc", ["z"], JANUARY)

    def turned(dataset):
        dataset = dataset.isel(latitude=slice(None, None, -1)).sortby("pressure_level")
        dataset = dataset.roll(longitude=3, roll_coords=True)
        east = dataset.longitude.values
        dataset = dataset.assign_coords(longitude=np.where(east > 180, east - 360, east))
        return dataset.transpose("longitude", "pressure_level", "latitude", "valid_time")

    rewrite(path, turned)
    write_new(tmp_path / "b.nc", ["t2m"], JANUARY)
    check(open_cds(tmp_path), ["z", "t2m"], JANUARY)


def test_levels_in_different_files(tmp_path):
    write_new(tmp_path / "a.nc", ["z"], JANUARY, levels=LEVELS[[0, 2]])
    write_new(tmp_path / "b.nc", ["z"], JANUARY, levels=LEVELS[[1]])
    check(open_cds(tmp_path), ["z"], JANUARY)


def test_states_in_the_order_of_channels_and_gaps_that_are_listed(tmp_path):
    """Not transposed, not filled: what `read_states` makes of an opened folder."""
    write_new(tmp_path / "z.nc", ["z"], JANUARY)
    write_old(tmp_path / "t.nc", ["t"], JANUARY[:6])
    write_new(tmp_path / "s.nc", ["t2m"], JANUARY)
    dataset, channels = open_cds(tmp_path), ("t850", "t2m", "z1000", "z500")
    require_channels(dataset, channels, "the folder")
    with pytest.raises(BuildError, match="no variable for msl; no level for z50"):
        require_channels(dataset, ("msl", "z50"), "the folder")
    wanted = np.stack(
        [
            truth("t", JANUARY)[:, 1],
            truth("t2m", JANUARY),
            truth("z", JANUARY)[:, 2],
            truth("z", JANUARY)[:, 0],
        ],
        axis=1,
    )
    asked = np.concatenate([JANUARY, FEBRUARY[:1]])
    states = dict(read_states(dataset, channels, asked, lambda fields: fields))
    for n, time in enumerate(JANUARY[:6]):
        np.testing.assert_allclose(states[time], wanted[n], atol=1e-3)
    for time in JANUARY[6:]:
        assert isinstance(states[time], MissingData)
        assert str(states[time]).startswith("t has ") and "850 hPa" in str(states[time])
    assert "no time 2024-02-01" in str(states[FEBRUARY[0]])


def test_opening_reads_no_field_and_reading_only_the_file_it_needs(tmp_path, monkeypatch):
    for n in range(3):
        write_new(tmp_path / f"z{n}.nc", ["z"], JANUARY[2 * n : 2 * n + 2])
        write_new(tmp_path / f"t{n}.nc", ["t2m"], JANUARY[2 * n : 2 * n + 2])
    from xarray.backends.h5netcdf_ import H5NetCDFArrayWrapper

    read = []
    getitem = H5NetCDFArrayWrapper.__getitem__

    def recorded(self, key):
        if self.variable_name in UNITS:
            read.append((os.path.basename(self.datastore._filename), self.variable_name))
        return getitem(self, key)

    monkeypatch.setattr(H5NetCDFArrayWrapper, "__getitem__", recorded)
    dataset = open_cds(tmp_path)
    assert "z" in repr(dataset) and dataset.z[1:, ::2].shape == (5, 2, 5, 8)
    assert not read
    dataset.z.sel(time=JANUARY[3], level=850).values  # noqa: B018
    assert read == [("z1.nc", "z")]
    assert not dataset.z.variable._in_memory and dataset.chunks == {}


def test_few_files_stay_open(tmp_path, monkeypatch):
    """25 years are thousands of files: neither handles nor memory grow with them."""
    count = cds_files.OPEN_FILES + 30
    first = write_new(tmp_path / "0.nc", ["t2m"], JANUARY[:1])
    times = six_hourly("2000-01-01", count)
    for n in range(count):
        path = tmp_path / f"{n}.nc"
        if n:
            shutil.copy(first, path)
        with h5netcdf.File(path, "a") as file:
            file["valid_time"][...] = times[n : n + 1].astype("i8")
    dataset = open_cds(tmp_path)
    dataset.t2m.load()
    np.testing.assert_array_equal(dataset.t2m[-1], truth("t2m", JANUARY[:1])[0])
    handles = [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]
    assert 0 < sum(str(tmp_path) in handle for handle in handles) <= cds_files.OPEN_FILES


def test_a_file_that_was_replaced_is_opened_anew(tmp_path):
    path = write_new(tmp_path / "a.nc", ["t2m"], JANUARY)
    check(open_cds(path), ["t2m"], JANUARY)
    write_new(tmp_path / "b", ["t2m"], FEBRUARY).replace(path)
    check(open_cds(path), ["t2m"], FEBRUARY)


def test_it_can_be_sent_to_another_process(tmp_path):
    write_new(tmp_path / "a.nc", ["z"], JANUARY)
    copy = pickle.loads(pickle.dumps(open_cds(tmp_path)))
    check(copy, ["z"], JANUARY)


def test_chunks_of_files_are_told(tmp_path):
    path = write_new(tmp_path / "a.nc", ["z"], JANUARY, chunks=(4, 1, 5, 8))
    assert open_cds(path).z.encoding["preferred_chunks"] == {"time": 4}


def test_words_for_the_card(tmp_path):
    path = write_new(tmp_path / "a.nc", ["z"], six_hourly("2023-12-31", 5))
    attributes = open_cds(path).attrs
    assert attributes["attribution"] == (
        "Contains modified Copernicus Climate Change Service information 2023-2024. Neither the "
        "European Commission nor ECMWF is responsible for any use that may be made of the "
        "Copernicus information or data it contains."
    )
    for doi in ("10.1002/qj.3803", "10.24381/cds.bd0915c6", "10.24381/cds.adbb2d47"):
        assert doi in attributes["citation"]
    assert attributes["licence"] == "cc-by-4.0"
    assert attributes["title"] and attributes["source"]


def test_a_full_disk_is_told_when_unpacking(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.nc", data=write_new(tmp_path / "1", ["t2m"], JANUARY))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cds_files.shutil, "copyfileobj", full)
    with pytest.raises(DambenchError, match="The disk is full"):
        open_cds(path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p != path]
