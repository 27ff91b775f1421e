"""A canonical world as a data set: the same revision everywhere, and no model to make it."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.conversion import convert_dataset
from dambench_hub.building.osse import archive
from dambench_hub.building.osse.build import build_world
from dambench_hub.building.osse.canonical import index as index_file
from dambench_hub.building.osse.canonical.index import shipped as worlds
from dambench_hub.building.osse.dataset import canonical_revisions, open_world, plan, world_of
from dambench_hub.building.osse.world import World
from dambench_hub.cli import main as dambench
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import BuildError, DataError
from dambench_hub.observations import ObservationSettings
from dambench_hub.storage.manifest import MANIFEST, Manifest
from dambench_hub.storage.revision import CANONICAL
from dambench_hub.tasks.benchmark import current_version

TINY = World("tiny", 0)


def build(out, observations=None, **options):
    wanted = plan(TINY, observations or ObservationSettings(), **options)
    return build_dataset(out, wanted, partial(open_world, TINY, 1))


@pytest.fixture
def folder(installed, tmp_path):
    build(tmp_path / "dambench")
    return tmp_path / "dambench"


def test_the_revision_is_known_before_anything_is_expanded(folder, installed):
    manifest = Manifest.read(folder)
    assert manifest.revision == canonical_revisions(installed)["tiny"]
    assert manifest.name == "osse-tiny"
    assert len(set(canonical_revisions(installed).values())) == 3


def test_rounding_of_another_processor_changes_hashes_but_no_revision(
    folder, installed, tmp_path, monkeypatch
):
    read = archive.Archive.read

    def otherwise(self, split, index):
        fields = read(self, split, index)
        return fields | {"reference": np.nextafter(fields["reference"], np.float32(np.inf))}

    monkeypatch.setattr(archive.Archive, "read", otherwise)
    other, manifest = build(tmp_path / "other"), Manifest.read(folder)
    assert other.statistics_sha256 != manifest.statistics_sha256
    assert other.content_revision != manifest.content_revision
    assert other.revision == manifest.revision


def test_format_and_ensemble_do_not_count_and_settings_do(folder, installed, tmp_path):
    revision = Manifest.read(folder).revision
    arrow = convert_dataset(folder, tmp_path / "arrow", format="arrow")
    assert arrow.revision == revision
    others = [
        build(tmp_path / f"other{n}", observations).revision
        for n, observations in enumerate(
            (ObservationSettings(density=0.1), ObservationSettings(seed=1))
        )
    ]
    rounded = convert_dataset(folder, tmp_path / "rounded", format="parquet", keep_bits=8)
    assert len({revision, rounded.revision, *others}) == 4


def test_another_expansion_is_another_revision(installed, monkeypatch):
    before = canonical_revisions(installed)
    monkeypatch.setattr("dambench_hub.building.osse.dataset.EXPANSION", 1000)
    after = canonical_revisions(installed)
    assert not set(before.values()) & set(after.values())
    assert set(canonical_revisions(replace(installed, sha256="0" * 64)).values()).isdisjoint(
        after.values()
    )


def test_a_folder_of_another_version_says_so_and_is_read(folder, installed, monkeypatch):
    other = replace(installed, sha256="1" * 64)
    monkeypatch.setattr("dambench_hub.building.osse.dataset.canonical_index", lambda world: other)
    with pytest.raises(BuildError, match="of another version of dambench-hub.*or --fresh"):
        build(folder)
    assert load_data(folder).revision == canonical_revisions(installed)["tiny"]
    assert build_world(TINY, folder, fresh=True).revision == canonical_revisions(other)["tiny"]


@pytest.mark.parametrize("where", ["shard", "canonical", "revision"])
def test_a_manifest_changed_by_hand_is_refused(folder, where):
    raw = json.loads((folder / MANIFEST).read_text())
    if where == "shard":
        raw["splits"]["test"]["shards"][0]["sha256"] = "0" * 64
    elif where == "canonical":
        raw["source"]["canonical"]["index_sha256"] = "0" * 64
    else:
        raw["revision"] = raw["evaluation_revision"] = "0" * 16
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(DataError, match="changed by hand"):
        Manifest.read(folder)


def test_members_and_equivalents_are_those_of_the_states(folder, tmp_path):
    with_members = build(tmp_path / "ensemble", ensemble=True)
    assert with_members.revision == Manifest.read(folder).revision
    data = load_data(tmp_path / "ensemble")
    members = data.members("validation", 1)["background_members"]
    assert members.shape == (3, 69, 17, 32)
    example = data.example("validation", 1)
    assert np.isfinite(example["background_olr"]).all()
    spread = members.std(axis=0, ddof=1)
    assert 0.3 < np.abs(members.mean(axis=0) - example["background"]).mean() / spread.mean() < 1
    assert with_members.ensemble_splits == ("validation", "test")
    assert load_data(folder).manifest.ensemble_splits == ()


def test_the_command_needs_nothing_but_the_package(installed, tmp_path):
    """What extras bring cannot be imported, and is not asked for."""
    script = f"""
import sys
from pathlib import Path
extras = ("jax", "jcm", "dinosaur", "torch", "global_land_mask", "xarray_regrid")
sys.modules |= dict.fromkeys(extras)
from dambench_hub.building.osse.canonical import index
index.FOLDER = Path({str(installed.folder.parent)!r})
from dambench_hub.cli import main
main(["build", "tiny", "--out", {str(tmp_path / "out")!r}])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    manifest = Manifest.read(tmp_path / "out")
    assert run.stdout == f"{tmp_path / 'out'}: osse-tiny, revision {manifest.revision}\n"
    assert manifest.revision == canonical_revisions(installed)["tiny"]


def test_options_of_the_command_are_settings_and_its_record(installed, tmp_path, capsys):
    options = ["--ensemble", "--format", "arrow", "--configs", "unimodal,stations"]
    options += ["--network", "stations", "--density", "0.1", "--error-scale", "0.5"]
    with pytest.raises(SystemExit) as exit_info:
        dambench(["build", "tiny", "--out", str(tmp_path / "out"), *options])
    assert exit_info.value.code == 0, capsys.readouterr().err
    manifest = Manifest.read(tmp_path / "out")
    assert manifest.observations == ObservationSettings("stations", 0.1, 0.5)
    assert set(manifest.copies) == {"unimodal", "stations", "ensemble"}
    assert manifest.source["command"] == (
        "dambench build tiny --network stations --density 0.1 --error-scale 0.5 --out dambench"
    )


def test_what_must_be_simulated_says_what_to_install(installed, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("dambench_hub.building.osse.dataset.version", missing)
    with pytest.raises(BuildError, match=r'pip install "dambench-hub\[simulate\]"'):
        plan(World("mini", 1), ObservationSettings())


def test_other_seeds_say_so_in_their_name():
    pytest.importorskip("jcm")
    assert plan(World("mini", 3), ObservationSettings()).name == "osse-mini-seed3"


def test_other_soundings_are_another_world(installed):
    pytest.importorskip("jcm")
    usual, few = (plan(world_of("tiny", 0, None, n), ObservationSettings()) for n in (1.0, 0.3))
    assert CANONICAL in usual.source and CANONICAL not in few.source
    assert few.name == "osse-tiny-soundings0.3"
    assert few.source["settings"]["soundings"] == 0.3
    assert few.source["command"] == "dambench build tiny --soundings 0.3 --out dambench"
    assert "soundings" not in plan(World("tiny", 1), ObservationSettings()).source["settings"]


def test_the_revisions_are_those_that_the_benchmark_states():
    found = {name: one for index in worlds() for name, one in canonical_revisions(index).items()}
    built_of_files = {"synop-europe"}  # see tests/builders/test_synop.py
    stated = current_version().worlds
    assert found == {name: stated[name] for name in stated.keys() - built_of_files}


def test_what_is_shipped_is_small():
    for index in worlds():
        assert sum(path.stat().st_size for path in index.folder.iterdir()) < 80e6


def test_without_shipped_files_no_world_is_canonical(tmp_path, monkeypatch):
    monkeypatch.setattr(index_file, "FOLDER", tmp_path)
    assert list(worlds()) == []
    assert index_file.canonical_index(TINY) is None
