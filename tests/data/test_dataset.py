"""Samples in batches: the same values however they are asked for."""

import dataclasses
import gc
import pickle
import shutil
import threading
import time

import numpy as np
import pytest

from dambench_hub.data import stored_examples
from dambench_hub.data.batch import Batch
from dambench_hub.data.dataset import load_data
from dambench_hub.data.loader import Loader
from dambench_hub.data.sampling import sample_order
from dambench_hub.errors import DataError, TaskError
from dambench_hub.observations import draw_observations
from dambench_hub.observations.blocks import Blocks
from dambench_hub.tasks.task import Task, load_task
from dambench_hub.testing import write_tiny_dataset

FIELDS = (
    "time",
    "background",
    "reference",
    "observation_index",
    "observation_values",
    "observation_error_std",
)


@pytest.fixture(scope="module", params=["parquet", "arrow", "hdf5"])
def data(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / request.param
    write_tiny_dataset(folder, format=request.param)
    return load_data(folder)


def assert_equal(batch, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(batch, name), getattr(other, name))
    assert batch.modalities.keys() == other.modalities.keys()
    for name, values in batch.modalities.items():
        np.testing.assert_array_equal(values, other.modalities[name])


def copied(batch):
    """The batch with memory of its own."""
    values = {name: np.array(getattr(batch, name)) for name in FIELDS}
    modalities = {name: values.copy() for name, values in batch.modalities.items()}
    return dataclasses.replace(batch, modalities=modalities, **values)


# What a batch holds


@pytest.mark.parametrize("batch_size", [1, 2, 5, 7])
def test_batches_are_the_examples_in_order(data, batch_size):
    batches = list(data.batches("multimodal", batch_size=batch_size))
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert sum(len(batch) for batch in batches) == data.size("test")
    rows = [(batch, row) for batch in batches for row in range(len(batch))]
    for index, (batch, row) in enumerate(rows):
        example = data.example("test", index)
        assert batch.time[row] == example["time"] == data.times("test")[index]
        for name in ("background", "reference", "observation_index"):
            np.testing.assert_array_equal(getattr(batch, name)[row], example[name])
        np.testing.assert_array_equal(batch.observation_values[row], example["observations"])
        for name in ("precipitation", "olr"):
            np.testing.assert_array_equal(batch.modalities[name][row], example[name])
            equivalent = batch.background_modalities[name][row]
            np.testing.assert_array_equal(equivalent, example[f"background_{name}"])
        values = batch.observations[row].reshape(5, -1)[:, example["observation_index"]]
        np.testing.assert_array_equal(values, example["observations"])


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_split_can_be_chosen(data, split):
    times = [t for batch in data.batches("unimodal", split) for t in batch.time]
    assert times == list(data.times(split))


def test_unimodal_tasks_give_no_modalities(data):
    assert next(data.batches("unimodal")).modalities == {}


def test_chosen_indices_in_their_order(data):
    indices = [7, 0, 3, 3, -1]
    times = [t for b in data.batches("unimodal", "train", 2, indices=indices) for t in b.time]
    assert times == list(data.times("train")[indices])
    order = sample_order(8, seed=1, rank=1, world_size=3)
    times = [t for b in data.batches("unimodal", "train", 2, indices=order) for t in b.time]
    assert times == list(data.times("train")[order])
    assert list(data.batches("unimodal", indices=[])) == []
    with pytest.raises(IndexError, match="train has 8 examples, there is no number 8"):
        list(data.batches("unimodal", "train", indices=[8]))


def test_every_batch_has_its_own_memory(data):
    first, second, *_ = data.batches("multimodal", batch_size=2)
    assert first.background.flags.writeable
    assert not np.shares_memory(first.background, second.background)


# Buffers and threads


@pytest.mark.parametrize("task", ["multimodal", "density-20"])
@pytest.mark.parametrize("buffers", [1, 2, 3, 9])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_buffers_change_no_value(data, buffers, batch_size, task):
    wanted = list(data.batches(task, "train", batch_size))
    found = data.batches(task, "train", batch_size, buffers=buffers)
    count = 0
    for count, batch in enumerate(found, 1):
        time.sleep(0.002)  # time for a thread to spoil what we hold
        assert_equal(batch, wanted[count - 1])
    assert count == len(wanted)


def test_buffers_are_used_again(data):
    batches = [b.background.ctypes.data for b in data.batches("unimodal", "train", buffers=2)]
    assert len(batches) == 8 and len(set(batches)) == 2


def test_the_next_batch_is_loaded_ahead(data, monkeypatch):
    loaded = []
    load = Loader.load
    monkeypatch.setattr(
        Loader,
        "load",
        lambda self, indices, arrays: loaded.append(list(indices)) or load(self, indices, arrays),
    )
    batches = data.batches("unimodal", "train", buffers=3)
    next(batches)
    deadline = time.monotonic() + 5
    while len(loaded) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert loaded == [[0], [1], [2]]
    batches.close()


def prefetching():
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.parametrize("taken", range(9))
@pytest.mark.parametrize("end", ["close", "forget"])
def test_stopping_early_leaves_no_thread(tiny_data, taken, end):
    batches = tiny_data.batches("unimodal", "train", buffers=2)
    for _ in range(taken):
        next(batches)
    if end == "close":
        batches.close()
    del batches
    gc.collect()
    assert not prefetching()


@pytest.mark.parametrize("buffers", [None, 1, 2, 3])
def test_a_damaged_shard_is_named_while_iterating(tmp_path, tiny_folder, buffers):
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    data = load_data(folder)
    path = folder / data.manifest.splits["train"][5].path
    content = bytearray(path.read_bytes())
    content[200:2000:10] = bytes(180)
    path.write_bytes(content)  # as long as before, so that only reading finds out
    load_data(folder)
    seen = []
    with pytest.raises(DataError, match=path.name):
        for batch in data.batches("unimodal", "train", buffers=buffers):
            seen.append(batch.time[0])
    assert seen == list(data.times("train")[:5])
    assert not prefetching()


def test_threads_of_several_loaders_do_not_disturb_each_other(data):
    wanted = [copied(b) for b in data.batches("multimodal", "train")]
    loaders = [data.batches("multimodal", "train", buffers=2) for _ in range(3)]
    for batches in zip(*loaders, wanted, strict=True):
        for batch in batches[:-1]:
            assert_equal(batch, batches[-1])


# Ensembles


@pytest.fixture(scope="module", params=["parquet", "arrow", "hdf5"])
def with_members(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("members") / request.param
    options = {"ensemble_size": 3, "ensemble_splits": ("validation", "test")}
    write_tiny_dataset(folder, format=request.param, **options)
    return load_data(folder)


@pytest.mark.parametrize("buffers", [None, 1, 2])
def test_batches_have_the_members_when_asked_for(with_members, buffers):
    options = {"batch_size": 2, "buffers": buffers, "ensemble": True}
    count = 0
    for count, batch in enumerate(with_members.batches("multimodal", **options), 1):
        for row in range(len(batch)):
            wanted = with_members.members("test", 2 * (count - 1) + row)
            assert batch.time[row] == wanted["time"]
            found = batch.background_members[row]
            np.testing.assert_array_equal(found, wanted["background_members"])
            for name, values in batch.background_members_modalities.items():
                np.testing.assert_array_equal(
                    values[row], wanted[f"background_members_{name}"], err_msg=name
                )
        assert set(batch.background_members_modalities) == {"precipitation", "olr"}
    assert count == 3


def test_members_are_given_only_where_they_are_and_are_asked_for(with_members):
    def given(*which, **options):
        batch = next(with_members.batches(*which, **options))
        return batch.background_members, batch.background_members_modalities

    assert given("multimodal") == given("multimodal", "train", ensemble=True) == (None, {})
    members, equivalents = given("unimodal", ensemble=True)
    assert members.shape == (1, 3, 5, 9, 16) and equivalents == {}


def test_no_members_where_there_are_none(data, with_members):
    with pytest.raises(DataError, match="test of tiny has no ensemble; no split has one"):
        data.members("test", 0)
    with pytest.raises(DataError, match="train of tiny .*; validation and test has one"):
        with_members.members("train", 0)
    with pytest.raises(IndexError, match="test has 5 examples"):
        with_members.members("test", 5)
    with pytest.raises(TaskError, match="Did you mean 'test'"):
        with_members.members("tset", 0)
    assert list(with_members.members("test", 0, ["time"])) == ["time"]


# Observations drawn again


@pytest.mark.parametrize("name", ["density-01", "density-20", "noise-free", "noisy", "network"])
def test_other_observations_are_drawn_from_the_reference(data, name):
    task = load_task(name)
    settings = task.observation_settings(data.manifest)
    std = data.observation_error_std(settings)
    for batch in data.batches(task, batch_size=2):
        np.testing.assert_array_equal(batch.observation_error_std, std)
        for row, at in enumerate(batch.time):
            index, values = draw_observations(
                settings, data.grid, batch.reference[row], std, at, channels=data.channels
            )
            np.testing.assert_array_equal(batch.observation_index[row], index)
            np.testing.assert_array_equal(batch.observation_values[row], values)
        if name == "noise-free":
            assert not np.any(batch.observation_error_std)
            seen = batch.observed
            np.testing.assert_array_equal(batch.observations[seen], batch.reference[seen])


def test_means_over_blocks_come_at_their_centres(data):
    """Their departures are those of the means, about as wrong as R says."""
    batch = next(data.batches("coarse", batch_size=5))
    blocks = Blocks(data.grid, load_task("coarse").observations["density"])
    centre = batch.background.reshape(*batch.background.shape[:2], -1)[..., blocks.centres]
    error = blocks.means(batch.reference - batch.background)
    noise = (batch.observation_values - centre - error) / data.statistics.background_error_std[
        :, None
    ]
    np.testing.assert_allclose(noise.std(axis=(0, 2)), 0.25, rtol=0.3)
    assert (batch.observation_error_std > 0.25 * data.statistics.background_error_std).all()


def test_stored_and_redrawn_observations_are_the_same_bits(data):
    """The tiny data set stores a density of 0.1: the task asks for it, in other words."""
    stored = list(data.batches("unimodal", batch_size=5))
    asked = list(data.batches("density-10", batch_size=5))
    fresh = Loader(
        data.manifest, data.statistics, data._examples, None, load_task("unimodal"), "test"
    )
    fresh.stored = False
    drawn = fresh.load(range(5), fresh.empty(5))
    for other in (asked[0], drawn):
        assert other.observation_values.tobytes() == stored[0].observation_values.tobytes()
        assert other.observation_index.tobytes() == stored[0].observation_index.tobytes()


def test_redraw_is_keyed_by_its_number(data):
    draws = {
        redraw: next(data.batches("unimodal", batch_size=5, redraw=redraw))
        for redraw in (None, 0, 1)
    }
    index = {redraw: batch.observation_index.tobytes() for redraw, batch in draws.items()}
    assert len(set(index.values())) == 3
    again = next(data.batches("unimodal", batch_size=1, indices=[3], redraw=1))
    np.testing.assert_array_equal(again.observation_values[0], draws[1].observation_values[3])
    np.testing.assert_array_equal(draws[0].reference, draws[None].reference)


def test_iid_networks_observe_other_points_of_each_channel(data):
    batch = next(data.batches(Task("t", "", "unimodal", observations={"network": "iid"})))
    assert batch.observation_index.shape == (1, 5, 14)
    observed = batch.observed[0]
    assert observed.sum((1, 2)).tolist() == [14] * 5
    assert len({tuple(channel.ravel()) for channel in observed}) == 5


# Access and errors


def test_examples(data):
    np.testing.assert_array_equal(
        data.example("test", -1)["reference"], data.reference("test", data.size("test") - 1)
    )
    np.testing.assert_array_equal(
        data.background("train", 2), data.example("train", 2)["background"]
    )
    assert set(data.example("test", 0)) == set(data.shapes)
    assert set(data.example("test", 0, ["olr"])) == {"olr"}
    assert data.example("test", 0, []) == {}
    for index in (5, -6):
        with pytest.raises(IndexError, match="test has 5 examples"):
            data.example("test", index)
    with pytest.raises(TaskError, match="Did you mean 'train'"):
        data.example("trian", 0)
    with pytest.raises(DataError, match="no column 'refernce'. Did you mean 'reference'"):
        data.example("test", 0, ["refernce"])


def test_what_it_is(data):
    assert data.revision in repr(data) and "train 8, validation 4, test 5" in repr(data)
    assert data.channels == ("t2m", "msl", "z500", "q700", "t850")
    assert data.grid.shape == (9, 16)


def test_workers_get_a_copy(data):
    data.example("test", 0)
    copy = pickle.loads(pickle.dumps(data))
    assert copy.revision == data.revision
    np.testing.assert_array_equal(copy.reference("test", 1), data.reference("test", 1))


def test_more_shards_than_may_be_open(data, monkeypatch):
    monkeypatch.setattr(stored_examples, "OPEN_SHARDS", 2)
    few = pickle.loads(pickle.dumps(data))
    for index in (0, 7, 3, 5, 0):
        np.testing.assert_array_equal(few.reference("train", index), data.reference("train", index))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "multimodl"}, "Did you mean 'multimodal'"),
        ({"split": "tset"}, "Did you mean 'test'"),
        ({"batch_size": 0}, "batch_size is at least 1"),
        ({"buffers": 0}, "buffers is None, or at least 1"),
        ({"buffers": -1}, "buffers is None, or at least 1"),
    ],
)
def test_wrong_arguments_are_refused_at_once(tiny_data, arguments, message):
    with pytest.raises(TaskError, match=message):
        tiny_data.batches(**arguments)


def test_a_multimodal_task_needs_modalities(tmp_path):
    write_tiny_dataset(tmp_path, modalities=())
    data = load_data(tmp_path)
    with pytest.raises(TaskError, match="tiny has none. Use the task unimodal"):
        data.batches("multimodal")
    assert isinstance(next(data.batches("unimodal")), Batch)


def test_neither_folder_nor_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="nobody/nothing is neither a folder here nor a data set"):
        load_data("nobody/nothing")
    with pytest.raises(DataError, match="No data set in"):
        load_data("nothing")


def test_a_folder_at_home_is_no_organisation_on_the_hub(tiny_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_folder.parent))
    assert load_data(f"~/{tiny_folder.name}").folder == tiny_folder
    with pytest.raises(DataError, match=f"No data set in {tiny_folder.parent / 'nothing'}"):
        load_data("~/nothing")


def test_a_hub_data_set_is_read_from_its_cache(tmp_path, monkeypatch):
    """With all the files that the manifest names, copies in Arrow included."""
    write_tiny_dataset(tmp_path / "repo", format="arrow", configs=("background",))
    asked = []

    def snapshot_download(repository, **options):
        asked.append((repository, options.pop("repo_type"), options.pop("revision")))
        ignored = shutil.ignore_patterns(*options.pop("ignore_patterns", ()))
        assert not options, "a narrower download leaves out files of the manifest"
        return shutil.copytree(tmp_path / "repo", tmp_path / "cache", ignore=ignored)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    data = load_data("org/name", revision="v1", full=True)
    assert asked == [("org/name", "dataset", "v1")]
    assert data.size("test") == 5
