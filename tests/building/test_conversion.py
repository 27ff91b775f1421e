"""Conversions change files and nothing else; rounded backgrounds are told with their error."""

import dataclasses
import errno
import os
import shutil
import weakref
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from datasets import load_dataset

from dambench_hub.building import builder, examples
from dambench_hub.building.builder import RECORDS, build_dataset
from dambench_hub.building.conversion import conversion_plan, convert_dataset
from dambench_hub.building.examples import Source
from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.dataset import Data, load_data
from dambench_hub.errors import BuildError, DambenchError, DataError
from dambench_hub.observations import ObservationSettings
from dambench_hub.storage.manifest import FORMATS, Gap, Manifest
from dambench_hub.storage.rounding import round_mantissa
from dambench_hub.storage.statistics import Moments
from dambench_hub.testing import TinyAtmosphere, tiny_plan


def days(start, count):
    return np.datetime64(start, "h") + 24 * np.arange(count)


DIRECTIONS = list(permutations(FORMATS, 2))
SMALL = {
    "channels": ("z500", "t850"),
    "grid": Grid(3, 4),
    "times": {"train": days("2001-01-01", 8), "test": days("2024-01-01", 2)},
    "observations": ObservationSettings(density=0.5),
}


def build(out, gaps=(), run=builder.in_process, **changes):
    plan = tiny_plan(**{**SMALL, **changes})
    return build_dataset(
        out, plan, lambda work: Source(TinyAtmosphere(plan).read, tuple(gaps)), run=run
    )


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def changed_at(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def hashes(manifest):
    """What every shard that each format has holds, by name without suffix."""
    shards = [s for split in manifest.splits.values() for s in split]
    return {shard.path.rpartition(".")[0]: shard.content_sha256 for shard in shards}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """One data set in each format."""
    folder = tmp_path_factory.mktemp("originals")
    for format in FORMATS:
        build(folder / format, format=format)
    return folder


@pytest.fixture
def original(originals):
    return originals / "parquet"


# The values stay


@pytest.mark.parametrize(("old", "new"), DIRECTIONS)
def test_all_six_directions_hold_the_same_values(originals, tmp_path, old, new):
    manifest = convert_dataset(originals / old, tmp_path, format=new)
    before, after = load_data(originals / old), load_data(tmp_path, full=True)
    assert after.manifest == manifest and manifest.format == new
    assert hashes(manifest) == hashes(before.manifest)
    assert hashes(manifest) == hashes(Manifest.read(originals / new))
    name = "statistics.safetensors"
    assert (tmp_path / name).read_bytes() == (originals / old / name).read_bytes()
    assert manifest.observation_error_std == before.manifest.observation_error_std
    for split in manifest.splits:
        for index in range(before.size(split)):
            there, here = before.example(split, index), after.example(split, index)
            assert list(there) == list(here)
            for column, value in there.items():
                assert value.tobytes() == here[column].tobytes(), column


@pytest.mark.parametrize(("old", "new"), DIRECTIONS)
def test_a_conversion_is_what_a_build_in_that_format_would_be(originals, tmp_path, old, new):
    revision = Manifest.read(originals / old).revision
    convert_dataset(originals / old, tmp_path / "converted" / "data", format=new)
    source = {**tiny_plan().source, "converted_from": revision}
    build(tmp_path / "built" / "data", format=new, source=source)
    assert contents(tmp_path / "converted") == contents(tmp_path / "built")


def test_there_and_back_gives_the_same_files(original, tmp_path):
    convert_dataset(original, tmp_path / "arrow", format="arrow")
    convert_dataset(tmp_path / "arrow", tmp_path / "back", format="parquet")
    before, after = contents(original), contents(tmp_path / "back")
    assert before.keys() == after.keys()
    differing = {str(path) for path in before if before[path] != after[path]}
    assert differing == {"manifest.json", "README.md"}


def test_the_manifest_says_what_it_was_converted_from(original, tmp_path):
    old, new = Manifest.read(original), convert_dataset(original, tmp_path, format="hdf5")
    assert new.source == {**old.source, "converted_from": old.revision}
    assert new.revision != old.revision
    settings = {f.name for f in dataclasses.fields(Manifest)}
    same = settings - {"source", "format", "splits", "copies"}
    assert all(getattr(new, name) == getattr(old, name) for name in same)


def test_nothing_is_drawn_or_computed_again(original, tmp_path, monkeypatch):
    def never(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr(examples, "draw_observations", never)
    monkeypatch.setattr(Moments, "of", never)
    convert_dataset(original, tmp_path, format="arrow", keep_bits=8)


def test_one_example_is_in_memory_at_a_time(tmp_path, monkeypatch):
    build(tmp_path / "old", times={"train": days("2001-01-01", 7)})  # in one shard
    alive, most, read = weakref.WeakSet(), 0, Data.example

    class Watched(np.ndarray):
        """Unlike a plain array, hashable by identity."""

        __hash__ = object.__hash__
        __eq__ = object.__eq__

    def watched(*args):
        nonlocal most
        example = dict(read(*args))
        example["background"] = example["background"].copy().view(Watched)
        alive.add(example["background"])
        most = max(most, len(alive))
        return example

    monkeypatch.setattr(Data, "example", watched)
    convert_dataset(tmp_path / "old", tmp_path / "new", format="arrow")
    assert 1 <= most <= 2  # the one that is written and the one that is read


@pytest.mark.parametrize(
    "changes",
    [
        {"modalities": ()},
        {"times": {"train": np.repeat(days("2001-01-01", 4), 3)}},  # members share valid times
        {"observations": ObservationSettings("stations", 0.3, 0.0)},
        {"lead_hours": 6, "alignment": "strict", "name": "other"},
    ],
    ids=["without-modalities", "members", "exact-stations", "names"],
)
def test_any_data_set(tmp_path, changes):
    old = build(tmp_path / "old", **changes)
    new = convert_dataset(tmp_path / "old", tmp_path / "new", format="hdf5")
    load_data(tmp_path / "new", full=True)
    assert hashes(new) == hashes(old)


def test_gaps_stay_gaps(tmp_path):
    hours = [int(time.astype(int)) for time in SMALL["times"]["train"]]
    gaps = [
        Gap("train", hours[0], "example", "no forecast"),
        Gap("train", hours[3], "olr", "no satellite"),
        Gap("train", hours[5], "example", "a damaged file"),
    ]
    old = build(tmp_path / "old", gaps)
    new = convert_dataset(tmp_path / "old", tmp_path / "new", format="arrow")
    assert new.gaps == old.gaps == tuple(gaps)
    assert len(new.times("train")) == 6 and hashes(new) == hashes(old)
    assert convert_dataset(tmp_path / "old", tmp_path / "new", format="arrow") == new


@pytest.mark.parametrize("format", FORMATS)
def test_everybody_can_read_it(original, tmp_path, format):
    out = tmp_path / "data"
    convert_dataset(original, out, format=format)
    rows = load_dataset(str(out), split="test", cache_dir=str(tmp_path / "cache"))
    example = load_data(original).example("test", 1)
    np.testing.assert_array_equal(rows.with_format("numpy")[1]["background"], example["background"])


# Configs


def test_arrow_gets_the_configs_that_are_asked_for(original, tmp_path):
    manifest = convert_dataset(original, tmp_path, format="arrow", configs=["background"])
    assert set(manifest.copies) == {"background"}
    assert contents(tmp_path).keys() >= {Path("background/test-00000-of-00001.arrow")}


def test_arrow_keeps_its_configs_unless_told(tmp_path):
    build(tmp_path / "old", format="arrow", configs=("background", "satellite"))
    kept = convert_dataset(tmp_path / "old", tmp_path / "kept", format="arrow")
    assert set(kept.copies) == {"background", "satellite"}
    none = convert_dataset(tmp_path / "old", tmp_path / "none", format="arrow", configs=[])
    assert set(none.copies) == set()
    other = convert_dataset(tmp_path / "old", tmp_path / "other", format="parquet")
    assert set(other.copies) == {"preview"}


# Interrupted and repeated


class Killed(BaseException):
    """Stands for whatever ends a process."""


def fail_at(monkeypatch, count, error):
    """Let the `count`-th file that would get its name fail."""
    replace, calls = os.replace, iter(range(1, 1000))

    def replaced(*args):
        if next(calls) == count:
            raise error
        return replace(*args)

    monkeypatch.setattr(os, "replace", replaced)


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
@pytest.mark.parametrize("count", [1, 2, 5, 12, 25])
def test_interrupted_it_goes_on_where_it_stopped(original, tmp_path, monkeypatch, error, count):
    wanted, out = tmp_path / "wanted" / "data", tmp_path / "data"
    convert_dataset(original, wanted, format="arrow", keep_bits=7)
    with monkeypatch.context() as patch, pytest.raises((Killed, DambenchError)) as caught:
        fail_at(patch, count, error)
        convert_dataset(original, out, format="arrow", keep_bits=7)
    if isinstance(error, OSError):
        assert "disk is full" in str(caught.value) and "run this again" in str(caught.value)
    assert not (out / "manifest.json").exists()
    with pytest.raises(DataError, match="run the same build command again"):
        load_data(out)
    finished = {p: at for p, at in changed_at(out).items() if p.suffix == ".arrow"}
    recorded = [
        p for p in finished if (out / f".build/{RECORDS}/{p.relative_to(out)}.json").exists()
    ]
    convert_dataset(original, out, format="arrow", keep_bits=7)
    assert contents(out) == contents(wanted)
    after = changed_at(out)
    assert all(after[path] == finished[path] for path in recorded)


def test_a_rerun_changes_and_reads_nothing(original, tmp_path, monkeypatch):
    manifest = convert_dataset(original, tmp_path, format="hdf5")
    before = changed_at(tmp_path)
    monkeypatch.setattr(Data, "example", None)
    assert convert_dataset(original, tmp_path, format="hdf5") == manifest
    assert changed_at(tmp_path) == before


def test_a_damaged_conversion_is_mended_by_its_command(original, tmp_path):
    out = tmp_path / "data"
    manifest = convert_dataset(original, out, format="hdf5", keep_bits=9)
    whole, before = contents(out), changed_at(out)
    damaged = out / manifest.splits["train"][2].path
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    convert_dataset(original, out, format="hdf5", keep_bits=9)
    assert contents(out) == whole
    touched = {path for path, at in changed_at(out).items() if at != before[path]}
    assert {path for path in touched if path.suffix == ".h5"} == {damaged}


# Refused


def refused(error, message, data, out, **changes):
    before = contents(out.parent)
    with pytest.raises(error, match=message):
        convert_dataset(data, out, **{"format": "arrow", **changes})
    assert contents(out.parent) == before


@pytest.mark.parametrize("place", [".", "below", "multimodal", "..", "link"])
def test_the_same_place_is_refused(original, tmp_path, place):
    data = shutil.copytree(original, tmp_path / "some" / "data")
    (data / "link").symlink_to(data)
    refused(BuildError, "overlaps with .* Give a folder beside it", data, data / place)
    refused(BuildError, "overlaps with", data, data / place, fresh=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "parket"}, "Unknown format 'parket'. Did you mean 'parquet'?"),
        ({"format": "netcdf"}, "Unknown format 'netcdf'. Known are arrow, hdf5, parquet."),
        ({"configs": ["backgrund"]}, "Unknown config 'backgrund'. Did you mean 'background'?"),
        ({"keep_bits": 0}, "whole number from 1 to 23"),
        ({"keep_bits": 24}, "whole number from 1 to 23"),
    ],
)
def test_wrong_options_are_refused(original, tmp_path, changes, message):
    refused(BuildError, message, original, tmp_path / "new", **changes)


def test_what_is_no_data_set_is_refused(original, tmp_path):
    refused(DataError, "No data set in", tmp_path / "nowhere", tmp_path / "new")
    (tmp_path / "old").mkdir()
    refused(DataError, "No data set in", tmp_path / "old", tmp_path / "new")


def test_a_folder_of_somebody_else_is_left_alone(original, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    refused(BuildError, "holds other files", original, tmp_path / "mine")
    refused(BuildError, "holds other files", original, tmp_path / "mine", fresh=True)
    refused(BuildError, "is a file", original, tmp_path / "mine" / "thesis.tex")


def test_another_data_set_is_not_overwritten_unless_told(originals, tmp_path):
    convert_dataset(originals / "parquet", tmp_path / "new", format="arrow")
    for data, changes in (
        (originals / "hdf5", {}),  # another revision
        (originals / "parquet", {"format": "hdf5"}),
        (originals / "parquet", {"keep_bits": 9}),
    ):
        refused(BuildError, "built with other settings.*--fresh", data, tmp_path / "new", **changes)
    manifest = convert_dataset(originals / "hdf5", tmp_path / "new", format="parquet", fresh=True)
    assert load_data(tmp_path / "new", full=True).manifest == manifest
    assert not list(tmp_path.rglob("*.arrow"))


@pytest.mark.parametrize("damage", ["changed", "absent", "statistics"])
def test_a_damaged_data_set_is_not_converted(original, tmp_path, damage):
    data, out = shutil.copytree(original, tmp_path / "data"), tmp_path / "new"
    name = "statistics.safetensors"
    path = data / (name if damage == "statistics" else Manifest.read(data).splits["test"][0].path)
    content = path.read_bytes()
    path.unlink()
    if damage != "absent":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=path.name):
        convert_dataset(data, out, format="arrow")
    assert not (out / "manifest.json").exists() and not list(out.rglob("*.arrow"))
    path.write_bytes(content)
    assert hashes(convert_dataset(data, out, format="arrow")) == hashes(Manifest.read(data))


# Rounded backgrounds


@pytest.mark.parametrize("keep_bits", [3, 10, 23])
@pytest.mark.parametrize("format", FORMATS)
def test_only_backgrounds_are_rounded(original, tmp_path, format, keep_bits):
    convert_dataset(original, tmp_path, format=format, keep_bits=keep_bits)
    before, after = load_data(original), load_data(tmp_path, full=True)
    assert vars(before.statistics).keys() == vars(after.statistics).keys()
    for name, values in vars(before.statistics).items():
        assert values.tobytes() == getattr(after.statistics, name).tobytes()
    for split in before.manifest.splits:
        for index in range(before.size(split)):
            there, here = dict(before.example(split, index)), after.example(split, index)
            there["background"] = round_mantissa(there["background"], keep_bits)
            for column, value in there.items():
                assert value.tobytes() == here[column].tobytes(), column
    assert (hashes(after.manifest) == hashes(before.manifest)) == (keep_bits == 23)


@pytest.mark.parametrize("format", FORMATS)
def test_rounding_while_building_gives_the_same(original, tmp_path, format):
    source = {**tiny_plan().source, "converted_from": Manifest.read(original).revision}
    build(tmp_path / "built" / "data", format=format, keep_bits=6, source=source)
    convert_dataset(original, tmp_path / "converted" / "data", format=format, keep_bits=6)
    assert contents(tmp_path / "converted") == contents(tmp_path / "built")


def test_the_manifest_tells_the_error(original, tmp_path):
    manifest = convert_dataset(original, tmp_path, format="arrow", keep_bits=6)
    before, after = load_data(original), load_data(tmp_path)
    pairs = [
        (before.background(split, index).astype("f8"), after.background(split, index))
        for split in before.manifest.splits
        for index in range(before.size(split))
    ]
    old, new = map(np.stack, zip(*pairs, strict=True))
    rms = np.sqrt(((new - old) ** 2).mean(axis=(0, 2, 3))) / before.statistics.background_error_std
    rounding = manifest.rounding
    np.testing.assert_allclose(rounding.rms_in_background_error_std, rms, rtol=1e-12)
    np.testing.assert_allclose(
        rounding.max_relative_error, (np.abs(new - old) / np.abs(old)).max(), rtol=1e-6
    )
    assert rounding.keep_bits == manifest.keep_bits == 6
    assert 0 < rounding.max_relative_error <= 2**-7
    assert Manifest.read(tmp_path) == manifest
    assert Manifest.read(original).rounding is None and Manifest.read(original).keep_bits is None


def test_23_bits_round_nothing(original, tmp_path):
    rounding = convert_dataset(original, tmp_path, format="parquet", keep_bits=23).rounding
    assert rounding.max_relative_error == 0
    assert rounding.rms_in_background_error_std == (0, 0)


def test_configs_with_files_of_their_own_are_rounded_too(original, tmp_path):
    manifest = convert_dataset(
        original, tmp_path, format="arrow", keep_bits=4, configs=["background", "reanalysis"]
    )
    alone = convert_dataset(original, tmp_path / "x" / "alone", format="arrow", keep_bits=4)
    assert manifest.rounding == alone.rounding  # each example counts once
    wanted = load_data(tmp_path).background("test", 0)
    rows = load_dataset(
        str(tmp_path), "background", split="test", cache_dir=str(tmp_path / "x" / "cache")
    )
    np.testing.assert_array_equal(rows.with_format("numpy")[0]["background"], wanted)


def test_fewer_bits_make_smaller_files(tmp_path):
    times = {"train": days("2001-01-01", 2)}
    build(tmp_path / "old", grid=Grid(33, 64), times=times, modalities=())
    sizes = [
        convert_dataset(tmp_path / "old", tmp_path / str(bits), format="parquet", keep_bits=bits)
        .splits["train"][0]
        .bytes
        for bits in (23, 12, 7)
    ]
    assert sizes == sorted(sizes, reverse=True) and sizes[2] < 0.8 * sizes[0]


def test_workers_change_nothing(tmp_path):
    def backwards(function, items):
        return ((item, function(item)) for item in reversed(items))

    first = build(tmp_path / "first", keep_bits=5)
    assert build(tmp_path / "second", keep_bits=5, run=backwards) == first


def test_what_is_rounded_keeps_its_error(original, tmp_path):
    """Measured again it would be zero."""
    rounded = convert_dataset(original, tmp_path / "rounded", format="parquet", keep_bits=8)
    for keep_bits in (None, 8):
        out = tmp_path / str(keep_bits)
        again = convert_dataset(tmp_path / "rounded", out, format="hdf5", keep_bits=keep_bits)
        assert again.rounding == rounded.rounding
        assert hashes(again) == hashes(rounded)


@pytest.mark.parametrize("keep_bits", [7, 9])
def test_what_is_rounded_is_not_rounded_otherwise(original, tmp_path, keep_bits):
    manifest = convert_dataset(original, tmp_path / "rounded", format="parquet", keep_bits=8)
    with pytest.raises(BuildError, match="rounded to 8 bits already.*that is not rounded"):
        conversion_plan(manifest, "arrow", keep_bits=keep_bits)
    refused(
        BuildError, "would err twice", tmp_path / "rounded", tmp_path / "x", keep_bits=keep_bits
    )


@pytest.mark.parametrize("state", ["in progress", "damaged"])
@pytest.mark.parametrize("keep_bits", [None, 8])
def test_gaps_that_change_leave_nothing_of_before(tmp_path, keep_bits, state):
    """Statistics change with the training split, and observations of all splits with them."""
    out, gap = (
        tmp_path / "data",
        Gap("train", int(SMALL["times"]["train"][7].astype(int)), "example", "late"),
    )
    if state == "damaged":
        manifest = build(out, keep_bits=keep_bits)
        (out / manifest.splits["train"][0].path).unlink()
    else:
        plan = tiny_plan(**SMALL, keep_bits=keep_bits)

        def read(split, index):
            if split == "test":
                raise OSError(errno.EIO, "Input/output error")
            return TinyAtmosphere(plan).read(split, index)

        with pytest.raises(BuildError):
            build_dataset(out, plan, lambda work: Source(read))
    build(out, [gap], keep_bits=keep_bits)
    build(tmp_path / "wanted" / "data", [gap], keep_bits=keep_bits)
    load_data(out, full=True)
    wanted = Manifest.read(tmp_path / "wanted" / "data")
    assert Manifest.read(out) == wanted
