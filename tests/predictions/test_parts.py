"""Predictions in parts: shares, resuming, merging once, and what is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dambench_hub.errors import DambenchError, PredictionError, TaskError
from dambench_hub.predictions.parts import Parts, Share

TIMES = np.datetime64("2024-02-27", "h") + 6 * np.arange(7)
SETTINGS = {"method": "mine", "members": None, "files": {"config.json": "abc"}}


@pytest.fixture
def parts(tmp_path):
    """Another object for the same run, as another process has it."""

    def parts(**changes):
        return Parts(tmp_path / "mine.nc", SETTINGS | changes, TIMES)

    return parts


def field(index):
    return np.full((2, 3, 4), index, "f4")


def work(parts, share, batch_size=2, stop=99):
    """Do a share; returns the batches that were made."""
    left = parts.unfinished(share, batch_size)
    made = [left[n : n + batch_size] for n in range(0, len(left), batch_size)][:stop]
    for batch in made:
        parts.add(TIMES[batch], np.stack([field(n) for n in batch]))
    return [batch.tolist() for batch in made]


def writer(parts, log):
    """What makes the file: notes all it gets."""

    def write(analyses):
        log.append(np.concatenate([analysis.mean for analysis in analyses]))
        parts.out.write_bytes(b"whole")

    return write


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_all_shares_make_one_file(parts, tmp_path, count):
    log = []
    for number in reversed(range(count)):
        mine = parts()
        work(mine, Share(number, count))
        assert mine.finish(Share(number, count), writer(mine, log)) == (number == 0)
    (merged,) = log
    np.testing.assert_array_equal(merged, np.stack([field(n) for n in range(len(TIMES))]))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.nc"]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 8])
def test_batches_do_not_depend_on_the_number_of_processes(parts, batch_size):
    alone = work(parts(), Share(), batch_size)
    assert sum(alone, []) == list(range(len(TIMES)))
    for batch in alone:
        for n in batch:
            (parts()._path(TIMES[n])).unlink()
    shared = [work(parts(), Share(number, 3), batch_size) for number in range(3)]
    assert sorted(sum(shared, [])) == alone


def test_a_second_run_makes_only_what_is_missing(parts):
    assert work(parts(), Share(), stop=2) == [[0, 1], [2, 3]]
    parts()._path(TIMES[3]).unlink()
    again = parts()
    assert work(again, Share()) == [[2, 3], [4, 5], [6]], "a batch is made whole"
    assert work(again, Share()) == []


def test_a_run_may_go_on_with_other_processes_and_batches(parts):
    log = []
    work(parts(), Share(0, 2))
    assert not parts().finish(Share(0, 2), writer(parts(), log))
    alone = parts()
    assert work(alone, Share(), batch_size=4) == [[0, 1, 2, 3], [4, 5, 6]]
    assert alone.finish(Share(), writer(alone, log))
    assert len(log) == 1


def test_a_share_without_work_counts(parts, tmp_path):
    """Four processes for one batch: the file is made when the last of them has come."""
    log = []
    for number in range(4):
        mine = parts()
        work(mine, Share(number, 4), batch_size=8)
        assert mine.finish(Share(number, 4), writer(mine, log)) == (number == 3)
        assert (tmp_path / "mine.nc").exists() == (number == 3)


def test_the_file_is_made_once_when_all_end_at_once(parts):
    log, count = [], 8
    ready = threading.Barrier(count)
    work(parts(), Share())

    def end(number):
        mine = parts()
        ready.wait()
        return mine.finish(Share(number, count), writer(mine, log))

    with ThreadPoolExecutor(count) as threads:
        made = list(threads.map(end, range(count)))
    assert len(log) == made.count(True) == 1


def test_all_may_begin_at_once(parts, tmp_path):
    count = 8
    ready = threading.Barrier(count)

    def begin(number):
        mine = parts()
        ready.wait()
        return work(mine, Share(number, count), batch_size=1)

    with ThreadPoolExecutor(count) as threads:
        assert sum(map(len, threads.map(begin, range(count)))) == len(TIMES)
    assert work(parts(), Share()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["mine.nc.parts"]


def test_an_interrupted_merge_keeps_all_parts(parts, tmp_path):
    mine, log = parts(), []
    work(mine, Share())

    def stop(analyses):
        next(analyses)
        (tmp_path / ".mine.nc.0123abcd.partial").write_text("as after a kill")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mine.finish(Share(), stop)
    again = parts()
    assert work(again, Share()) == []
    assert again.finish(Share(), writer(again, log))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.nc"]


def test_parts_of_another_run_are_refused(parts, tmp_path):
    work(parts(), Share(), stop=1)
    with pytest.raises(PredictionError, match="members is null there, 4 here") as refused:
        parts(members=4)
    assert "delete it to start anew" in str(refused.value)
    with pytest.raises(PredictionError, match='files.config.json is "abc" there, "abd" here'):
        parts(files={"config.json": "abd"})


def test_another_run_that_began_meanwhile_is_refused(parts):
    other = parts(members=4)
    work(parts(), Share(), stop=1)
    with pytest.raises(PredictionError, match="another run"):
        work(other, Share())


@pytest.mark.parametrize("content", [None, "{"])
def test_other_folders_are_left_alone(parts, tmp_path, content):
    folder = tmp_path / "mine.nc.parts"
    folder.mkdir()
    (folder / "precious").write_text("")
    if content:
        (folder / "settings.json").write_text(content)
    with pytest.raises(PredictionError, match="is in the way"):
        parts()
    assert (folder / "precious").exists()


def test_a_damaged_part_is_named(parts):
    mine = parts()
    work(mine, Share())
    path = mine._path(TIMES[2])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(PredictionError, match="T12.npz cannot be read .* Delete it"):
        mine.finish(Share(), lambda analyses: list(analyses))
    path.unlink()
    assert work(parts(), Share()) == [[2, 3]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_must_be_finite(parts, tmp_path, value):
    with pytest.raises(PredictionError, match="2024-02-27T06 has values that are NaN"):
        parts().add(TIMES[:2], np.array([1, value], "f4").reshape(2, 1, 1, 1))
    assert work(parts(), Share(), stop=1) == [[0, 1]]


def test_nothing_is_written_before_the_first_analysis(parts, tmp_path):
    parts().unfinished(Share(), 2)
    with pytest.raises(PredictionError):
        parts().add(TIMES[:1], np.full((1, 1, 1, 1), np.nan))
    assert list(tmp_path.iterdir()) == []


def test_tensors_of_any_precision_are_kept_as_float32(parts):
    mine = parts()
    mine.add(TIMES[:1], torch.full((1, 2, 3, 4), 1.5, dtype=torch.bfloat16, requires_grad=True))
    kept = mine._read(TIMES[0]).mean
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept, np.full((1, 2, 3, 4), 1.5))


def test_members_come_back_with_their_mean_and_std_with_its_analysis(parts, rng):
    values = rng.normal(size=(2, 2, 3, 4)).astype("f4")
    std = torch.from_numpy(np.exp(values)).bfloat16()
    mine = parts()
    mine.add(TIMES[:1], values[None])
    mine.add(TIMES[1:3], values, std)
    members, analysis = mine._read(TIMES[0]), mine._read(TIMES[2])
    np.testing.assert_array_equal(members.members[0], values)
    np.testing.assert_array_equal(members.mean[0], values.mean(axis=0))
    np.testing.assert_array_equal(analysis.mean[0], values[1])
    np.testing.assert_array_equal(analysis.std[0], std[1].float())
    assert members.std is None and analysis.members is None
    assert analysis.time == TIMES[2]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0, -1, 1e-50])
def test_std_must_be_finite_and_above_0(parts, value):
    std = np.array([1, value]).reshape(2, 1, 1, 1)
    with pytest.raises(PredictionError, match="std at 2024-02-27T06 .* finite numbers above 0"):
        parts().add(TIMES[:2], np.ones((2, 1, 1, 1)), std)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    mine = Parts(tmp_path / "file" / "x.nc", SETTINGS, TIMES)
    with pytest.raises(DambenchError, match="Could not write .*x.nc.parts"):
        mine.add(TIMES[:1], field(0)[None])


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/2", "-1/2", "1/2/3", "", "1.0/2"])
def test_parts_that_are_none(text):
    with pytest.raises(TaskError, match="part"):
        Share.parse(text)


def test_the_share_of_a_process():
    assert Share.of_process({}) == Share(0, 1)
    assert Share.of_process({"RANK": "2", "WORLD_SIZE": "4"}) == Share.parse("3/4") == Share(2, 4)
    for environment in ({"RANK": "one", "WORLD_SIZE": "2"}, {"RANK": "2", "WORLD_SIZE": "2"}):
        with pytest.raises(TaskError):
            Share.of_process(environment)
