"""Stock `datasets` reads every config of every format, from the folder above and without us."""

import json
import shutil

import datasets
import numpy as np
import pytest
import yaml
from datasets import get_dataset_config_names, load_dataset, load_dataset_builder
from torch.utils.data import DataLoader

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.dataset import load_data
from dambench_hub.observations import ObservationSettings
from dambench_hub.storage.features import CONFIGS, config_columns
from dambench_hub.testing import write_tiny_dataset

FORMATS = ("parquet", "arrow", "hdf5")
SMALL = {
    "channels": ("z500", "t850", "msl"),
    "grid": Grid(5, 8),
    "times": {
        "train": np.datetime64("2001-01-01", "h") + 24 * np.arange(9),
        "validation": np.datetime64("2023-01-01", "h") + 24 * np.arange(2),
        "test": np.datetime64("2024-01-01T12", "h") + 24 * np.arange(6),
    },
}


@pytest.fixture(scope="module", params=FORMATS)
def data(request, tmp_path_factory):
    """Arrow has no column selection, so there the configs are asked for."""
    folder = tmp_path_factory.mktemp(request.param) / "dambench"
    configs = tuple(CONFIGS) if request.param == "arrow" else ()
    write_tiny_dataset(folder, format=request.param, configs=configs, **SMALL)
    return load_data(folder)


@pytest.fixture
def load(data, tmp_path, monkeypatch):
    """`load_dataset("dambench", …)` as a user writes it."""
    monkeypatch.chdir(data.folder.parent)
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))

    def load(config=None, **options):
        return load_dataset("dambench", config, cache_dir=str(tmp_path / "cache"), **options)

    return load


def front_matter(folder):
    _, front, text = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def assert_same(row, example):
    assert row["time"].astype("M8[h]") == example["time"]
    for name in set(row) - {"time"}:
        if name != "observation_index":  # the numpy format widens integers
            assert row[name].dtype == np.float32, name
        np.testing.assert_array_equal(row[name], example[name])


SIZES = {"train": 9, "validation": 2, "test": 6}


@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_loads(data, load, config):
    splits = load(config)
    assert {name: len(split) for name, split in splits.items()} == SIZES
    for name, split in splits.items():
        assert tuple(split.column_names) == CONFIGS[config]
        rows = split.with_format("numpy")
        for index in (0, len(rows) - 1):
            assert_same(rows[index], data.example(name, index))


@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_streams(data, load, config):
    stream = load(config, split="test", streaming=True).with_format("numpy")
    count = 0
    for count, row in enumerate(stream, 1):
        assert set(row) == set(CONFIGS[config])
        assert_same(row, data.example("test", count - 1))
    assert count == 6


def test_the_preview_is_coarse_and_readable(tmp_path):
    """Two splits of 30 and 1 times on 61×120 points: 24 and 1 rows on 31×60, far below 2 MB."""
    days = np.datetime64("2001-01-01", "h") + 24 * np.arange(31)
    times = {"train": days[:30], "test": days[30:]}
    channels = ("u50", "z500", "v50", "t850")
    write_tiny_dataset(tmp_path / "data", channels=channels, grid=Grid(61, 120), times=times)
    folder, data = str(tmp_path / "data"), load_data(tmp_path / "data")
    splits = load_dataset(folder, "preview", cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in splits.items()} == {"train": 24, "test": 1}
    stream = load_dataset(folder, "preview", split="train", streaming=True)
    first = data.example("train", 0)
    for row in splits["train"][0], next(iter(stream)):
        assert row["time"] == "2001-01-01T00:00Z"
        assert len(json.dumps(row)) < 1_000_000
        assert np.shape(row["background"]) == np.shape(row["observations"]) == (2, 31, 60)
        wanted = first["background"][1, 2:4, 4:6].mean()
        assert row["background"][0][1][2] == pytest.approx(wanted, rel=1e-6)
    _, text = front_matter(tmp_path / "data")
    assert "`z500`, `t850` as means over 2 × 2 points" in text


def loaders(load, split, format):
    """A user's first lines: an example, a stream of them, and batches of a loader."""
    rows, stream = load(split=split), load(split=split, streaming=True)
    yield rows.with_format(format)[0]
    yield next(iter(stream.with_format(format)))
    if format != "jax":
        for source in rows, stream:
            batch = next(iter(DataLoader(source.with_format(format), batch_size=2)))
            assert all(len(values) == 2 for values in batch.values())
            yield {name: values[0] for name, values in batch.items()}


@pytest.mark.parametrize("format", ["torch", "jax", "numpy"])
def test_every_library_gets_its_arrays(data, load, format):
    if format == "jax":
        pytest.importorskip("jax")
    example = data.example("train", 0)
    for row in loaders(load, "train", format):
        assert tuple(row) == CONFIGS["multimodal"]
        assert int(row["time"]) == hours_since_epoch(example["time"])
        assert_same({name: np.asarray(value) for name, value in row.items()}, example)


def test_multimodal_is_the_default(load):
    assert load(split="test").column_names == list(CONFIGS["multimodal"])


def test_configs_and_sizes_are_known_without_loading(data, tmp_path):
    folder = str(data.folder)
    preview = {"preview"} if data.manifest.format == "parquet" else set()
    assert set(get_dataset_config_names(folder)) == {*CONFIGS, *preview}
    front, _ = front_matter(data.folder)
    for entry in front["dataset_info"]:
        builder = load_dataset_builder(folder, entry["config_name"], cache_dir=str(tmp_path))
        sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
        assert sizes == SIZES


def test_the_three_lines_make_observations_dense(data, load):
    _, text = front_matter(data.folder)
    code = next(block for block in code_blocks(text) if "dense" in block)
    example = load("multimodal", split="test").with_format("numpy")[1]
    names = {"example": example}
    exec(code, names)
    batch = next(data.batches("unimodal", indices=[1]))
    np.testing.assert_array_equal(names["dense"], batch.observations[0])


def code_blocks(text):
    return [block.split("```")[0] for block in text.split("```python")[1:]]


def test_the_first_code_blocks_run(data, load, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    _, text = front_matter(data.folder)
    code, training, *_ = code_blocks(text)
    names = {}
    exec(code, names)
    assert 'with_format("torch")' in training
    exec(training, names)
    assert names["batch"]["background"].shape == (2, 3, 5, 8)  # the rest of 6
    shape = tuple(int(x) for x in code.split("# (")[1].split(")")[0].split(","))
    assert names["example"]["background"].shape == shape == (3, 5, 8)


def test_the_card_says_what_it_is(data):
    front, text = front_matter(data.folder)
    assert front["license"] == "cc0-1.0"
    assert front["size_categories"] == ["n<1K"]
    defaults = [entry["config_name"] for entry in front["configs"] if entry.get("default")]
    assert defaults == ["multimodal"]
    for words in (
        data.revision,
        "Made by dambench_hub.testing.",
        "| train | 9 | 2001-01-01T00 | 2001-01-09T00 |",
        "3 channels: `z500`, `t850`, `msl`",
        "a Gaussian error of 0.25 × the background error's",
        "alignment `nominal`",
        "whole hours since 1970-01-01 00:00 UTC",
    ):
        assert words in text
    assert "$" not in text.replace("`$", "")
    assert (data.folder / "README.md").stat().st_size < 40_000


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("modalities", [(), ("olr",)])
def test_fewer_modalities(tmp_path, format, modalities):
    folder = tmp_path / "data"
    observations = ObservationSettings("stations", 0.1, error_scale=0)
    write_tiny_dataset(
        folder, format=format, modalities=modalities, observations=observations, **SMALL
    )
    configs = config_columns(modalities)
    names = set(get_dataset_config_names(str(folder)))
    preview = {"preview"} if format == "parquet" else set()
    assert names == ({"multimodal"} if format == "arrow" else {*configs, *preview})
    for config in sorted(names - {"preview"}):
        rows = load_dataset(str(folder), config, split="test", cache_dir=str(tmp_path / "cache"))
        assert rows.column_names == list(configs[config])
    _, text = front_matter(folder)
    assert "no error" in text and "Network `stations`" in text
    assert ("has no modalities" in text) == (not modalities)


def test_a_text_with_yaml_and_template_signs_survives(tmp_path):
    source = {
        "title": "50 % off: a \"title\" with 'quotes' # and $name",
        "description": "---\n$title {x}",
        "licence": "other",
        "attribution": "© Ärzte: a, b",
        "settings": {"seed": 0},
    }
    write_tiny_dataset(tmp_path / "data", source=source, **SMALL)
    front, text = front_matter(tmp_path / "data")
    assert front["pretty_name"] == source["title"]
    assert source["description"] in text and source["attribution"] in text
    load_dataset(str(tmp_path / "data"), split="test", cache_dir=str(tmp_path / "cache"))


def test_the_folder_can_be_renamed(data, tmp_path):
    folder = shutil.copytree(data.folder, tmp_path / "elsewhere")
    rows = load_dataset(str(folder), "unimodal", split="test", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == 6
