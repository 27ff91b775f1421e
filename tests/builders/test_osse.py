"""The OSSE builder on its tiny preset, through the command line; one model run serves all tests."""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from dambench_hub.building.osse.archive import Archive
from dambench_hub.building.osse.segments import SegmentStates
from dambench_hub.building.osse.simulation import MEANS, segment_path
from dambench_hub.building.osse.world import World
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import from_hours
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.data.dataset import load_data
from dambench_hub.storage.manifest import Manifest
from dambench_hub.tasks.task import load_task

BUILD = Path(__file__).parents[2] / "builders" / "osse" / "build.py"
CHANNEL = {name: index for index, name in enumerate(STANDARD_CHANNELS)}

pytestmark = pytest.mark.skipif(find_spec("jcm") is None, reason="the OSSE builder needs jcm")
slow = pytest.mark.slow


def command(out, *options):
    """Seed 1, since seed 0 may be shipped: then nothing is simulated."""
    world = ["--preset", "tiny", "--seed", "1"]
    return [sys.executable, str(BUILD), *world, "--out", str(out), *options]


def run(out, *options):
    return subprocess.run(command(out, *options), capture_output=True, text=True)


@pytest.fixture(scope="session")
def build():
    """The builder as a module, for what needs no model run."""
    spec = spec_from_file_location("osse_build", BUILD)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def osse(tmp_path_factory):
    """A build that was killed in the middle of the simulation and run again.

    Its model states are copied aside before they are removed with `.build/`.
    """
    out = tmp_path_factory.mktemp("osse") / "dambench"
    model, kept = out / ".build" / "model", out.parent / "model"
    process = subprocess.Popen(command(out), stderr=subprocess.DEVNULL, start_new_session=True)
    while len(list(model.glob("*.safetensors"))) < 4 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_until_gone(process.pid), "worker processes outlive the builder"
    assert not (out / "manifest.json").exists()
    before = {path.name: path.stat().st_mtime_ns for path in model.glob("*.safetensors")}
    process = subprocess.Popen(command(out), stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        for path in model.glob("*.safetensors"):
            if not (kept / path.name).exists():
                kept.mkdir(exist_ok=True)
                try:
                    os.link(path, kept / path.name)
                except FileNotFoundError:  # removed just now
                    break
        time.sleep(0.05)
    assert process.returncode == 0, process.stderr.read()
    for name, changed in before.items():
        assert (kept / name).stat().st_mtime_ns == changed, "a finished segment was made again"
    return out


def wait_until_gone(group):
    """Whether a killed process's group is empty within 20 seconds."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="session")
def examples(osse):
    """Every example of each split, stacked."""
    data, task = load_data(osse), load_task("multimodal")
    return {split: stacked(data, task, split) for split in ("train", "validation", "test")}


def stacked(data, task, split):
    batches = list(data.batches(task, split=split, batch_size=1))
    fields = {
        name: np.concatenate([np.array(getattr(batch, name)) for batch in batches])
        for name in ("background", "reference", "time")
    }
    for name in ("precipitation", "olr"):
        fields[name] = np.concatenate([np.array(batch.modalities[name]) for batch in batches])
    return fields


@slow
def test_data_set_is_complete(osse):
    manifest = Manifest.read(osse)
    assert manifest.channels == STANDARD_CHANNELS
    assert manifest.grid.shape == (33, 64)
    assert not (osse / ".build").exists()
    counts = {split: len(manifest.hours(split)) for split in manifest.splits}
    assert counts == {"train": 8, "validation": 4, "test": 4}
    years = {
        split: {
            time.astype("datetime64[Y]").item().year for time in from_hours(manifest.hours(split))
        }
        for split in counts
    }
    assert years["train"] <= set(range(2000, 2023))
    assert (years["validation"], years["test"]) == ({2023}, {2024})
    assert manifest.source["versions"]["jcm"].startswith("3.")


@slow
def test_values_are_those_of_an_atmosphere(examples):
    bounds = {"t": (150, 330), "q": (0, 0.04), "u": (-150, 150), "v": (-150, 150)}
    single = {"u10": (-75, 75), "v10": (-75, 75), "t2m": (180, 335), "msl": (86_000, 110_000)}
    levels = {"z1000": (-9_000, 6_000), "z50": (170_000, 215_000)}
    for fields in examples.values():
        for state in (fields["reference"], fields["background"]):
            assert np.isfinite(state).all()
            for name, index in CHANNEL.items():
                low, high = {**single, **levels}.get(name) or bounds.get(name[0], (-1e4, 2.2e5))
                assert low <= state[:, index].min() <= state[:, index].max() <= high, name
            heights = state[:, CHANNEL["z50"] : CHANNEL["z1000"] + 1]
            assert np.all(np.diff(heights, axis=1) < 0)
        assert np.nanmin(fields["precipitation"]) >= 0
        assert np.nanmax(fields["precipitation"]) < 300
        assert 70 < np.nanmin(fields["olr"]) < np.nanmax(fields["olr"]) < 400


@slow
def test_circulation_is_recognisable(examples):
    """Jets at 30 to 60 degrees, a warm equator, storms: not the zonal flow it was started from."""
    reference = examples["train"]["reference"]
    latitude = 90 - 180 * np.arange(33) / 32
    jet = reference[:, CHANNEL["u250"]].mean(axis=(0, 2))
    north = (latitude > 25) & (latitude < 60)
    assert jet[north].max() > 20 > jet[np.abs(latitude) < 10].mean()
    warmth = reference[:, CHANNEL["t850"]].mean(axis=(0, 2))
    assert warmth[np.abs(latitude) < 15].mean() > warmth[np.abs(latitude) > 70].mean() + 20
    eddies = reference[:, CHANNEL["v500"]].std(axis=-1).mean(axis=0)
    assert eddies[north].max() > 5


@slow
def test_scalars_have_one_value_at_a_pole(examples):
    for name in ("t850", "z500", "q700", "msl", "t2m"):
        field = examples["test"]["reference"][:, CHANNEL[name]]
        allowed = 1e-4 * np.ptp(field) + 1e-7
        assert np.ptp(field[:, [0, -1]], axis=-1).max() < allowed, name


@slow
def test_background_error_is_calibrated(osse, examples):
    train = examples["train"]
    error = train["background"].astype(np.float64) - train["reference"]
    std = train["reference"].std(axis=(0, 2, 3), dtype=np.float64)
    squared = (error / std[:, None, None]) ** 2
    assert 0.01 <= squared.mean() <= 0.1
    # Not the same everywhere, nor in every channel, and not only a bias.
    by_place = squared.mean(axis=(0, 1))
    assert by_place.std() > 0.3 * by_place.mean()
    by_channel = squared.mean(axis=(0, 2, 3))
    assert by_channel.max() > 10 * by_channel.min()
    assert (error.mean(axis=0) ** 2).sum() < 0.7 * (error**2).mean(axis=0).sum()
    # Correlated in space, as a forecast's error is.
    z = error[:, CHANNEL["z500"]] - error[:, CHANNEL["z500"]].mean(axis=-1, keepdims=True)
    middle = z[:, 6:14]
    assert np.mean(middle * np.roll(middle, 1, axis=-1)) > 0.5 * np.mean(middle**2)


@slow
def test_splits_are_different_worlds(examples):
    """The same day of the year in two splits has the climate in common, not the weather."""
    train, validation = (
        examples[split]["reference"][0, CHANNEL["v500"]] for split in ("train", "validation")
    )
    assert abs(np.corrcoef(train.ravel(), validation.ravel())[0, 1]) < 0.6


@slow
def test_gauges_stand_still_and_the_satellite_moves(examples):
    rain = np.isfinite(np.concatenate([fields["precipitation"] for fields in examples.values()]))
    ever, always = rain.any(axis=0), rain.all(axis=0)
    assert 50 < ever.sum() < 0.3 * ever.size
    assert rain.mean(axis=0)[ever].mean() > 0.85
    assert always.sum() < ever.sum()
    seen = np.isfinite(examples["train"]["olr"])
    assert 0.6 < seen.mean() < 1
    assert not np.array_equal(seen[0], seen[1])


@slow
def test_instruments_see_the_nature_run(osse):
    world = World("tiny", 1)
    states = SegmentStates(world, osse.parent / "model")
    archive = Archive(world, Grid.parse(world.preset.grid), states)
    exact = states.fields("test", 0)
    fields = archive.read("test", 0)
    for name in MEANS:
        view = archive.views["reference"].post_processor
        seen, at = view.regrid(exact[f"reference/{name}"]), np.isfinite(fields[name])
        assert np.corrcoef(fields[name][at], seen[at])[0, 1] > 0.9
        assert not np.array_equal(fields[name][at], seen[at])


@slow
def test_same_seed_same_bits_with_other_workers(osse, tmp_path):
    """One segment made again, here in one process and not interrupted, has the same content."""
    kept, again = osse.parent / "model", tmp_path / "model"
    again.mkdir()
    shutil.copy(segment_path(kept, "test", 0), again)
    script = (
        "from pathlib import Path\n"
        "from dambench_hub.building.osse.simulation import simulate_segment\n"
        "from dambench_hub.building.osse.world import World\n"
        "from dambench_hub.dynamics.jax_setup import prepare_jax\n"
        "prepare_jax()\n"
        f"simulate_segment(World('tiny', 1), Path({str(again)!r}), 'test', 1)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    first, second = (load_file(segment_path(folder, "test", 1)) for folder in (kept, again))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


@slow
def test_a_complete_data_set_is_left_alone(osse):
    revision, changed = Manifest.read(osse).revision, (osse / "manifest.json").stat().st_mtime_ns
    assert run(osse).returncode == 0
    assert Manifest.read(osse).revision == revision
    assert (osse / "manifest.json").stat().st_mtime_ns == changed


@slow
def test_other_settings_are_refused(osse):
    refused = run(osse, "--seed", "2")
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: ")
    assert "seed" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_worker_processes_load_no_datasets_and_no_jax():
    """They run the script as `__mp_main__`, import what they are sent, and then set jax up."""
    script = (
        "import runpy, sys\n"
        f"runpy.run_path({str(BUILD)!r}, run_name='__mp_main__')\n"
        "import dambench_hub.building.osse.simulation\n"
        "print(sorted({'datasets', 'jax'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--preset", "mni"], 1, "Did you mean 'mini'?"),
        (["--preset=cycling"], 1, "is called cycle now"),
        (["--preset", "tiny", "--workers", "0"], 2, "--workers"),
        (["--seed", "-1"], 2, "--seed"),
        (["--presets", "tiny"], 2, "--presets"),
    ],
)
def test_the_script_is_the_command(build, options, code, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        build.main(["--out", str(tmp_path / "out"), *options])
    assert exit_info.value.code == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
