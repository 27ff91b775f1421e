"""The manifest says what is there; whatever is not as it says is named."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import DataError, TaskError
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.storage.manifest import Gap, Manifest, Shard
from dambench_hub.storage.report_shards import write_report_shards
from dambench_hub.storage.reports import Reports, ReportShard
from dambench_hub.storage.rounding import Rounding
from dambench_hub.testing import tiny_reports, write_tiny_dataset

SMALL = {
    "channels": ("z500", "t850"),
    "grid": Grid(3, 4),
    "times": {
        "train": np.datetime64("2001-01-01", "h") + 24 * np.arange(2),
        "test": np.datetime64("2024-01-01", "h") + 24 * np.arange(2),
    },
    "observations": ObservationSettings(density=0.5),
}


@pytest.fixture(scope="module", params=["parquet", "arrow", "hdf5"])
def small(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / request.param
    configs = ("background",) if request.param == "arrow" else ()
    write_tiny_dataset(folder, format=request.param, configs=configs, **SMALL)
    return folder


@pytest.fixture
def copy(small, tmp_path):
    return shutil.copytree(small, tmp_path / "copy")


REPORT_SHARD = ReportShard("x", 1, "2024-01-01T00:00:00.000", "2024-01-01T00:00:00.000", 2, "0")
REPORTS = Reports(Window(), {"test": (REPORT_SHARD,)}, {"good": 1}, 0)


def with_reports(folder, **changes):
    """The manifest of a copy of a data set that got tables of observations, two files a split."""
    manifest = Manifest.read(folder)
    tables = {split: tiny_reports(manifest.times(split)) for split in manifest.splits}
    shards = {
        split: write_report_shards(folder, split, table, rows_per_shard=len(table) // 2)
        for split, table in tables.items()
    }
    counts = {"good": 200, "background": 40}
    reports = Reports(Window(-3, 0.5), shards, counts, withheld=50, **changes)
    manifest = dataclasses.replace(manifest, reports=reports, format_version=4)
    manifest.write(folder)
    return manifest


def test_round_trip(tiny_folder, tmp_path):
    manifest = Manifest.read(tiny_folder)
    assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert (tmp_path / "manifest.json").read_bytes() == (tiny_folder / "manifest.json").read_bytes()


def test_it_tells_splits_and_times(tiny_data):
    manifest = tiny_data.manifest
    assert [len(manifest.times(split)) for split in manifest.splits] == [8, 4, 5]
    assert manifest.times("test")[0] == np.datetime64("2024-02-27")
    assert manifest.hours("test")[1] - manifest.hours("test")[0] == 24
    with pytest.raises(TaskError, match="no split 'tset'. Did you mean 'test'"):
        manifest.shards("tset")


def changed_fields(manifest):
    """Each field of the manifest with another value."""
    shard = manifest.splits["test"][0]
    for change in (
        {"path": "x"},
        {"hours": (0,)},
        {"bytes": 1},
        {"sha256": "0"},
        {"content_sha256": "0"},
    ):
        other = dataclasses.replace(shard, **change)
        yield {"splits": {**manifest.splits, "test": (other, *manifest.splits["test"][1:])}}
    yield {"splits": {"train": manifest.splits["train"]}}
    yield {"copies": {}}
    yield {"name": "x"}
    yield {"channels": ("t2m", "msl", "z500", "q700", "t500")}
    yield {"channels": manifest.channels[::-1]}
    yield {"grid": Grid(9, 17)}
    yield {"modalities": ("olr",)}
    yield {"lead_hours": 12}
    yield {"alignment": "strict"}
    yield {"observations": dataclasses.replace(manifest.observations, seed=1)}
    yield {"observation_error_std": (*manifest.observation_error_std[:-1], 1.0)}
    yield {"format": "arrow"}
    yield {"format_version": 2}
    yield {"source": {**manifest.source, "settings": {"seed": 1}}}
    yield {"statistics_sha256": "0"}
    yield {"geography_sha256": "0"}
    yield {"ensemble_size": 20}
    for gap in (Gap("test", 0, "example", "no t2m"), Gap("test", 0, "olr", "no t2m")):
        yield {"gaps": (gap,)}
    rounding = Rounding(7, 0.5**8, (0.01, 0.02))
    for changed in ({}, {"keep_bits": 8}, {"max_relative_error": 0.0}):
        yield {"rounding": dataclasses.replace(rounding, **changed)}
    yield {"rounding": dataclasses.replace(rounding, rms_in_background_error_std=(0.01, 0.03))}
    yield {"reports": REPORTS}
    for changed in (
        {"window": Window(-6, 0)},
        {"splits": {"train": (REPORT_SHARD,)}},
        {"splits": {"test": (dataclasses.replace(REPORT_SHARD, sha256="1"),)}},
        {"counts": {"good": 1, "gross": 0}},
        {"withheld": 1},
        {"are_reference": True},
    ):
        yield {"reports": dataclasses.replace(REPORTS, **changed)}


def test_the_revision_changes_with_any_content(tiny_data):
    manifest = tiny_data.manifest
    changes = list(changed_fields(manifest))
    revisions = {dataclasses.replace(manifest, **change).revision for change in changes}
    assert len(revisions | {manifest.revision}) == len(changes) + 1
    names = {name for change in changes for name in change}
    assert names == {field.name for field in dataclasses.fields(Manifest)}
    assert {f.name for f in dataclasses.fields(Shard)} == set(
        json.loads(json.dumps(manifest.to_dict()))["splits"]["test"]["shards"][0]
    )


def leaves(value, path=()):
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for i, below in enumerate(value):
            yield from leaves(below, (*path, i))
    else:
        yield path


def test_every_change_by_hand_is_detected(small):
    raw = json.loads((small / "manifest.json").read_text())
    for path in leaves(raw):
        copy = json.loads(json.dumps(raw))
        *above, last = path
        place = copy
        for key in above:
            place = place[key]
        old = place[last]
        place[last] = old + 1 if isinstance(old, int | float) else f"{old}x"
        with pytest.raises(DataError):
            Manifest.from_dict(copy)
        del place[last]
        with pytest.raises(DataError):
            Manifest.from_dict(copy)
    with pytest.raises(DataError, match="changed by hand"):
        Manifest.from_dict({**raw, "more": 1})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("\xff", "cannot be read"),
        ("[]", "not a manifest"),
        ("{}", "format version None, this package reads up to 4"),
        ('{"format_version": 5}', "format version 5, this package reads up to 4"),
        ('{"format_version": 1}', "incomplete or damaged"),
        ('{"format_version": 3}', "incomplete or damaged"),
        ('{"format_version": 4}', "incomplete or damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "manifest.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        Manifest.read(tmp_path)


def test_absence_has_a_reason(tmp_path):
    with pytest.raises(DataError, match="No data set in .*build one: dambench build mini"):
        Manifest.read(tmp_path)
    (tmp_path / ".build").mkdir()
    with pytest.raises(DataError, match="has not finished: run the same build command again"):
        Manifest.read(tmp_path)


def data_files(folder):
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "README.md"]


def test_the_manifest_names_every_file(small):
    manifest = Manifest.read(small)
    named = {shard.path for shard in manifest.all_shards()}
    there = {p.relative_to(small).as_posix() for p in data_files(small)}
    assert there == named | {"manifest.json", "statistics.safetensors"}
    assert manifest.damage(small) == manifest.damage(small, full=True) == []


def test_one_flipped_bit_in_any_file_is_named(copy, rng):
    manifest = Manifest.read(copy)
    for path in data_files(copy):
        content = path.read_bytes()
        at = int(rng.integers(len(content)))
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        if path.name != "manifest.json":
            (damage,) = manifest.damage(copy, full=True)
            assert str(path) in damage and "damaged" in damage
            with pytest.raises(DataError, match=path.name):
                load_data(copy, full=True)
        path.write_bytes(content)
    assert load_data(copy, full=True).manifest == manifest


@pytest.mark.parametrize("change", ["missing", "shorter", "longer"])
def test_the_fast_check_notices_missing_and_shortened_files(copy, change):
    manifest = Manifest.read(copy)
    for path in data_files(copy):
        if path.name == "manifest.json":
            continue
        content = path.read_bytes()
        path.unlink()
        if change != "missing":
            path.write_bytes(content[:-1] if change == "shorter" else content + b"\0")
        (damage,) = manifest.damage(copy)
        assert str(path) in damage
        with pytest.raises(DataError) as caught:
            load_data(copy)
        assert str(path) in str(caught.value) and "again" in str(caught.value)
        path.write_bytes(content)


# With tables of observations


def test_reports_survive_the_file(copy):
    manifest = with_reports(copy)
    read = Manifest.read(copy)
    assert read == manifest and read.revision == manifest.revision
    assert read.reports.withheld_share == 0.25
    assert not read.reference_is_reports
    raw = json.loads((copy / "manifest.json").read_text())
    assert raw["reports"]["splits"]["test"]["rows"] == 120 and raw["format_version"] == 4
    assert raw["observations"]["points"] == 6


def test_without_reports_the_manifest_has_no_word_of_them(small):
    text = (small / "manifest.json").read_text()
    assert "report" not in text and json.loads(text)["format_version"] == 3


def test_reports_as_reference_take_the_place_of_stored_observations(copy):
    with_reports(copy)
    manifest = dataclasses.replace(
        Manifest.read(copy),
        observations=ObservationSettings(),
        observation_error_std=(),
        reports=dataclasses.replace(Manifest.read(copy).reports, are_reference=True),
    )
    manifest.write(copy)
    read = Manifest.read(copy)
    assert read == manifest and read.reference_is_reports
    assert json.loads((copy / "manifest.json").read_text())["observations"] is None


def test_files_of_reports_are_checked_as_all_others(copy):
    manifest = with_reports(copy)
    assert manifest.damage(copy, full=True) == []
    paths = [copy / shard.path for shard in manifest.report_shards()]
    assert len(paths) == 4
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(content[:60] + bytes([content[60] ^ 4]) + content[61:])
        assert manifest.damage(copy) == []
        (damage,) = manifest.damage(copy, full=True)
        assert str(path) in damage
        path.write_bytes(content[:-1])
        (damage,) = manifest.damage(copy)
        assert str(path) in damage
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window_hours": [0, -3]}, "A window starts before it ends"),
        ({"window_hours": None}, "incomplete or damaged"),
        ({"splits": {"test": {}}}, "incomplete or damaged"),
        ({"counts": {"good": 2}}, "changed by hand"),
    ],
)
def test_wrong_entries_of_reports_are_refused(copy, change, message):
    raw = with_reports(copy).to_dict()
    with pytest.raises(DataError, match=message):
        Manifest.from_dict({**raw, "reports": {**raw["reports"], **change}})


def test_several_damaged_files_are_counted(copy):
    for path in (copy / "multimodal").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"is missing. \(1 more"):
        load_data(copy)
