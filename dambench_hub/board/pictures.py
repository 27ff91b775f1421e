"""Pictures of what is scored on this machine, for the leaderboard that is served there."""

from __future__ import annotations

from pathlib import Path

from dambench_hub.data.dataset import Data
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.validation import task_of
from dambench_hub.results import Entry
from dambench_hub.scoring.diagnostics import Background, Gatherer
from dambench_hub.scoring.evaluation import Result, score


def score_with_pictures(path: Path, data: Data, task: str | None = None) -> tuple[Result, Gatherer]:
    """Score a file, and gather what its page shows beside its scores; see `scoring.score`."""
    with open_prediction(path) as prediction:
        found = task_of(prediction.header, task)
    gatherer = Gatherer(data, found, Background.of(data, found))
    return score(path, data, found, observer=gatherer), gatherer


def keep_pictures(gatherer: Gatherer, result: Result, entry: Entry, folder: Path) -> None:
    """Write them into the folder of a leaderboard, unless the entry stands for other values."""
    if entry.result.value_hash == result.value_hash:
        views = folder / "views"
        views.mkdir(parents=True, exist_ok=True)
        gatherer.finish(entry.submission, result).write(views / f"{entry.submission}.safetensors")
