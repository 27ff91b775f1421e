"""Examples of a config are read alike from shards that have all columns and from older ones."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.stored_examples import StoredExamples
from dambench_hub.errors import DataError
from dambench_hub.storage.features import column_shapes, example_features
from dambench_hub.storage.manifest import FORMATS, Shard
from dambench_hub.storage.shards import write_shard

SHAPES = column_shapes(2, Grid(3, 4), 5, ("olr",))
OLDER = {name: shape for name, shape in SHAPES.items() if name != "background_olr"}


def example(index):
    rng = np.random.default_rng(index)
    values = {name: rng.normal(size=shape).astype("f4") for name, shape in OLDER.items()}
    points = np.arange(5, dtype="i4")
    return {**values, "time": np.datetime64(index, "h"), "observation_index": points}


@pytest.fixture(params=FORMATS)
def older(request, tmp_path):
    """Three examples in two shards that have no `background_olr`."""
    shards = []
    for path, hours in ("a", (0, 1)), ("b", (2,)):
        features = example_features(OLDER)
        write_shard(tmp_path / path, map(example, hours), len(hours), features, request.param)
        shards.append(Shard(path, hours, 0, "", ""))
    splits = {"train": tuple(shards)}
    return StoredExamples(tmp_path, request.param, splits, SHAPES, ["background_olr"])


def test_columns_that_older_shards_lack_are_nan(older):
    assert older.sizes == {"train": 3}
    for index in (0, 1, 2, -1):
        found = older.read("train", index)
        assert list(found) == list(SHAPES)
        assert np.isnan(found.pop("background_olr")).all()
        for name, value in example(index % 3).items():
            np.testing.assert_array_equal(found[name], value)


def test_filling_gives_what_reading_gives(older):
    names = ("background_olr", "olr", "reference")
    arrays = {name: np.zeros(SHAPES[name], "f4") for name in names}
    older.fill("train", 1, arrays)
    for name, value in older.read("train", 1, names).items():
        np.testing.assert_array_equal(arrays[name], value)


def test_what_is_not_there_is_named(older):
    with pytest.raises(DataError, match="no column 'ol'. Did you mean 'olr'"):
        older.read("train", 0, ["ol"])
    with pytest.raises(IndexError, match="train has 3 examples, there is no number 3"):
        older.read("train", 3)
