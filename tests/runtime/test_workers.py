"""Work in this process, in processes, and on a Dask cluster that was there before."""

import os

import pytest

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Source
from dambench_hub.errors import BuildError
from dambench_hub.runtime.workers import in_process, open_workers
from dambench_hub.testing import TinyAtmosphere, tiny_plan


def square(number):
    return number**2


def fail(number):
    raise BuildError(f"no {number}")


def die(number):
    os._exit(1)


def test_in_process_keeps_the_order():
    assert list(in_process(square, [3, 1])) == [(3, 9), (1, 1)]
    with open_workers() as run:
        assert run is in_process


@pytest.fixture(scope="module")
def two():
    pytest.importorskip("distributed")
    with open_workers(2) as run:
        yield run


@pytest.mark.slow
def test_every_item_has_its_result(two):
    assert dict(two(square, range(20))) == {n: n**2 for n in range(20)}
    assert len({pid for _, pid in two(lambda n: os.getpid(), range(20))} - {os.getpid()}) == 2


@pytest.mark.slow
def test_what_fails_says_so_here(two):
    with pytest.raises(BuildError, match="no 0"):
        list(two(fail, [0]))


@pytest.mark.slow
def test_processes_and_one_process_build_the_same(two, tmp_path):
    plan = tiny_plan()

    def source(work):
        return Source(TinyAtmosphere(plan).read)

    alone = build_dataset(tmp_path / "alone", plan, source)
    together = build_dataset(tmp_path / "together", plan, source, run=two)
    assert together.revision == alone.revision


@pytest.mark.slow
def test_a_scheduler_that_is_there_already(tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "processes": False, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        open_workers(scheduler=cluster.scheduler_address) as run,
    ):
        assert list(run(square, [3])) == [(3, 9)]


@pytest.mark.slow
def test_workers_that_are_killed_are_told_of(two):
    with pytest.raises(BuildError, match="want of memory"):
        list(two(die, [0]))


def test_no_workers_are_refused():
    with pytest.raises(BuildError, match="at least 1 worker, got 0"), open_workers(0):
        pass


def test_no_scheduler_is_told_of(monkeypatch):
    pytest.importorskip("distributed")
    import dambench_hub.runtime.workers as workers

    monkeypatch.setattr(workers, "PATIENCE", "0.2s")
    with (
        pytest.raises(BuildError, match="No Dask scheduler answers at tcp://127.0.0.1:9"),
        open_workers(scheduler="tcp://127.0.0.1:9"),
    ):
        pass
