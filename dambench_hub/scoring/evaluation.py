"""Validating and scoring a prediction file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dambench_hub.errors import PredictionError, ScoreError
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.predictions.header import OPTIONAL_ATTRIBUTES, Header
from dambench_hub.predictions.reader import Opener, open_prediction
from dambench_hub.predictions.validation import header_problems, shortened, task_of
from dambench_hub.predictions.value_check import ValueCheck
from dambench_hub.runtime.prefetching import prefetched
from dambench_hub.runtime.progress import track
from dambench_hub.scoring.judges import Observer, judge_of
from dambench_hub.scoring.station_errors import StationErrors
from dambench_hub.tasks.benchmark import BenchmarkVersion, version_of_result
from dambench_hub.tasks.task import Task, load_task, task_names

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

MODEL_ATTRIBUTES = ("model_name", *OPTIONAL_ATTRIBUTES)


@dataclass(frozen=True, eq=False)
class Result:
    """The scores of one prediction file, with all they depend on.

    Attributes:
        task: Name of the task.
        dataset: Name of the data set.
        dataset_revision: Its revision.
        scorer_version: Version of the scores' definition.
        value_hash: SHA-256 of coordinates and values, std included, whatever file they came in.
        main_score: The score that ranks; `larger_is_better` says in which direction.
        scores: Those of `Scorer.compute`.
        sample_mse: `mse` of each time, for paired comparisons, (N,); (0,) where reports are the
            reference.
        attributes: What the file says of the model: those of `MODEL_ATTRIBUTES` that it has.
        square_errors: Area-weighted mean square error of each time and channel (of an ensemble,
            that of its mean), physical units squared, (N, C); (0, 0) where it is not known or must
            not be told.
        background_square_errors: The same of the background, (N, C) or (0, 0).
        skill_by_day: Skill in %, linearised in the errors of each time, see `skill_by_day`; its
            mean is `scores["skill"]`, (N,) or (0,).
        hours: Valid times in hours since 1970-01-01 UTC, (N,), or (0,) where they are not known.
        station_errors: Errors at withheld reports, where these are the reference; boards keep them
            in files of their own.
    """

    task: str
    dataset: str
    dataset_revision: str
    scorer_version: str
    value_hash: str
    main_score: float
    scores: dict[str, Any]
    sample_mse: tuple[float, ...]
    attributes: dict[str, str]
    square_errors: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    background_square_errors: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    skill_by_day: tuple[float, ...] = ()
    hours: tuple[int, ...] = ()
    station_errors: StationErrors | None = None

    @property
    def larger_is_better(self) -> bool:
        """Whether a larger `main_score` is better; see `larger_is_better`."""
        return larger_is_better(self.task, self.scorer_version)

    @property
    def benchmark(self) -> BenchmarkVersion | None:
        """The version of the benchmark that it is a result of; None if it is of no version."""
        return version_of_result(self.task, self.dataset_revision, self.scorer_version)

    def to_dict(self) -> dict[str, Any]:
        """What `dambench score --json` prints."""
        return {
            "task": self.task,
            "dataset_revision": self.dataset_revision,
            "model_name": self.attributes["model_name"],
            "scorer_version": self.scorer_version,
            "value_hash": self.value_hash,
            "scores": self.scores,
        }


def larger_is_better(task: str, scorer_version: str) -> bool:
    """Whether results of a task are better when their main score is larger.

    Args:
        task: Its name; of one that is no longer there, what holds by default.
        scorer_version: Of the results. Until version 1 all were ranked by `mse`.
    """
    if scorer_version in ("0", "1"):
        return False
    known = load_task(task) if task in task_names() else Task(task, "")
    return known.larger_is_better


def score(
    path: str | Path,
    data: Data,
    task: Task | str | None = None,
    open: Opener = open_prediction,
    observer: Observer | None = None,
) -> Result:
    """Validate and score a prediction file in one pass over its values.

    Args:
        path: The file.
        data: The data set it was made for.
        task: The task it was made for; None for the one that the file names.
        open: How the file is opened.
        observer: Sees every field that is scored; reports are no fields.

    Raises:
        PredictionError: When the file has problems; the message lists them as `validate` does.
        TaskError: When there is no such task.
    """
    path = Path(path)
    with open(path) as prediction:
        header = prediction.header
        task = task_of(header, task)
        _refuse(path, header_problems(header, data, task))
        check = ValueCheck(header, data)
        digest = hashlib.sha256(_identity(header, data))
        judge = judge_of(data, task, observer)
        fields = track(prediction, len(prediction), "Scoring")
        known = prefetched(judge.examples(), 2)
        for index, (values, example) in enumerate(zip(fields, known, strict=True)):
            std = prediction.std(index)
            for scored in (values, std):
                if scored is not None:
                    digest.update(np.ascontiguousarray(scored).data)
            if check.update(values, std):
                judge.update(index, values, std, example)
        _refuse(path, check.problems())
    scores, attributes = judge.scores(), header.attributes
    return Result(
        task=task.name,
        dataset=data.manifest.name,
        dataset_revision=data.revision,
        scorer_version=SCORER_VERSION,
        value_hash=digest.hexdigest(),
        main_score=_main_score(scores, task, data),
        scores=scores,
        attributes={name: attributes[name] for name in MODEL_ATTRIBUTES if name in attributes},
        hours=tuple(header.time.astype("datetime64[h]").astype(int).tolist()),
        station_errors=judge.station_errors,
        **judge.by_time(),
    )


def _main_score(scores: dict[str, Any], task: Task, data: Data) -> float:
    if (found := scores.get(task.main_score)) is None:
        raise ScoreError(
            f"The data set {data.manifest.name} has no {task.main_score}: no channel's background "
            "has errors. Give it another background, or take a task with another main score."
        )
    return float(found)


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        listed = "\n".join(f"- {problem}" for problem in shortened(problems))
        raise PredictionError(f"{path.name} cannot be scored:\n{listed}")


def _identity(header: Header, data: Data) -> bytes:
    """The coordinates in one form: files may store them as float32 or float64, in any unit.

    Without a std, it is what it was before files could have one.
    """
    identity: dict[str, Any] = {
        "time": [str(time) for time in header.time.astype("datetime64[h]")],
        "member": header.members,
        "channel": list(header.channels),
        "grid": str(data.grid),
    }
    if header.std is not None:
        identity["std"] = True
    return json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()
