"""Stock `datasets` reads the tables of observations, and the card says what is in them."""

import datasets
import numpy as np
import pytest
import yaml
from datasets import get_dataset_config_names, load_dataset

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.dataset import load_data
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.table import SCHEMA, ObservationTable
from dambench_hub.observations.window import Window
from dambench_hub.storage.report_shards import ReportReader
from dambench_hub.storage.reports import COLUMNS
from dambench_hub.testing import tiny_plan, write_tiny_dataset

FIELDS = {
    "channels": ("t2m", "z500"),
    "grid": Grid(3, 4),
    "times": {
        "train": np.datetime64("2001-01-01", "h") + 24 * np.arange(4),
        "test": np.datetime64("2024-01-01", "h") + 24 * np.arange(3),
    },
    "modalities": (),
    "reports_window": Window(-6, 0.5),
}
SOURCE = {**tiny_plan().source, "statistics": "those of a tiny training split"}
ALONE = {
    **FIELDS,
    "times": {"test": FIELDS["times"]["test"]},
    "reference_is_reports": True,
    "observations": ObservationSettings(),
    "source": SOURCE,
}


@pytest.fixture(scope="module", params=[FIELDS, ALONE], ids=["fields", "alone"])
def data(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "dambench"
    write_tiny_dataset(folder, **request.param)
    return load_data(folder)


@pytest.fixture
def load(data, tmp_path, monkeypatch):
    """`load_dataset("dambench", …)` as a user writes it."""
    monkeypatch.chdir(data.folder.parent)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return lambda *names, **options: load_dataset("dambench", *names, **options)


def card(data):
    _, front, text = (data.folder / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


def stored(data, split):
    return ReportReader(data.folder, data.manifest.reports.splits[split]).table()


@pytest.mark.parametrize("streaming", [False, True])
def test_every_split_loads(data, load, streaming):
    loaded = load("reports", streaming=streaming)
    assert list(loaded) == list(data.manifest.splits)
    for split, rows in loaded.items():
        assert rows.column_names == SCHEMA.names
        frame = stored(data, split).to_pandas()
        found = list(rows)
        assert len(found) == len(frame)
        for name in ("time", "value", "station", "quality", "withheld"):
            assert [row[name] for row in found] == frame[name].tolist()


def test_a_table_can_be_made_of_what_was_loaded(data, load):
    frame = load("reports", split="test").to_pandas()
    table, wanted = ObservationTable.from_pandas(frame), stored(data, "test")
    np.testing.assert_array_equal(table.time, wanted.time)
    np.testing.assert_array_equal(table.labels("station"), wanted.labels("station"))
    np.testing.assert_array_equal(table.value, wanted.value)


def test_sizes_are_known_without_loading(data):
    front, _ = card(data)
    info = next(i for i in front["dataset_info"] if i["config_name"] == "reports")
    sizes = {split["name"]: split["num_examples"] for split in info["splits"]}
    assert sizes == {split: len(stored(data, split)) for split in data.manifest.splits}
    assert info["download_size"] == sum(s.bytes for s in data.manifest.report_shards())
    assert info["dataset_size"] > 0
    assert [feature["name"] for feature in info["features"]] == SCHEMA.names


def test_the_other_configs_load_as_before(data, load):
    columns = load(split="test").column_names
    assert columns == list(data.shapes)
    alone = data.manifest.reference_is_reports
    assert ("reference" in columns) != alone
    configs = get_dataset_config_names(str(data.folder))
    assert ("reanalysis" in configs) != alone and {"background", "preview"} < set(configs)
    assert ("observations" in load("preview", split="test").column_names) != alone


def test_the_first_code_block_runs(data, load):
    _, text = card(data)
    code = text.split("```python")[1].split("```")[0]
    exec(code, names := {})
    assert names["data"][0]["background"].shape == (2, 3, 4)
    assert "($" not in text and "# (2, 3, 4)" in code


def test_the_card_says_what_is_in_the_tables(data):
    _, text = card(data)
    reports = data.manifest.reports
    for name in SCHEMA.names:
        assert f"| `{name}` | " in text and COLUMNS[name] in text
    for found, rows in reports.counts.items():
        assert f"| {found} | {rows:,} | " in text
    assert 'load_dataset("dambench", "reports", split="test")' in text
    assert "window (-6 h, 0.5 h] around it" in text
    assert f"{reports.withheld_share:.1%} are withheld" in text
    assert "$" not in text


def test_the_card_says_where_statistics_are_from(data):
    _, text = card(data)
    alone = data.manifest.reference_is_reports
    assert ("were given: those of a tiny training split." in text) == alone
    assert ("all from the training split" in text) != alone
    assert ("Network `column`" in text) != alone and ("`observation_index`" in text) != alone


@pytest.mark.parametrize("format", ["arrow", "hdf5"])
def test_other_formats_load_them_by_path(tmp_path, monkeypatch, format):
    write_tiny_dataset(tmp_path / "dambench", format=format, **FIELDS)
    assert "reports" not in get_dataset_config_names(str(tmp_path / "dambench"))
    text = (tmp_path / "dambench/README.md").read_text("utf-8")
    call = text.split("## Reports")[1].split("`")[1]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = eval(call, {"load_dataset": load_dataset})["train"]
    assert len(rows) == len(stored(load_data(tmp_path / "dambench"), "test"))


def test_without_tables_the_card_has_no_word_of_them(tiny_folder):
    assert "eports" not in (tiny_folder / "README.md").read_text("utf-8")
