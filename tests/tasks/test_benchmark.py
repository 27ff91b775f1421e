"""Versions of the benchmark: the newest is what the package holds, older ones stay."""

import json
from dataclasses import replace

import pytest

from dambench_hub.errors import TaskError
from dambench_hub.metrics import SCORER_VERSION
from dambench_hub.tasks import benchmark
from dambench_hub.tasks.benchmark import (
    BenchmarkVersion,
    benchmark_versions,
    current_version,
    standing,
    state_version,
    task_digest,
    version_of_data,
    version_of_result,
)
from dambench_hub.tasks.task import load_task, task_names

OLD = BenchmarkVersion("1.0", "1", {"mini": "old", "cycle": "same"}, {"unimodal": "a"})
NEW = BenchmarkVersion("2.0", SCORER_VERSION, {"mini": "new", "cycle": "same"}, {"unimodal": "b"})


@pytest.fixture
def two_versions(monkeypatch):
    monkeypatch.setattr(benchmark, "benchmark_versions", lambda: (OLD, NEW))


def test_the_newest_version_is_what_the_package_holds():
    """If this fails, a task or score changed: see .github/BENCHMARK.md."""
    current = current_version()
    assert current.scorer == SCORER_VERSION
    assert current.tasks == {name: task_digest(load_task(name)) for name in task_names()}
    assert len({version.name for version in benchmark_versions()}) == len(benchmark_versions())


def test_a_result_is_of_the_version_that_has_its_task_data_and_scorer(two_versions):
    assert version_of_result("unimodal", "new", SCORER_VERSION) == NEW
    assert version_of_result("unimodal", "old", "1") == OLD
    for other in (("unimodal", "old", SCORER_VERSION), ("mine", "new", SCORER_VERSION)):
        assert version_of_result(*other) is None
    assert version_of_data("same") == NEW and version_of_data("mine") is None


def test_data_of_another_scorer_says_so(two_versions):
    assert standing("new") == "version 2.0"
    assert "build the data again" in standing("old")
    assert "of no version" in standing("mine")


def test_a_digest_is_of_what_a_task_asks_for():
    task = load_task("unimodal")
    assert task_digest(replace(task, description="In other words.")) == task_digest(task)
    for change in ({"stride": 2}, {"observations": {"density": 0.1}}, {"config": "multimodal"}):
        assert task_digest(replace(task, **change)) != task_digest(task)


def test_a_version_can_be_stated_again_until_the_next(tmp_path):
    path = tmp_path / "versions.json"
    state_version(path, "1.0", "1", {"mini": "a"}, ("unimodal",))
    state_version(path, "1.0", "1", {"mini": "b"}, ("unimodal",))
    state_version(path, "1.1", "1", {"mini": "b"}, ("unimodal", "multimodal"))
    before = path.read_bytes()
    with pytest.raises(TaskError, match=r"1\.0 .* is followed by 1\.1 and stays"):
        state_version(path, "1.0", "1", {"mini": "c"}, ("unimodal",))
    assert path.read_bytes() == before
    stated = json.loads(before)
    assert list(stated) == ["1.0", "1.1"] and stated["1.0"]["worlds"] == {"mini": "b"}
    assert stated["1.1"]["tasks"]["multimodal"] == task_digest(load_task("multimodal"))
