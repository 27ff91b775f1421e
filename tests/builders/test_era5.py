"""The builder of the real benchmark, run on small archives that are laid out as the real ones."""

import json
import os
import signal
import subprocess
import sys
import time as clock
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from datasets import load_dataset

from dambench_hub.building.conversion import convert_dataset
from dambench_hub.cli import commands as cli
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.regridding import Regridder, unify_poles
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.dataset import load_data
from dambench_hub.data.geography import assemble
from dambench_hub.storage.manifest import Manifest

SCRIPT = Path(__file__).parents[2] / "builders" / "era5" / "build.py"
LAST = np.datetime64("2023-01-10T18", "h")
CHANNELS = ["t2m", "z500", "u850", "q700"]
NAMES = {
    "t2m": ("2m_temperature", None),
    "z500": ("geopotential", 7),
    "u850": ("u_component_of_wind", 10),
    "q700": ("specific_humidity", 9),
}
SPLITS = {
    "train": ["2022-12-21", "2022-12-28"],
    "validation": ["2022-12-29", "2023-01-03"],
    "test": ["2023-01-04", "2023-01-10"],
}


@pytest.fixture(scope="module")
def script():
    spec = spec_from_file_location("era5_build", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_rain(folder, first="2022-12-15", days=30, empty=()):
    """CPC's layout: half a degree, north first, NaN as a number, 00 UTC of the day."""
    stamps = np.datetime64(first) + np.arange(days)
    latitude, longitude = 89.75 - 0.5 * np.arange(360), 0.25 + 0.5 * np.arange(720)
    rng = np.random.default_rng(0)
    values = rng.gamma(5, 10, (days, 1, 1)) * rng.random((1, 360, 720))
    values[:, :, 400:] = np.nan
    values[[str(day) in empty for day in stamps]] = np.nan
    folder.mkdir(exist_ok=True)
    for year in np.unique(stamps.astype("datetime64[Y]")):
        mine = stamps.astype("datetime64[Y]") == year
        dataset = xr.Dataset(
            {"precip": (("time", "lat", "lon"), values[mine].astype("f4"), {"units": "mm"})},
            {
                "time": stamps[mine].astype("datetime64[ns]"),
                "lat": latitude.astype("f4"),
                "lon": longitude.astype("f4"),
            },
        )
        encoding = {
            "precip": {"_FillValue": np.float32(-9.96921e36)},
            "time": {"units": "hours since 1900-01-01 00:00:00", "dtype": "f8"},
        }
        dataset.to_netcdf(folder / f"precip.{year}.nc", engine="h5netcdf", encoding=encoding)
    return {day.item(): field for day, field in zip(stamps, values.astype("f4"), strict=True)}


@pytest.fixture
def archives(tmp_path, write_weatherbench):
    path, raw = write_weatherbench(chunks=13)
    rain = write_rain(tmp_path / "rain")
    recipe = {
        "source": "wb2",
        "path": str(path),
        "precipitation": str(tmp_path / "rain"),
        "splits": SPLITS,
        "channels": CHANNELS,
        "grid": "9x16",
        "name": "era5-small",
        "density": 0.2,
        "geography": False,
    }
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file, raw, rain


def state(raw, time):
    """The channels at a time, from the arrays that were written: longitude first, south first."""
    row = int((time - LAST) / np.timedelta64(6, "h")) - 1
    fields = []
    for name, level in NAMES.values():
        values = raw[name][row] if level is None else raw[name][row, level]
        fields.append(values.T[::-1])
    return np.stack(fields)


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True
    )


def test_every_field_is_the_archives(archives, script, tmp_path):
    recipe, raw, rain = archives
    assert script.main(["--recipe", str(recipe), "--out", str(tmp_path / "out")]) == 0
    data = load_data(tmp_path / "out", full=True)
    assert data.channels == tuple(CHANNELS)
    regrid = Regridder(89.75 - 0.5 * np.arange(360), 0.25 + 0.5 * np.arange(720), Grid(9, 16))
    for split in SPLITS:
        for index, time in enumerate(data.times(split)):
            example = data.example(split, index)
            np.testing.assert_array_equal(example["reference"], state(raw, time))
            earlier = time - np.timedelta64(24, "h")
            np.testing.assert_array_equal(example["background"], state(raw, earlier))
            day = (time.astype("datetime64[D]") - 1).item()
            wanted = unify_poles(regrid.masked(rain[day]))
            np.testing.assert_allclose(example["precipitation"], wanted, rtol=1e-5)
            assert np.isnan(example["precipitation"]).any()
    manifest = data.manifest
    assert manifest.gaps == ()
    assert manifest.modalities == ("precipitation",)
    assert manifest.source["archives"]["reference"]["regridding"] == "none"
    assert manifest.source["archives"]["precipitation"]["regridding"] == "conservative"
    assert (
        "Copernicus Climate Change Service information 2022-2023" in manifest.source["attribution"]
    )
    assert not (tmp_path / "out" / ".build").exists()
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| reference | ERA5 from WeatherBench2 | none | cc-by-4.0 | Contains modified" in card
    assert "gaps" not in card


def test_no_example_reaches_into_another_split(archives, script, tmp_path):
    """The first day of validation and test would need the last day before them."""
    script.main(["--recipe", str(archives[0]), "--out", str(tmp_path / "out")])
    times = {split: load_data(tmp_path / "out").times(split) for split in SPLITS}
    assert times["train"][0] == np.datetime64("2022-12-21")
    for split in ("validation", "test"):
        begin = np.datetime64(SPLITS[split][0], "h")
        assert times[split][0] >= begin + 24 + 12  # the rain of D-1 begins at 12 UTC of D-2


def test_inputs_do_not_see_what_comes_after_the_valid_time(archives, script, tmp_path):
    """Spoil everything at and after a valid time: its inputs stay, observations aside."""
    recipe, raw, _ = archives
    script.main(["--recipe", str(recipe), "--out", str(tmp_path / "before")])
    data = load_data(tmp_path / "before")
    time = data.times("test")[1]
    path = Path(yaml.safe_load(recipe.read_text())["path"])
    import zarr

    group = zarr.open_group(path, mode="r+", zarr_format=2)
    row = int((time - np.datetime64("1959-01-01T00", "h")) / np.timedelta64(6, "h"))
    for name, _ in NAMES.values():
        group[name][row:] = group[name][row:] + np.float32(1e-4)
    rain = write_rain(tmp_path / "rain")
    days = [day for day in rain if np.datetime64(day) >= time.astype("datetime64[D]")]
    for file in (tmp_path / "rain").glob("*2023.nc"):
        with xr.load_dataset(file, engine="h5netcdf") as loaded:
            spoiled = loaded.copy()
        late = np.isin(spoiled.time.values.astype("datetime64[D]"), np.array(days, "M8[D]"))
        spoiled["precip"][late] = spoiled["precip"][late] + 1
        spoiled.to_netcdf(file, engine="h5netcdf")
    script.main(["--recipe", str(recipe), "--out", str(tmp_path / "after")])
    other = load_data(tmp_path / "after")
    for index in (0, 1):
        one, two = data.example("test", index), other.example("test", index)
        for column in ("background", "precipitation", "observation_index"):
            np.testing.assert_array_equal(one[column], two[column])
        same = np.array_equal(one["reference"], two["reference"])
        assert same == (index == 0)
        assert np.array_equal(one["observations"], two["observations"]) == same
    late = data.example("test", 2)["background"], other.example("test", 2)["background"]
    assert not np.array_equal(*late)


def test_a_hole_is_listed_and_left_out(archives, script, tmp_path, drop_chunk, capsys):
    """A chunk of two days is absent: its two references, and the background of the day after."""
    recipe, _, _ = archives
    path = Path(yaml.safe_load(recipe.read_text())["path"])
    time = np.datetime64("2022-12-25T00", "h")
    chunk = int((time - np.datetime64("1959-01-01T00", "h")) / np.timedelta64(6, "h")) // 8
    drop_chunk(path, "geopotential", chunk)
    out = tmp_path / "out"
    assert script.main(["--recipe", str(recipe), "--out", str(out)]) == 1
    assert not (out / "manifest.json").exists()
    options = ["--recipe", str(recipe), "--out", str(out), "--max-gaps", "0.5"]
    assert script.main(options) == 0
    manifest = Manifest.read(out)
    first = np.datetime64("1959-01-01T00", "h") + 6 * 8 * chunk
    days = [t for t in first + 6 * np.arange(8) if t.astype(int) % 24 == 0]
    lost = {int(hours_since_epoch(t)) for t in [*days, days[-1] + 24]}
    assert {gap.hours for gap in manifest.gaps} == lost
    assert all("z has" in gap.reason for gap in manifest.gaps)
    assert not lost & set(manifest.hours("train"))
    assert f"{len(lost)} examples are left out" in (out / "README.md").read_text("utf-8")
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        cli.main(["info", str(out)])
    assert stop.value.code == 0
    assert f"{len(lost)} × example; the first at" in capsys.readouterr().out


def test_a_day_without_gauges_is_listed_and_kept(archives, script, tmp_path):
    write_rain(tmp_path / "rain", empty=("2022-12-24",))
    options = ["--recipe", str(archives[0]), "--out", str(tmp_path / "out"), "--max-gaps", "0.1"]
    assert script.main(options) == 0
    data = load_data(tmp_path / "out")
    (gap,) = data.manifest.gaps
    assert (gap.split, gap.what) == ("train", "precipitation")
    assert "nothing was measured on 2022-12-24" in gap.reason
    index = list(data.times("train")).index(np.datetime64("2022-12-25T00", "h"))
    assert np.isnan(data.example("train", index)["precipitation"]).all()


def test_geography_has_the_heights_of_the_archive(archives, script, tmp_path):
    out = tmp_path / "out"
    assert script.main(["--recipe", str(archives[0]), "--out", str(out), "--geography"]) == 0
    manifest = Manifest.read(out)
    assert manifest.damage(out, full=True) == []
    rows = load_dataset(str(out), "geography", split="train", cache_dir=str(tmp_path / "cache"))
    heights = assemble(rows, "orography", Grid(9, 16))
    np.testing.assert_allclose(heights, 5000 / 9.80665, rtol=1e-6)
    converted = convert_dataset(out, tmp_path / "hdf5", format="hdf5")
    assert converted.geography_sha256 == manifest.geography_sha256
    (out / "geography" / "geography-00000-of-00001.parquet").unlink()
    assert "geography" in manifest.damage(out)[0]
    assert script.main(["--recipe", str(archives[0]), "--out", str(out), "--geography"]) == 0
    assert Manifest.read(out) == manifest
    assert manifest.damage(out, full=True) == []


def test_parts_and_finalise_equal_one_build(archives, script, tmp_path, capsys):
    recipe, _, _ = archives
    one, parts = tmp_path / "one", tmp_path / "parts"
    base = ["--recipe", str(recipe), "--out"]
    assert script.main([*base, str(one)]) == 0
    assert script.main([*base, str(parts), "--part", "2/2"]) == 0
    assert script.main([*base, str(parts), "--finalise"]) == 1
    assert "segments are missing" in capsys.readouterr().err
    assert script.main([*base, str(parts), "--part", "1/2", "--seed", "1"]) == 1
    assert "observations.seed is 0 there, 1 here" in capsys.readouterr().err
    assert script.main([*base, str(parts), "--part", "1/2"]) == 0
    assert script.main([*base, str(parts), "--finalise"]) == 0
    assert Manifest.read(parts) == Manifest.read(one)
    assert script.main([*base, str(parts), "--part", "1/2"]) == 1
    assert "complete" in capsys.readouterr().err


def test_one_part_is_not_brought_in_twice_at_a_time(archives, script, tmp_path, capsys):
    from filelock import FileLock

    work = tmp_path / "out" / ".build"
    work.mkdir(parents=True)
    with FileLock(work / "part-1-of-2"):
        options = ["--recipe", str(archives[0]), "--out", str(tmp_path / "out"), "--part", "1/2"]
        assert script.main(options) == 1
    assert "Another process is building" in capsys.readouterr().err


@pytest.mark.slow
def test_two_workers_build_the_same(archives, script, tmp_path):
    recipe, _, _ = archives
    assert script.main(["--recipe", str(recipe), "--out", str(tmp_path / "one")]) == 0
    two = run("--recipe", recipe, "--out", tmp_path / "two", "--workers", 2)
    assert two.returncode == 0, two.stderr
    assert Manifest.read(tmp_path / "two") == Manifest.read(tmp_path / "one")


@pytest.mark.slow
def test_interrupted_it_says_so_and_goes_on(archives, tmp_path):
    recipe, _, _ = archives
    out = tmp_path / "out"
    command = [sys.executable, str(SCRIPT), "--recipe", str(recipe), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(out.glob(".build/archive/states/[0-9]*")) and process.poll() is None:
        clock.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 1
    assert "Interrupted. Run the same command again" in err
    assert "Traceback" not in err
    before = {p: p.stat().st_mtime_ns for p in out.glob(".build/archive/states/[0-9]*")}
    again = run("--recipe", recipe, "--out", out, "--part", "1/1")
    assert again.returncode == 0, again.stderr
    assert all(path.stat().st_mtime_ns == changed for path, changed in before.items())
    assert run("--recipe", recipe, "--out", out).returncode == 0
    assert load_data(out, full=True).size("train") == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--source", "wb2", "--channels", "z501"], "has no level for z501"),
        (["--start", "2024-01-01"], "No day of the splits lies between 2024-01-01"),
        (["--background", "forecast"], "do not belong together"),
        (["--grid", "121"], "Expected a grid like 121x240"),
        (["--alignment", "strict", "--lead-hours", "7"], "lead_hours is a positive multiple of 6"),
        (["--path", "/nowhere/era5.zarr"], "/nowhere/era5.zarr"),
        (["--precipitation", "/nowhere"], "/nowhere"),
        (["--scheduler", "tcp://nowhere.invalid:1"], "No Dask scheduler"),
        (["--download"], "--download is for --source cds"),
        (["--density", "2"], "density"),
    ],
)
def test_what_cannot_be_built_is_said(
    archives, script, tmp_path, capsys, monkeypatch, options, message
):
    monkeypatch.setattr("dambench_hub.runtime.workers.PATIENCE", "0.2s")
    out = tmp_path / "out"
    assert script.main(["--recipe", str(archives[0]), "--out", str(out), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists() or not list(out.rglob("*.parquet"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--part", "3/2"], "wanted is a part like 2/4"),
        (["--part", "1/2", "--finalise"], "one after the other"),
        (["--cadence", "12h"], "invalid choice"),
    ],
)
def test_wrong_usage(script, tmp_path, capsys, option, message):
    with pytest.raises(SystemExit) as stop:
        script.main(["--out", str(tmp_path), *option])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_times_that_the_archive_does_not_have_name_another(archives, script, tmp_path, capsys):
    recipe = yaml.safe_load(archives[0].read_text())
    recipe["splits"]["test"] = ["2023-01-04", "2023-02-10"]
    recipe.pop("precipitation")
    archives[0].write_text(yaml.safe_dump(recipe))
    assert script.main(["--recipe", str(archives[0]), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "covers 1959-01-01T00 to 2023-01-10T18" in error
    assert "ARCO" in error


def test_a_package_that_is_not_installed_is_named(script, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script, "NEEDED", ("zarr", "no_such_package"))
    assert script.main(["--source", "wb2", "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "no_such_package is not installed: pip install 'dambench-hub[era5]'" in error


def test_levels_choose_standard_channels(script, tmp_path):
    args = script.parse_args(["--source", "wb2", "--out", "x", "--levels", "500", "850"])
    recipe = script.recipe_of(args)
    assert len(recipe.channels) == 4 + 2 * 5
    assert {"t2m", "z500", "q850"} <= set(recipe.channels)
    assert "z700" not in recipe.channels


def test_the_recipes_of_the_repository_can_be_read(script):
    recipes = list(SCRIPT.parent.glob("*.yaml"))
    assert recipes
    for path in recipes:
        recipe = script.recipe_of(script.parse_args(["--recipe", str(path), "--out", "x"]))
        assert json.dumps(recipe.settings())
        assert recipe.times()["train"].size
    assert os.fspath(SCRIPT).endswith("build.py")
