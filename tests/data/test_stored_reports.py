"""Tables of observations in a data set: each analysis gets its window, and nothing withheld."""

import dataclasses
import pickle
import shutil

import numpy as np
import pytest

from dambench_hub.data.dataset import load_data
from dambench_hub.errors import DataError, TaskError
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import concatenate
from dambench_hub.observations.window import Window
from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.report_shards import write_report_shards
from dambench_hub.storage.reports import Reports
from dambench_hub.testing import tiny_reports

WINDOW = Window(-3, 1)


def with_reports(folder, window=WINDOW, splits=("validation", "test")):
    """Give a data set tables of observations."""
    manifest = Manifest.read(folder)
    tables = {split: tiny_reports(manifest.times(split)) for split in splits}
    shards = {split: write_report_shards(folder, split, table) for split, table in tables.items()}
    reports = Reports(window, shards, {"good": 1}, 0)
    dataclasses.replace(manifest, reports=reports, format_version=4).write(folder)
    return tables


@pytest.fixture(scope="module")
def folder(tiny_folder, tmp_path_factory):
    folder = shutil.copytree(tiny_folder, tmp_path_factory.mktemp("reports") / "data")
    with_reports(folder)
    return folder


@pytest.fixture(scope="module")
def data(folder):
    return load_data(folder)


@pytest.fixture(scope="module")
def table(data):
    return tiny_reports(data.times("test"))


def places(table):
    return [*zip(table.time, table.labels("station"), table.value, strict=True)]


@pytest.mark.parametrize("withheld", [False, True])
def test_an_analysis_gets_the_good_rows_of_its_window(data, table, withheld):
    seen = 0
    for index, time in enumerate(data.times("test")):
        after, upto = time - np.timedelta64(3, "h"), time + np.timedelta64(1, "h")
        inside = (table.time > after) & (table.time <= upto)
        wanted = table.where(inside & (table.quality == 0) & (table.withheld == withheld))
        found = data.reports("test", index, withheld=withheld)
        assert places(found) == places(wanted)
        assert places(data.reports("test", index - 5, withheld=withheld)) == places(wanted)
        seen += len(found)
    assert seen


def test_assimilated_and_withheld_stations_are_others(data):
    for index in range(data.size("test")):
        given, kept = (data.reports("test", index, withheld=w) for w in (False, True))
        assert not set(given.labels("station")) & set(kept.labels("station"))
        assert not given.withheld.any() and kept.withheld.all()


@pytest.mark.parametrize("buffers", [None, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batches_have_the_reports_of_their_samples(data, batch_size, buffers):
    order = [3, 0, 4, 1, 2]
    batches = data.batches("unimodal", None, batch_size, indices=order, buffers=buffers)
    found = [table for batch in batches for table in batch.reports]
    for index, table in zip(order, found, strict=True):
        assert places(table) == places(data.reports("test", index))


def test_torch_and_a_method_get_the_same_tables(data):
    batch = next(data.batches("unimodal", batch_size=2))
    assert batch.without_reference().reports is batch.reports
    assert batch.with_background(batch.background).reports is batch.reports
    pytest.importorskip("torch")
    assert batch.to_torch().reports is batch.reports


def test_splits_and_data_sets_without_reports(data, tiny_data):
    assert next(data.batches("unimodal", "train")).reports is None
    assert next(tiny_data.batches("unimodal")).reports is None
    with pytest.raises(DataError, match="split train of tiny has no tables .* validation and test"):
        data.reports("train", 0)
    with pytest.raises(DataError, match="data set tiny has no tables of observations"):
        tiny_data.reports("test", 0)
    with pytest.raises(TaskError, match="no split 'tset'"):
        data.reports("tset", 0)
    for index in (5, -6):
        with pytest.raises(IndexError, match="test has 5 examples"):
            data.reports("test", index)


def test_a_window_without_observations_is_an_empty_table(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "data")
    with_reports(folder, Window(-12, -8), ["test"])
    data = load_data(folder)
    assert [len(data.reports("test", i)) for i in range(5)] == [0] * 5
    assert [len(t) for b in data.batches("unimodal", batch_size=5) for t in b.reports] == [0] * 5


def test_workers_read_them_too(data):
    copy = pickle.loads(pickle.dumps(data))
    assert places(copy.reports("test", 2)) == places(data.reports("test", 2))


def test_fields_and_their_xarray_view_are_untouched(data, tiny_data):
    assert data.to_xarray("test").drop_attrs().equals(tiny_data.to_xarray("test").drop_attrs())


def test_a_damaged_file_is_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    data = load_data(copy)
    path = copy / Manifest.read(copy).reports.splits["test"][0].path
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=path.name):
        next(data.batches("unimodal"))
    with pytest.raises(DataError, match=path.name):
        load_data(copy)


# A batch refuses what a method must not see


def test_a_batch_never_holds_withheld_or_wrong_rows(data, table):
    batch = next(data.batches("unimodal", batch_size=2))
    good = batch.reports[0]
    withheld = data.reports("test", 0, withheld=True)
    wrong = table.where(table.quality == Quality.BACKGROUND)
    for rows in (withheld, wrong, concatenate([good, wrong])):
        with pytest.raises(DataError, match="sample 1 have .* rows that are withheld or not good"):
            dataclasses.replace(batch, reports=(good, rows))
    with pytest.raises(DataError, match="2 samples needs a table of reports for each, got 1"):
        dataclasses.replace(batch, reports=(good,))
