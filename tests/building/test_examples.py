"""Members of the background's ensemble: where the plan says, and as the source gave them."""

import shutil
from pathlib import Path

import datasets
import numpy as np
import pytest
from datasets import load_dataset

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.conversion import convert_dataset
from dambench_hub.building.examples import Source
from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import BuildError
from dambench_hub.observations import ObservationSettings
from dambench_hub.storage.manifest import FORMATS, Gap, Manifest
from dambench_hub.storage.rounding import round_mantissa
from dambench_hub.testing import TinyAtmosphere, tiny_plan, write_tiny_dataset


def days(start, count):
    return np.datetime64(start, "h") + 24 * np.arange(count)


SMALL = {
    "channels": ("z500", "t850"),
    "grid": Grid(3, 4),
    "times": {
        "train": days("2001-01-01", 3),
        "validation": days("2023-01-01", 2),
        "test": days("2024-01-01", 9),
    },
    "observations": ObservationSettings(density=0.5),
    "ensemble_size": 3,
    "ensemble_splits": ("validation", "test"),
}
COLUMNS = ["time", "background_members"] + [
    f"background_members_{name}" for name in ("precipitation", "olr")
]


def small_plan(**changes):
    return tiny_plan(**{**SMALL, **changes})


def build(out, read_members=None, **changes):
    world = TinyAtmosphere(small_plan(**changes))
    read_members = read_members or world.read_members
    return build_dataset(
        out, world.plan, lambda work: Source(world.read, read_members=read_members)
    )


@pytest.fixture(scope="module", params=FORMATS)
def data(request, tmp_path_factory):
    """Arrow shards are written again for other configs; members stand alone all the same."""
    folder = tmp_path_factory.mktemp(request.param) / "dambench"
    write_tiny_dataset(folder, format=request.param, **SMALL)
    return load_data(folder, full=True)


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


# What is in the data set


def test_members_are_those_of_the_source(data):
    world = TinyAtmosphere(small_plan())
    assert data.manifest.ensemble_size == 3
    assert data.manifest.ensemble_splits == ("validation", "test")
    for split in data.manifest.ensemble_splits:
        for index in range(data.size(split)):
            found = data.members(split, index)
            assert list(found) == COLUMNS
            assert found["background_members"].shape == (3, 2, 3, 4)
            assert found.pop("time") == data.times(split)[index]
            assert_same(found, world.read_members(split, index))


def test_stock_datasets_reads_them(data, tmp_path, monkeypatch):
    monkeypatch.chdir(data.folder.parent)
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    splits = load_dataset("dambench", "ensemble", cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in splits.items()} == {"validation": 2, "test": 9}
    options = {"split": "test", "streaming": True, "cache_dir": str(tmp_path / "cache")}
    stream = load_dataset("dambench", "ensemble", **options).with_format("numpy")
    for index, (row, streamed) in enumerate(
        zip(splits["test"].with_format("numpy"), stream, strict=True)
    ):
        wanted = data.members("test", index)
        for found in row, streamed:
            assert list(found) == COLUMNS
            assert found.pop("time").astype("M8[h]") == wanted["time"]
            assert all(values.dtype == np.float32 for values in found.values())
            assert_same(found, {name: wanted[name] for name in COLUMNS[1:]})


def test_the_default_config_is_as_without_an_ensemble(data, tmp_path):
    plain = write_tiny_dataset(
        tmp_path / "plain",
        format=data.manifest.format,
        **SMALL | {"ensemble_size": 0, "ensemble_splits": ()},
    )
    assert plain.splits == data.manifest.splits and "ensemble" not in plain.copies
    assert plain.revision != data.manifest.revision
    rows = load_dataset(str(data.folder), split="test", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == list(data.shapes)


def test_the_card_tells_of_it(data, tmp_path):
    text = (data.folder / "README.md").read_text("utf-8")
    assert '`load_dataset("dambench", "ensemble", split="test")` gives the 3 members' in text
    assert "`background_members` (3, 2, 3, 4), `background_members_precipitation` (3, 3, 4)" in text
    write_tiny_dataset(tmp_path / "plain")
    assert "members" not in (tmp_path / "plain" / "README.md").read_text("utf-8")


def test_one_example_is_one_row_group(tmp_path):
    import pyarrow.parquet as pq

    manifest = build(tmp_path)
    shards = manifest.copies["ensemble"]["test"]
    assert len(shards) == 8 and len(manifest.copies["ensemble"]["validation"]) == 1
    for shard in shards:
        file = pq.ParquetFile(tmp_path / shard.path)
        assert file.num_row_groups == len(shard.hours) == file.metadata.num_rows


# Sources and plans


def test_members_are_read_for_their_own_shards_only(tmp_path):
    """The training pass does not pay for them."""
    world, read = TinyAtmosphere(small_plan()), []

    def read_members(split, index):
        read.append((split, index))
        return world.read_members(split, index)

    build(tmp_path, read_members)
    assert sorted(read) == [*(("test", n) for n in range(9)), *(("validation", n) for n in (0, 1))]


def test_members_without_equivalents_have_nan(tmp_path):
    world = TinyAtmosphere(small_plan())
    build(
        tmp_path,
        lambda split, index: {
            "background_members": world.read_members(split, index)["background_members"]
        },
    )
    found = load_data(tmp_path).members("test", 4)
    assert np.isnan(found["background_members_olr"]).all()
    assert np.isfinite(found["background_members"]).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("background_members", np.zeros((2, 2, 3, 4)), r"must have shape \(3, 2, 3, 4\), .*gave"),
        ("background_members", np.full((3, 2, 3, 4), np.nan), "has values in z500 that are not"),
        (
            "background_members_olr",
            np.full((3, 3, 4), np.inf),
            "olr has values that are not finite",
        ),
    ],
)
def test_what_a_source_gives_wrong_is_named(tmp_path, name, value, message):
    world = TinyAtmosphere(small_plan())

    def read_members(split, index):
        return {**world.read_members(split, index), **({name: value} if index else {})}

    with pytest.raises(BuildError, match=f"validation 2023-01-02T00: {name}|{message}") as caught:
        build(tmp_path / "data", read_members)
    assert "validation 2023-01-02T00" in str(caught.value) and name in str(caught.value)
    build(tmp_path / "data")  # with the source mended
    load_data(tmp_path / "data", full=True)


def test_a_source_without_members_is_told_at_once(tmp_path):
    def never(split, index):
        raise AssertionError("the source was read")

    with pytest.raises(BuildError, match="wants 3 members in validation, test, and the source"):
        build_dataset(tmp_path / "data", small_plan(), lambda work: Source(never))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensemble_size": 1}, "two members at least"),
        ({"ensemble_size": 0}, "two members at least, and splits; got ensemble_size 0"),
        ({"ensemble_splits": ()}, r"ensemble_splits \(\)"),
        (
            {"ensemble_splits": ("tset",)},
            "no split 'tset' to have .* Did you mean 'test'",
        ),
    ],
)
def test_a_wrong_plan_is_refused(changes, message):
    with pytest.raises(BuildError, match=message):
        small_plan(**changes)


def test_gaps_are_left_out_of_members_too(tmp_path):
    world = TinyAtmosphere(small_plan())
    first = int(world.plan.times["test"][0].astype(int))
    gaps = (Gap("test", first, "example", "no forecast"),)
    build_dataset(
        tmp_path, world.plan, lambda work: Source(world.read, gaps, read_members=world.read_members)
    )
    data = load_data(tmp_path)
    assert data.size("test") == 8
    found, wanted = data.members("test", 0), world.read_members("test", 1)
    np.testing.assert_array_equal(found["background_members"], wanted["background_members"])
    assert found["time"] == data.example("test", 0)["time"]


def test_a_damaged_shard_of_members_is_found_and_mended(tmp_path):
    manifest = build(tmp_path)
    path = tmp_path / manifest.copies["ensemble"]["test"][2].path
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert path.name in manifest.damage(tmp_path, full=True)[0]
    assert build(tmp_path) == manifest
    assert manifest.damage(tmp_path, full=True) == []


# Converted


@pytest.mark.parametrize("step", [1, 2])
def test_a_conversion_keeps_them(data, tmp_path, step):
    format = FORMATS[FORMATS.index(data.manifest.format) - step]
    new = convert_dataset(data.folder, tmp_path, format=format)
    assert new.ensemble_size == 3 and new.ensemble_splits == ("validation", "test")
    assert [s.content_sha256 for s in new.copies["ensemble"]["test"]] == [
        s.content_sha256 for s in data.manifest.copies["ensemble"]["test"]
    ]
    assert_same(load_data(tmp_path, full=True).members("test", 3), data.members("test", 3))


def test_members_are_rounded_as_backgrounds_are(tmp_path):
    build(tmp_path / "old")
    manifest = convert_dataset(tmp_path / "old", tmp_path / "new", format="arrow", keep_bits=6)
    old, new = load_data(tmp_path / "old"), load_data(tmp_path / "new")
    there, here = old.members("test", 1), new.members("test", 1)
    there["background_members"] = round_mantissa(there["background_members"], 6)
    assert_same(here, there)
    again = convert_dataset(tmp_path / "new", tmp_path / "again", format="parquet")
    assert again.rounding == manifest.rounding
    assert_same(load_data(tmp_path / "again").members("test", 1), there)


def test_another_ensemble_is_another_plan(tmp_path):
    build(tmp_path)
    with pytest.raises(BuildError, match="other settings: .*ensemble_size"):
        build(tmp_path, ensemble_size=4)
    shutil.rmtree(tmp_path / "ensemble")
    assert all("ensemble" in line for line in Manifest.read(tmp_path).damage(Path(tmp_path)))
