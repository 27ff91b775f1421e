"""The files of what the pages of submissions show beside their scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dambench_hub.data.dataset import Data
from dambench_hub.errors import DataError
from dambench_hub.leaderboard.store.ranking import Entry
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.validation import task_of
from dambench_hub.scoring.diagnostics import FOLDER, BackgroundDiagnostics, Diagnostics, Gatherer
from dambench_hub.scoring.evaluation import Result, score
from dambench_hub.scoring.station_errors import StationErrors
from dambench_hub.tasks.task import Task


@dataclass(frozen=True)
class DiagnosticsFiles:
    """A folder of diagnostics, and of errors at stations where these are the reference.

    Attributes:
        folder: Where they lie, `Site.diagnostics`.
    """

    folder: Path

    def path(self, submission: str) -> Path:
        """The file of a submission, by its id."""
        return self.folder / f"{submission}.safetensors"

    def stations_path(self, submission: str) -> Path:
        """The file of a submission's errors at stations."""
        return self.folder / f"{submission}.stations.safetensors"

    def background_path(self, revision: str, task: Task) -> Path:
        """The file of what the diagnostics of all submissions to a task share."""
        return self.folder / f"background-{revision}-{task.split}-{task.stride}.safetensors"

    def read(self, submission: str) -> Diagnostics | None:
        """What was gathered while a submission was scored; None if there is nothing."""
        path = self.path(submission)
        try:
            return _read(path, path.stat().st_mtime_ns)
        except (DataError, FileNotFoundError):
            return None

    def read_stations(self, submission: str) -> StationErrors | None:
        """Errors at stations of a submission; None if there are none."""
        path = self.stations_path(submission)
        try:
            return _read_stations(path, path.stat().st_mtime_ns)
        except (DataError, FileNotFoundError):
            return None

    def keep(self, submission: str, gatherer: Gatherer | None, result: Result) -> None:
        """Write what a submission's page shows beside its scores.

        Args:
            submission: Its id.
            gatherer: The observer of its fields, if there was one.
            result: What the same pass scored.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if gatherer is not None:
            gatherer.finish(submission, result).write(self.path(submission))
        if result.station_errors is not None:
            result.station_errors.write(self.stations_path(submission))

    def remove(self, submission: str) -> None:
        """Delete the files of a submission, those that there are."""
        for path in (self.path(submission), self.stations_path(submission)):
            path.unlink(missing_ok=True)


@lru_cache(maxsize=32)
def _read(path: Path, changed: int) -> Diagnostics:
    return Diagnostics.read(path)


@lru_cache(maxsize=32)
def _read_stations(path: Path, changed: int) -> StationErrors:
    return StationErrors.read(path)


def score_with_diagnostics(
    path: Path, data: Data, task: str | None = None
) -> tuple[Result, Gatherer | None]:
    """Score a file, and gather what its page shows beside its scores; see `scoring.score`.

    Of data sets without reference fields nothing is gathered: errors at stations are in the result.
    """
    with open_prediction(path) as prediction:
        found = task_of(prediction.header, task)
    if data.manifest.reference_is_reports:
        return score(path, data, found), None
    gatherer = Gatherer(data, found, BackgroundDiagnostics.of(data, found))
    return score(path, data, found, observer=gatherer), gatherer


def keep_diagnostics(gatherer: Gatherer | None, result: Result, entry: Entry, board: Path) -> None:
    """Write them into the folder of a leaderboard, unless the entry stands for other values."""
    if entry.result.value_hash == result.value_hash:
        DiagnosticsFiles(board / FOLDER).keep(entry.submission, gatherer, result)
