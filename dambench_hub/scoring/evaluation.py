"""Validating and scoring a prediction file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.metrics.scorer import SCORER_VERSION, Scorer
from dambench_hub.predictions.header import OPTIONAL_ATTRIBUTES, Header
from dambench_hub.predictions.reader import Opener, open_prediction
from dambench_hub.predictions.validation import ValueCheck, header_problems, shortened, task_of
from dambench_hub.runtime.prefetching import prefetched
from dambench_hub.runtime.progress import track
from dambench_hub.tasks.task import Task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

MODEL_ATTRIBUTES = ("model_name", *OPTIONAL_ATTRIBUTES)

Observer = Callable[[int, np.ndarray, np.ndarray], object]
"""Takes the number of a time, its analysis ([M,] C, Y, X) and its reference (C, Y, X)."""


@dataclass(frozen=True, eq=False)
class Result:
    """The scores of one prediction file, with all they depend on.

    Attributes:
        task: Name of the task.
        dataset: Name of the data set.
        dataset_revision: Its revision.
        scorer_version: Version of the scores' definition.
        value_hash: SHA-256 of coordinates and values, whatever file they came in.
        main_score: The score that ranks; smaller is better.
        scores: Those of `Scorer.compute`.
        sample_mse: `mse` of each time, for paired comparisons, (N,).
        attributes: What the file says of the model: those of `MODEL_ATTRIBUTES` that it has.
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
        observer: Sees every field that is scored.

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
        scorer = Scorer(data.channels, data.grid.latitude, data.statistics.std)
        indices = range(0, len(prediction) * task.stride, task.stride)
        references = prefetched((data.reference(task.split, index) for index in indices), 2)
        fields = track(prediction, len(prediction), "Scoring")
        for index, (field, reference) in enumerate(zip(fields, references, strict=True)):
            digest.update(np.ascontiguousarray(field).data)
            if check.update(field):
                scorer.update(field[None], reference[None])
                if observer:
                    observer(index, field, reference)
        _refuse(path, check.problems())
    scores, attributes = scorer.compute(), header.attributes
    return Result(
        task=task.name,
        dataset=data.manifest.name,
        dataset_revision=data.revision,
        scorer_version=SCORER_VERSION,
        value_hash=digest.hexdigest(),
        main_score=scores[task.main_score],
        scores=scores,
        sample_mse=tuple(scorer.per_sample_mse.tolist()),
        attributes={name: attributes[name] for name in MODEL_ATTRIBUTES if name in attributes},
    )


def _refuse(path: Path, problems: list[str]) -> None:
    if problems:
        listed = "\n".join(f"- {problem}" for problem in shortened(problems))
        raise PredictionError(f"{path.name} cannot be scored:\n{listed}")


def _identity(header: Header, data: Data) -> bytes:
    """The coordinates in one form: files may store them as float32 or float64, in any unit."""
    identity = {
        "time": [str(time) for time in header.time.astype("datetime64[h]")],
        "member": header.members,
        "channel": list(header.channels),
        "grid": str(data.grid),
    }
    return json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()
