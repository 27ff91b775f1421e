"""Versions of the benchmark: the worlds, the tasks and the scores that belong together.

Two results can be compared where all three are the same. `benchmark.json` states each version, a
test holds the newest to what is in the package, and those before it stay as they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from dambench_hub.errors import TaskError
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.runtime.files import write_atomic
from dambench_hub.storage.revision import content_hash
from dambench_hub.tasks.task import Task, load_task

VERSIONS = "benchmark.json"


@dataclass(frozen=True)
class BenchmarkVersion:
    """One version of the benchmark.

    Attributes:
        name: Such as `1.0`. Another first number: results no longer compare.
        scorer: Version of the scores' definition.
        worlds: Revision of each canonical data set, by preset.
        tasks: Digest of each task, by name; see `task_digest`.
    """

    name: str
    scorer: str
    worlds: Mapping[str, str]
    tasks: Mapping[str, str]

    def holds(self, task: str, revision: str, scorer: str) -> bool:
        """Whether a result of this task, data set revision and scorer is one of this version."""
        return task in self.tasks and revision in self.worlds.values() and scorer == self.scorer


@cache
def benchmark_versions() -> tuple[BenchmarkVersion, ...]:
    """All versions that were made, the oldest first."""
    text = files("dambench_hub.tasks").joinpath(VERSIONS).read_text("utf-8")
    return tuple(BenchmarkVersion(name=name, **stated) for name, stated in json.loads(text).items())


def current_version() -> BenchmarkVersion:
    """The version that this installation builds, assimilates and scores."""
    return benchmark_versions()[-1]


def version_of_result(task: str, revision: str, scorer: str) -> BenchmarkVersion | None:
    """The newest version that a result is one of; None if it is of no version."""
    versions = reversed(benchmark_versions())
    return next((v for v in versions if v.holds(task, revision, scorer)), None)


def version_of_data(revision: str) -> BenchmarkVersion | None:
    """The newest version that a data set is one of; None if it is of no version."""
    versions = reversed(benchmark_versions())
    return next((v for v in versions if revision in v.worlds.values()), None)


def standing(revision: str) -> str:
    """What a data set is in the benchmark and for this installation's scorer, for people."""
    version = version_of_data(revision)
    if version is None:
        return "of no version: results compare with those of this revision only"
    if version.scorer == SCORER_VERSION:
        return f"version {version.name}"
    return (
        f"version {version.name}, whose scorer is {version.scorer}. This installation scores by "
        f"{SCORER_VERSION}, which is another benchmark: build the data again with it, or install "
        f"the dambench-hub of version {version.name}"
    )


def task_digest(task: Task) -> str:
    """Hash of all that a task asks for, 16 hexadecimal digits; its description may change."""
    content: dict[str, Any] = asdict(task)
    del content["description"]
    return content_hash(content)


def state_version(
    path: Path, name: str, scorer: str, worlds: Mapping[str, str], tasks: tuple[str, ...]
) -> None:
    """Write a new version, or the newest one again before it is released, to a file of versions.

    Raises:
        TaskError: When an older version has that name, since results were made with it.
    """
    stated = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if name in list(stated)[:-1]:
        raise TaskError(
            f"Version {name} of the benchmark is followed by {list(stated)[-1]} and stays as it "
            "is. Choose a new name."
        )
    digests = {task: task_digest(load_task(task)) for task in tasks}
    stated[name] = {"scorer": scorer, "worlds": dict(worlds), "tasks": digests}
    write_atomic(path, json.dumps(stated, indent=1) + "\n")
