"""The ERA5 sample is what the file in the repository holds, split without leaks."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dambench_hub.data.dataset import load_data

SCRIPT = Path(__file__).parents[2] / "builders" / "era5_sample" / "build.py"
DAY = np.timedelta64(24, "h")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("era5_sample_build", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def source():
    return xr.load_dataset(SCRIPT.with_name("era5_eda_2017.nc"), engine="h5netcdf")


def coarse(source):
    """Every tenth latitude and longitude: 7x12, quick to build from."""
    tenth = slice(None, None, 10)
    return source.isel(latitude=tenth, longitude=tenth).copy(deep=True)


@pytest.fixture(scope="module")
def built(script, tmp_path_factory):
    out = tmp_path_factory.mktemp("era5") / "era5_sample"
    assert script.main(["--out", str(out)]) == 0
    return load_data(out, full=True)


def state(source, time, member):
    at = source.sel(time=time, member=member)
    levels = [("z", 500), ("z", 850), ("t", 500), ("t", 850)]
    return np.stack([at[name].sel(level=level).values for name, level in levels]).astype("f4")


def test_fields_are_those_of_the_file(built, source):
    assert built.channels == ("z500", "z850", "t500", "t850")
    np.testing.assert_array_equal(built.grid.latitude, source.latitude)
    np.testing.assert_array_equal(built.grid.longitude, source.longitude)
    times = source.time.values.astype("M8[h]")
    for split, times_members in {
        "train": [(times[2], member) for member in (1, 2, 3, 4)],
        "validation": [(times[2], 0)],
        "test": [(times[3], 0)],
    }.items():
        assert built.size(split) == len(times_members)
        for index, (time, member) in enumerate(times_members):
            example = built.example(split, index)
            assert example["time"] == time
            np.testing.assert_array_equal(example["reference"], state(source, time, member))
            np.testing.assert_array_equal(example["background"], state(source, time - DAY, member))


def test_no_field_of_the_test_time_is_seen_before(built, source):
    (test_time,) = built.times("test")
    future = [state(source, test_time, member) for member in source.member.values]
    for split in ("train", "validation"):
        assert np.all(built.times(split) < test_time)
        for index in range(built.size(split)):
            example = built.example(split, index)
            for field in (example["reference"], example["background"]):
                for other in future:
                    assert not np.any(np.all(field == other, axis=(1, 2)))


def test_the_card_gives_credit(built, source):
    card = (built.folder / "README.md").read_text()
    assert source.attrs["licence"] in card and "license: cc-by-4.0" in card
    assert built.manifest.source["command"].startswith("python builders/era5_sample/build.py")
    for batch in built.batches("unimodal"):
        assert np.all(np.isfinite(batch.observations))


@pytest.mark.parametrize("format", ["parquet", "arrow", "hdf5"])
def test_formats_other_grids_and_levels(script, source, tmp_path, format):
    path = tmp_path / "input.nc"
    coarse(source).isel(level=[0]).assign_coords(level=[700.0]).to_netcdf(path, engine="h5netcdf")
    out = tmp_path / "out"
    arguments = ["--out", str(out), "--input", str(path), "--format", format, "--seed", "3"]
    assert script.main(arguments) == 0
    data = load_data(out, full=True)
    assert data.channels == ("z700", "t700") and data.grid.shape == (7, 12)
    assert data.manifest.format == format and data.manifest.observations.seed == 3
    assert script.main(arguments) == 0  # nothing left to do


def without_units(ds):
    ds["z"].attrs.pop("units")
    return ds


def with_hole(ds):
    ds["t"][2, 0, 1, 3, 4] = np.nan  # member 2, first time
    return ds


WRONG = {
    "variable": (lambda ds: ds.rename(t="temp"), "has no variable 't'; it has z, temp"),
    "dimensions": (lambda ds: ds.isel(member=0), "z has dimensions ('time',"),
    "units": (without_units, "z has units None, wanted 'm2 s-2'"),
    "licence": (lambda ds: ds.drop_attrs(deep=False), "has no attribute 'title'"),
    "ascending": (lambda ds: ds.isel(latitude=slice(None, None, -1)), "flip the field"),
    "poles": (lambda ds: ds.isel(latitude=slice(1, -1)), "both poles"),
    "west": (lambda ds: ds.assign_coords(longitude=ds.longitude - 180), "roll the field"),
    "one member": (lambda ds: ds.isel(member=[0]), "1 members; at least 2"),
    "few times": (lambda ds: ds.isel(time=[0, 1, 2]), "1 times with an analysis 24 hours earlier"),
    "hole": (with_hole, "background has values in t500 that are not finite"),
    "no levels": (lambda ds: ds.drop_vars("level"), "no coordinate 'level'"),
    "no latitudes": (lambda ds: ds.drop_vars("latitude"), "no coordinate 'latitude'"),
    "no times": (lambda ds: ds.drop_vars("time"), "no coordinate 'time'"),
    "numbered times": (lambda ds: ds.assign_coords(time=[0, 1, 2, 3]), "time is not a date"),
    "odd times": (
        lambda ds: ds.assign_coords(time=ds.time + np.timedelta64(30, "m")),
        "whole hours",
    ),
    "twice": (lambda ds: ds.assign_coords(level=[500.0, 500.0]), "listed twice"),
    "half level": (lambda ds: ds.assign_coords(level=[500.5, 850.0]), "level must be whole hPa"),
    "pascal": (
        lambda ds: ds.assign_coords(level=("level", [50000.0, 85000.0], {"units": "Pa"})),
        "level must be whole hPa",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_input_is_a_message(script, source, tmp_path, capsys, wrong):
    change, message = WRONG[wrong]
    path = tmp_path / "input.nc"
    ds = coarse(source)
    ds.time.encoding.clear()
    change(ds).to_netcdf(path, engine="h5netcdf")
    assert script.main(["--out", str(tmp_path / "out"), "--input", str(path)]) == 1
    error = capsys.readouterr().err
    assert message in error, error
    assert "error: " in error and "Traceback" not in error
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("content", [None, b"", b"GRIB....7777", b"\x89HDF\r\n\x1a\n" + b"x" * 99])
def test_another_kind_of_file_is_a_message(tmp_path, content):
    """As a command: exit code 1, one line, no traceback."""
    path = tmp_path / "input.nc"
    if content is not None:
        path.write_bytes(content)
    arguments = ["--out", str(tmp_path / "out"), "--input", str(path)]
    if content in (None, b""):  # two in a process of their own are enough
        run = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)
        code, error = run.returncode, run.stderr
        assert run.stdout == ""
    else:
        code, error = run_here(arguments)
    assert code == 1 and error.startswith("error: ") and str(path) in error
    assert "Traceback" not in error and not (tmp_path / "out").exists()


def run_here(arguments):
    import contextlib
    import io

    spec = importlib.util.spec_from_file_location("era5_sample_again", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.redirect_stderr(io.StringIO()) as error:
        return module.main(arguments), error.getvalue()


def test_wrong_usage_is_exit_code_2(script):
    for arguments in ([], ["--out", "x", "--format", "zarr"]):
        with pytest.raises(SystemExit) as caught:
            script.main(arguments)
        assert caught.value.code == 2
