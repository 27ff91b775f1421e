"""Builds are complete or resumable, never mixed, and end with the same content."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.building.builder import RECORDS, build_dataset
from dambench_hub.building.examples import Source
from dambench_hub.building.plan import Plan, _split_jobs
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import BuildError, ChannelError, DambenchError, DataError
from dambench_hub.observations import ObservationSettings, draw_observations
from dambench_hub.observations.window import Window
from dambench_hub.storage.manifest import Gap, Manifest
from dambench_hub.testing import TinyAtmosphere, tiny_plan, write_tiny_dataset


def days(start, count):
    return np.datetime64(start, "h") + 24 * np.arange(count)


SMALL = {
    "channels": ("z500", "t850"),
    "grid": Grid(3, 4),
    "times": {"train": days("2001-01-01", 8), "test": days("2024-01-01", 2)},
    "observations": ObservationSettings(density=0.5),
}
SHARDS = 8 + 1 + 2  # train, test, preview of both


def small_plan(**changes):
    return tiny_plan(**{**SMALL, **changes})


def build(out, read=None, fresh=False, **changes):
    plan = small_plan(**changes)
    return build_dataset(out, plan, lambda work: Source(read or TinyAtmosphere(plan).read), fresh)


def snapshot(folder):
    """Every file with its content and time of change."""
    return {
        p.relative_to(folder): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


def contents(folder):
    return {path: content for path, (content, _) in snapshot(folder).items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An uninterrupted build, for comparison; the folder has the name that `resumed` uses."""
    folder = tmp_path_factory.mktemp("finished") / "data"
    build(folder)
    return folder


def test_a_rerun_changes_nothing_and_reads_nothing(finished):
    before = snapshot(finished)

    def never(split, index):
        raise AssertionError("the source was read")

    assert build(finished, never) == Manifest.read(finished)
    assert snapshot(finished) == before


def test_two_builds_are_equal(finished, tmp_path):
    build(tmp_path / "data")
    assert contents(tmp_path / "data") == contents(finished)


# What is in the data set


@pytest.mark.parametrize("format", ["parquet", "arrow", "hdf5"])
def test_formats_hold_the_same_values(finished, tmp_path, format):
    manifest = build(tmp_path, format=format)
    other = Manifest.read(finished)
    for split in manifest.splits:
        hashes = [[s.content_sha256 for s in m.shards(split)] for m in (manifest, other)]
        assert hashes[0] == hashes[1]
    assert (manifest.revision == other.revision) == (format == "parquet")


def test_examples_are_what_the_source_gave(finished):
    data, source = load_data(finished), TinyAtmosphere(small_plan())
    for split in ("train", "test"):
        for index in range(data.size(split)):
            example = data.example(split, index)
            for name, field in source.read(split, index).items():
                np.testing.assert_array_equal(example[name], field)
            assert example["time"] == SMALL["times"][split][index]


def test_statistics_are_those_of_the_training_split(finished):
    data = load_data(finished)
    fields = [data.example("train", i, ["reference", "background"]) for i in range(8)]
    reference = np.stack([f["reference"] for f in fields]).astype("f8")
    error = np.stack([f["background"] for f in fields]) - reference
    axes, statistics = (0, 2, 3), data.statistics
    np.testing.assert_allclose(statistics.mean, reference.mean(axes), rtol=1e-12)
    np.testing.assert_allclose(statistics.std, reference.std(axes), rtol=1e-12)
    np.testing.assert_allclose(statistics.background_error_std, error.std(axes), rtol=1e-9)


def test_statistics_use_no_other_split(finished, tmp_path):
    source = TinyAtmosphere(small_plan())

    def other_test(split, index):
        fields = source.read(split, index)
        if split != "train":
            fields["reference"] = fields["reference"] * 1.5
        return fields

    build(tmp_path, other_test)
    name = "statistics.safetensors"
    assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()
    assert Manifest.read(tmp_path).revision != Manifest.read(finished).revision


def test_stored_observations_are_those_drawn_again(finished):
    data = load_data(finished)
    for split in ("train", "test"):
        for index in range(data.size(split)):
            example = data.example(split, index)
            points, values = draw_observations(
                data.manifest.observations,
                data.grid,
                example["reference"],
                data.observation_error_std(data.manifest.observations),
                example["time"],
            )
            assert points.tobytes() == example["observation_index"].tobytes()
            assert values.tobytes() == example["observations"].tobytes()
    np.testing.assert_array_equal(
        data.manifest.observation_error_std, 0.25 * data.statistics.background_error_std
    )


@pytest.mark.parametrize(
    ("examples", "bytes_each", "shards"),
    [
        (7, 1, 1),
        (8, 1, 8),
        (15, 1, 8),
        (800, 1, 8),
        (800, 10_000_000, 16),
        (800, 500_000_000, 800),
        (803, 600_000_000, 800),  # an example of a fine grid is larger than a shard should be
        (9, 600_000_000, 8),
    ],
)
def test_shards_come_in_eights(examples, bytes_each, shards):
    jobs = list(_split_jobs(small_plan(), "multimodal", "train", examples, bytes_each))
    assert len(jobs) == shards
    bounds = [(job.start, job.stop) for job in jobs]
    assert [b[0] for b in bounds] == [0, *(b[1] for b in bounds[:-1])] and bounds[-1][1] == examples
    sizes = [stop - start for start, stop in bounds]
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 1
    assert len({job.path for job in jobs}) == shards


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": ("z500", "z850", "t500", "t850"), "modalities": ()},
        {"channels": STANDARD_CHANNELS[:19], "grid": Grid(5, 8)},
        {"channels": ("t2m",), "observations": ObservationSettings("stations", 1.0, 0.0)},
        {"times": {"train": days("2001-01-01", 1)}, "lead_hours": 6},
        {"times": {"train": np.repeat(days("2001-01-01", 2), 3)}},  # members share valid times
    ],
    ids=["4-without-modalities", "19-finer", "1-everywhere", "train-only", "members"],
)
def test_any_channels_modalities_grids_and_splits(tmp_path, changes):
    manifest = build(tmp_path, **changes)
    data = load_data(tmp_path, full=True)
    assert data.manifest == manifest
    plan = small_plan(**changes)
    assert data.channels == plan.channels and data.grid == plan.grid
    for split, times in plan.times.items():
        np.testing.assert_array_equal(data.times(split), times)
        fields = TinyAtmosphere(plan).read(split, len(times) - 1)
        example = data.example(split, -1)
        assert set(fields) == set(example) - {"time", "observations", "observation_index"}
        for name, field in fields.items():
            np.testing.assert_array_equal(example[name], field)


# Plans that cannot be built


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"channels": ("z500", "x")}, ChannelError, "Unknown channel 'x'"),
        ({"format": "zarr"}, BuildError, "Did you mean 'arrow'"),
        ({"configs": ("backgrund",)}, BuildError, "Did you mean 'background'"),
        ({"configs": ("satellite",), "modalities": ()}, BuildError, "Unknown config 'satellite'"),
        ({"modalities": ("rain",)}, BuildError, "Unknown modality 'rain'"),
        ({"times": {"test": days("2024-01-01", 2)}}, BuildError, "no split train"),
        ({"times": {"train": days("2001-01-01", 0)}}, BuildError, "split train has no times"),
        (
            {"times": {"train": days("2001-01-01", 2), "test": days("2024-01-01", 0)}},
            BuildError,
            "split test has no times",
        ),
        ({"times": {"train": days("2001-01-01", 3)[::-1]}}, BuildError, "must ascend"),
        (
            {"times": {"train": days("2001-01-01", 2), "test": days("2024-01-01", 1).repeat(2)}},
            BuildError,
            "split test must ascend, each once",
        ),
        (
            {"times": {"train": np.array(["2001-01-01T00:30"], "M8[m]")}},
            DataError,
            "whole hours",
        ),
        ({"observations": ObservationSettings("iid")}, BuildError, "single grid points"),
    ],
)
def test_a_wrong_plan_is_refused_before_anything_is_read(changes, error, message):
    with pytest.raises(error, match=message):
        small_plan(**changes)


# Sources that are wrong


def spoilt(change, at=("train", 5)):
    source = TinyAtmosphere(small_plan())

    def read(split, index):
        fields = dict(source.read(split, index))
        if (split, index) == at:
            change(fields)
        return fields

    return read


def put(name, where, value, kind="f4"):
    def change(fields):
        fields[name] = fields[name].astype(kind)
        fields[name][where] = value

    return change


def replace(name, value):
    return lambda fields: fields.update({name: value})


def fail(fields):
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("reference", (1, 2, 3), np.nan), "reference has values in t850 that are not finite"),
        (put("background", (0, 0, 0), np.inf), "background has values in z500"),
        (put("background", (1, 0, 0), 1e300, "f8"), "background has values in t850"),
        (put("olr", (0, 0), -np.inf), "olr has values that are not finite"),
        (put("background_olr", (0, 0), np.inf), "background_olr has values that are not finite"),
        (replace("background_olr", np.zeros(4)), r"background_olr must have shape \(3, 4\)"),
        (
            lambda f: f.update(reference=np.ma.masked_greater(f["reference"], 1e4)),
            "reference has values in z500 that are not finite",
        ),
        (replace("reference", np.zeros((3, 4, 2))), r"shape \(2, 3, 4\).* gave \(3, 4, 2\)"),
        (replace("olr", np.zeros((1, 3, 4))), r"olr must have shape \(3, 4\)"),
        (lambda fields: fields.pop("precipitation"), "precipitation .* the source gave nothing"),
        (fail, "the source cannot be read .*Input/output error"),
    ],
)
def test_what_a_source_gives_wrong_is_named(tmp_path, change, message):
    out = tmp_path / "data"
    with pytest.raises(BuildError, match=message) as caught:
        build(out, spoilt(change))
    assert "train 2001-01-06T00" in str(caught.value)
    assert not (out / "manifest.json").exists()
    with pytest.raises(DataError, match="run the same build command again"):
        load_data(out)
    build(out)  # with the source mended
    load_data(out, full=True)


def test_nan_in_a_modality_means_nothing_was_measured(tmp_path):
    build(tmp_path, spoilt(put("olr", ..., np.nan)))
    assert np.all(np.isnan(load_data(tmp_path).example("train", 5)["olr"]))


def test_a_background_without_equivalents_has_nan(tmp_path):
    source = TinyAtmosphere(small_plan())

    def read(split, index):
        fields = source.read(split, index)
        return {name: f for name, f in fields.items() if name != "background_precipitation"}

    build(tmp_path, read)
    example = load_data(tmp_path).example("test", 1)
    assert np.all(np.isnan(example["background_precipitation"]))
    np.testing.assert_array_equal(example["background_olr"], read("test", 1)["background_olr"])


@pytest.mark.parametrize("name", ["std", "background_error_std"])
def test_a_channel_that_never_changes_cannot_scale(tmp_path, name):
    source = TinyAtmosphere(small_plan())

    def read(split, index):
        fields = source.read(split, index)
        fields["reference"][1] = 0.1 if name == "std" else fields["background"][1]
        return fields

    with pytest.raises(BuildError, match=f"^{name} of t850 is 0"):
        build(tmp_path / "data", read)


# Builds that are interrupted


class Killed(BaseException):
    """Stands for whatever ends a process."""


def interrupt(monkeypatch, call, count, error):
    """Let the `count`-th use of a function of `os` fail."""
    calls = Counter()
    original = getattr(os, call)

    def counted(*args, **options):
        calls[call] += 1
        if calls[call] == count:
            raise error
        return original(*args, **options)

    monkeypatch.setattr(os, call, counted)


def count_writes(monkeypatch, tmp_path):
    calls = []
    original = os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *args: (calls.append(args), original(*args)))
        build(tmp_path / "counted")
    return len(calls)


def resumed(out, finished):
    """Run again; nothing that was finished is touched, and all ends well."""
    done = {
        path: state
        for path, state in (snapshot(out) if out.exists() else {}).items()
        if path.parts[0] in ("multimodal", "preview") and not path.name.startswith(".")
    }
    for path, (content, _) in done.items():  # whatever has its name is whole
        assert content == (finished / path).read_bytes()
    records = out / ".build" / RECORDS
    recorded = {path for path in done if (records / f"{path}.json").exists()}
    build(out)
    assert contents(out) == contents(finished)
    for path, state in done.items():
        if path in recorded:
            assert snapshot(out)[path] == state, path
    return len(done)


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
def test_interrupted_at_every_write(tmp_path, monkeypatch, finished, error):
    writes = count_writes(monkeypatch, tmp_path)
    assert writes > 2 * SHARDS
    done = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # slow, and not the point here
    step = 1 if isinstance(error, Killed) else 5
    for count in range(1, writes + 1, step):
        out = tmp_path / str(count) / "data"
        with monkeypatch.context() as patch:
            interrupt(patch, "replace", count, error)
            with pytest.raises((Killed, DambenchError)) as caught:
                build(out)
        if isinstance(error, OSError):
            assert "disk is full" in str(caught.value) and "run this again" in str(caught.value)
        assert not (out / "manifest.json").exists()
        assert not list(out.rglob("*.partial"))
        done.append(resumed(out, finished))
        shutil.rmtree(out)
    assert done == sorted(done) and done[-1] >= SHARDS - 1


KILL = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_builder import build

for out, call, when in zip(*[iter(sys.argv[2:])] * 3):
    child = os.fork()
    if not child:
        original, calls = getattr(os, call), 0

        def kill(*args):
            global calls
            calls += 1
            if calls == int(when):
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args)

        setattr(os, call, kill)
        build(Path(out))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_killed_for_real(tmp_path, finished):
    """SIGKILL before the first file, in the middle of a shard, and between shard and record."""
    points = [("fsync", "1"), ("fsync", "23"), ("replace", "12"), ("replace", "24")]
    outs = [tmp_path / str(i) / "data" for i in range(len(points))]
    arguments = [text for out, point in zip(outs, points, strict=True) for text in (out, *point)]
    here = Path(__file__).parent
    run = subprocess.run(
        [sys.executable, "-c", KILL, here, *arguments], capture_output=True, text=True
    )
    assert run.stdout.split() == [str(-signal.SIGKILL)] * len(points), run.stderr[-2000:]
    assert any(list(out.rglob("*.partial")) for out in outs)
    for out in outs:
        with pytest.raises(DataError, match="run the same build command again"):
            load_data(out)
        resumed(out, finished)
        assert not (out / ".build").exists()


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from dambench_hub.errors import DambenchError
from test_builder import build, Grid

resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
for format in ("parquet", "arrow", "hdf5"):
    try:
        build(Path(sys.argv[2]) / format, grid=Grid(17, 32), format=format)
    except DambenchError as error:
        print(format, error)
"""


def test_a_file_that_cannot_grow(tmp_path):
    """As on a full disk, a write fails in the middle of a shard."""
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, here, tmp_path], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    for line, format in zip(run.stdout.splitlines(), ("parquet", "arrow", "hdf5"), strict=True):
        out = tmp_path / format
        assert line.startswith(f"{format} Could not write {out / 'multimodal'}"), line
        assert "too large" in line
        assert not any((out / "multimodal").iterdir())
        build(out, grid=Grid(17, 32), format=format)
        load_data(out, full=True)


# Gaps of the source


def gap(split, index, what="example", reason="t500 has 3 missing values"):
    hours = int(hours_since_epoch(small_plan().times[split][index]))
    return Gap(split, hours, what, reason)


def build_with_gaps(out, *gaps):
    plan = small_plan()
    return build_dataset(out, plan, lambda work: Source(TinyAtmosphere(plan).read, gaps))


def test_examples_that_are_missing_are_left_out_and_listed(tmp_path):
    plan = small_plan()
    whole = build(tmp_path / "whole")
    gaps = (gap("train", 1), gap("test", 0), gap("test", 1, "olr", "no file covers it"))
    manifest = build_with_gaps(tmp_path / "gaps", *gaps)
    assert manifest.gaps == gaps
    assert Manifest.read(tmp_path / "gaps").gaps == gaps
    for split in ("train", "test"):
        absent = {g.hours for g in gaps if (g.split, g.what) == (split, "example")}
        assert manifest.hours(split) == [h for h in whole.hours(split) if h not in absent]
    data = load_data(tmp_path / "gaps")
    kept = TinyAtmosphere(plan).read("train", 2)["reference"]
    np.testing.assert_array_equal(data.reference("train", 1), kept)
    seen = [data.reference("train", n) for n in range(data.size("train"))]
    mean = np.mean(seen, axis=(0, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(data.statistics.mean, mean, rtol=1e-6)


def test_a_rerun_with_gaps_leaves_the_data_set_alone(tmp_path):
    first = build_with_gaps(tmp_path, gap("train", 1))
    changed = (tmp_path / "manifest.json").stat().st_mtime_ns
    assert build_with_gaps(tmp_path, gap("train", 1)) == first
    assert (tmp_path / "manifest.json").stat().st_mtime_ns == changed


def test_gaps_that_close_change_statistics_and_shards(tmp_path):
    plan = small_plan()
    whole = build(tmp_path / "whole")

    def interrupted(work):
        read = TinyAtmosphere(plan).read
        seen = []

        def until_shards(split, index):
            seen.append((split, index))
            if split == "test":
                raise BuildError("killed")
            return read(split, index)

        return Source(until_shards, (gap("train", 1),))

    with pytest.raises(BuildError, match="killed"):
        build_dataset(tmp_path / "again", plan, interrupted)
    build_dataset(tmp_path / "again", plan, lambda work: Source(TinyAtmosphere(plan).read))
    assert Manifest.read(tmp_path / "again") == whole


def test_a_split_of_nothing_but_gaps_is_refused(tmp_path):
    count = len(small_plan().times["test"])
    with pytest.raises(BuildError, match="Nothing is left of the split test.*t500 has 3"):
        build_with_gaps(tmp_path, *(gap("test", n) for n in range(count)))


def test_intermediate_files_stay_until_the_end(tmp_path):
    plan, seen = small_plan(), []

    def open_source(work):
        seen.append((work / "mine").exists())
        (work / "mine").write_text("expensive")
        return Source(spoilt(fail) if len(seen) == 1 else TinyAtmosphere(plan).read)

    with pytest.raises(BuildError):
        build_dataset(tmp_path, plan, open_source)
    build_dataset(tmp_path, plan, open_source)
    assert seen == [False, True]
    assert not (tmp_path / ".build").exists()


# Folders that are something else


def unchanged(out, message, **changes):
    before = snapshot(out)
    with pytest.raises(BuildError) as caught:
        build(out, **changes)
    assert message in str(caught.value)
    assert snapshot(out) == before
    return str(caught.value)


@pytest.fixture(params=["complete", "in progress"])
def existing(request, tmp_path, finished):
    out = tmp_path / "data"
    if request.param == "complete":
        return shutil.copytree(finished, out)
    with pytest.raises(BuildError):
        build(out, spoilt(fail, ("test", 1)))
    assert (out / ".build" / "plan.json").exists()
    return out


OTHER = {
    "name": "other",
    "channels": ("z500", "t500"),
    "grid": Grid(3, 5),
    "lead_hours": 12,
    "alignment": "strict",
    "modalities": ("olr",),
    "format": "hdf5",
}


@pytest.mark.parametrize("setting", OTHER)
def test_other_settings_are_named_and_refused(existing, setting):
    message = unchanged(existing, f"{setting} is ", **{setting: OTHER[setting]})
    assert "--fresh" in message


def test_nested_settings_are_named(existing):
    observations = ObservationSettings(density=0.5, seed=4)
    unchanged(existing, "observations.seed is 0 there, 4 here", observations=observations)
    source = {**small_plan().source, "settings": {"seed": 7}}
    unchanged(existing, "source.settings.seed is 0 there, 7 here", source=source)
    times = {**SMALL["times"], "test": days("2024-01-01", 3)}
    unchanged(existing, "times.test is", times=times)
    unchanged(existing, "times.train is", times={**SMALL["times"], "train": days("2001-01-01", 7)})


def test_long_values_are_shown_where_they_part(tmp_path):
    month, other = days("2001-01-01", 30), days("2001-01-01", 30)
    other[-1] = np.datetime64("2002-01-01")
    build(tmp_path, times={"train": month})
    with pytest.raises(BuildError) as caught:
        build(tmp_path, times={"train": other})
    there, here = str(caught.value).split(" there, ")
    assert str(hours_since_epoch(month[-1])) in there
    assert str(hours_since_epoch(other[-1])) in here
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_configs_with_files_of_their_own_are_a_setting(tmp_path):
    build(tmp_path, format="arrow", configs=("background",))
    assert (tmp_path / "background").is_dir()
    build(tmp_path, format="arrow", configs=("background",))
    unchanged(tmp_path, 'configs is ["background"] there, [] here', format="arrow")


def test_fresh_starts_again(existing, tmp_path):
    (existing / "notes.txt").write_text("old")
    manifest = build(existing, fresh=True, format="hdf5")
    assert manifest.format == "hdf5" and load_data(existing, full=True)
    build(tmp_path / "clean" / "data", format="hdf5")
    assert contents(existing) == contents(tmp_path / "clean" / "data")


def test_fresh_can_be_interrupted(existing, monkeypatch):
    """Each deletion in turn is the last one; the folder stays ours and nothing is mixed."""
    for count in range(1, 16, 2):
        with monkeypatch.context() as patch:
            interrupt(patch, "unlink", count, Killed())
            with pytest.raises(Killed):
                build(existing, fresh=True, name="other")
        with pytest.raises((BuildError, DataError)):
            load_data(existing), build(existing, name="other")
    build(existing, fresh=True, name="other")
    assert load_data(existing, full=True).manifest.name == "other"
    assert len(list(existing.rglob("*.parquet"))) == SHARDS


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path, fresh):
    (tmp_path / "thesis.tex").write_text("years of work")
    unchanged(tmp_path, "holds other files; give a new or empty folder", fresh=fresh)
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="is a file; give a folder"):
        build(tmp_path / "file", fresh=fresh)
    with pytest.raises(DambenchError, match="Could not write"):
        build(tmp_path / "file" / "below", fresh=fresh)
    assert contents(tmp_path) == {Path("thesis.tex"): b"years of work", Path("file"): b""}


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    """Root may write anywhere, so the refusal is made up."""

    def refuse(self, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DambenchError, match="No permission to write .*Choose a folder"):
        build(tmp_path / "data")


def test_a_second_process_is_refused(tmp_path):
    """Even with `fresh`, which would delete under the feet of the first."""
    out, plan = tmp_path / "data", small_plan()

    def read(split, index):
        if (split, index) == ("train", 3):
            for fresh in (False, True):
                before = snapshot(out)
                with pytest.raises(BuildError, match="Another process is building in"):
                    build(out, fresh=fresh)
                assert snapshot(out) == before
        return TinyAtmosphere(plan).read(split, index)

    build(out, read)
    assert load_data(out, full=True)


@pytest.mark.parametrize("damage", ["absent", "changed", "statistics"])
def test_a_damaged_data_set_is_mended_by_its_build(tmp_path, finished, damage):
    out = shutil.copytree(finished, tmp_path / "data")
    manifest = Manifest.read(out)
    path = out / manifest.splits["train"][2].path
    if damage == "statistics":
        path = out / "statistics.safetensors"
    content = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(content[:-9] + b"!" + content[-8:])
    before = snapshot(out)
    build(out)
    assert contents(out) == contents(finished)
    assert load_data(out, full=True).manifest == manifest
    touched = {p for p, state in snapshot(out).items() if state != before.get(p)}
    whole = {Path(shard.path) for shard in manifest.all_shards()} - {path.relative_to(out)}
    assert not touched & whole


def test_shards_of_an_older_version_are_not_kept_beside_new_ones(tmp_path, finished):
    out = shutil.copytree(finished, tmp_path / "data")
    dataclasses.replace(Manifest.read(out), format_version=1).write(out)
    (out / "statistics.safetensors").unlink()
    before = snapshot(out)
    build(out)
    assert contents(out) == contents(finished)
    after = snapshot(out)
    assert all(after[Path(s.path)] != before[Path(s.path)] for s in Manifest.read(out).all_shards())


def test_progress_is_plain_lines_where_there_is_no_terminal(tmp_path, capfd):
    build(tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2 and "\x1b" not in err
    assert lines[0].startswith("Statistics of the training split: 8/8 in")
    assert lines[1].startswith(f"Writing shards: {SHARDS}/{SHARDS} in")


def test_settings_are_json(tmp_path):
    plan = small_plan()
    assert json.loads(json.dumps(plan.settings())) == plan.settings()
    of_reports = {"reports_window", "reference_is_reports"}
    assert {f.name for f in dataclasses.fields(Plan)} == set(plan.settings()) | of_reports
    assert not of_reports & set(plan.settings())
    assert of_reports < set(tiny_plan(reports_window=Window()).settings())


def test_the_tiny_data_set_can_be_changed(tmp_path):
    manifest = write_tiny_dataset(tmp_path, name="mine")
    assert manifest.name == "mine" and (tmp_path / "multimodal").is_dir()
