"""What analyses of a task are compared with: reference fields, or withheld reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dambench_hub.errors import ScoreError
from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.metrics.scorer import Scorer
from dambench_hub.metrics.station_scores import station_scores, thinning_weights
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.scoring.observed_points import observed_points
from dambench_hub.scoring.skill_by_day import skill_by_day
from dambench_hub.scoring.station_errors import StationErrors, joined

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data
    from dambench_hub.tasks.task import Task

Observer = Callable[[int, np.ndarray, np.ndarray], object]
"""Takes the number of a time, its analysis ([M,] C, Y, X) and its reference (C, Y, X)."""


class Judge(ABC):
    """Takes the analyses of a task's times one after another, and scores them.

    Args:
        data: The data set.
        task: The task.
    """

    def __init__(self, data: Data, task: Task) -> None:
        self.data, self.task = data, task
        self.numbers = range(0, len(task.times(data.manifest)) * task.stride, task.stride)

    @abstractmethod
    def examples(self) -> Iterator[Any]:
        """What each analysis is compared with, in the order of the times."""

    @abstractmethod
    def update(self, index: int, analysis: np.ndarray, std: np.ndarray | None, known: Any) -> None:
        """Take the next analysis, ([M,] C, Y, X), its predicted std, and its example."""

    @abstractmethod
    def scores(self) -> dict[str, Any]:
        """All scores, once every analysis was taken."""

    @abstractmethod
    def by_time(self) -> dict[str, Any]:
        """What a result says of single times, by the names of its attributes."""

    station_errors: StationErrors | None = None


class FieldJudge(Judge):
    """Compares with reference fields; `Scorer` has the scores.

    Args:
        data: The data set.
        task: The task.
        observer: Sees every field that is scored.
    """

    def __init__(self, data: Data, task: Task, observer: Observer | None) -> None:
        super().__init__(data, task)
        self.observer = observer
        self.scorer = Scorer(data.channels, data.grid.latitude, data.statistics.std)

    def examples(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Reference, background and observed points of each time, (C, Y, X) each."""
        split = self.task.split
        for number in self.numbers:
            reference = self.data.reference(split, number)
            observed = observed_points(self.data, self.task, number, reference)
            yield reference, self.data.background(split, number), observed

    def update(self, index: int, analysis: np.ndarray, std: np.ndarray | None, known: Any) -> None:
        """See `Judge.update`."""
        reference, background, observed = (field[None] for field in known)
        predicted = None if std is None else std[None]
        self.scorer.update(analysis[None], reference, background, observed, predicted)
        if self.observer:
            self.observer(index, analysis, known[0])

    def scores(self) -> dict[str, Any]:
        """See `Scorer.compute`."""
        self._scores = self.scorer.compute()
        return self._scores

    def by_time(self) -> dict[str, Any]:
        """Errors of each time and channel, and their parts of MSE and skill."""
        errors = self.scorer.square_errors, self.scorer.background_square_errors
        std, days = self.data.statistics.std, ()
        if self._scores.get("skill") is not None:
            days = tuple(skill_by_day(self.data.channels, *errors, std).tolist())
        return {
            "sample_mse": tuple(self.scorer.per_sample_mse.tolist()),
            "square_errors": errors[0],
            "background_square_errors": errors[1],
            "skill_by_day": days,
        }


class StationJudge(Judge):
    """Compares with withheld reports, through H at their places and heights; of members, the mean.

    All scores weight a station by 1 / number of its neighbours, see `thinning_weights`.
    """

    def __init__(self, data: Data, task: Task) -> None:
        super().__init__(data, task)
        self.parts: list[StationErrors] = []

    def examples(self) -> Iterator[Any]:
        """Withheld reports and background of each time."""
        split = self.task.split
        for number in self.numbers:
            table = self.data.reports(split, number, withheld=True)
            yield table, self.data.background(split, number)

    def update(self, index: int, analysis: np.ndarray, std: np.ndarray | None, known: Any) -> None:
        """See `Judge.update`."""
        table, background = known
        grid = self.data.grid
        H = PointInterpolation(self.data.channels, grid, table, self.data.elevation)
        mean = analysis if analysis.ndim == 3 else analysis.mean(axis=0, dtype=np.float64)
        rows = np.flatnonzero(H.seen)
        errors = [
            (H(field.astype(np.float64)) + H.offset - table.value)[rows]
            for field in (mean, background)
        ]
        part = StationErrors(
            channels=self.data.channels,
            station=table.labels("station")[rows],
            time=np.full(len(rows), index),
            channel=H.nearest[0][rows],
            latitude=table.latitude[rows],
            longitude=table.longitude[rows],
            analysis=errors[0],
            background=errors[1],
            weight=np.ones(len(rows)),
        )
        for channel in np.unique(part.channel):
            its = part.channel == channel
            part.weight[its] = thinning_weights(part.latitude[its], part.longitude[its])
        self.parts.append(part)

    def scores(self) -> dict[str, Any]:
        """Scores by channel, and `skill`; where there is one channel, `station_rmse`.

        Raises:
            ScoreError: When nothing is withheld of a channel.
        """
        self.station_errors = joined(self.parts)
        of_channels, backgrounds = {}, []
        for name in self.data.channels:
            its = self.station_errors.of(name)
            if not len(its.station):
                raise ScoreError(
                    f"The data set {self.data.manifest.name} withholds no reports of {name}, so "
                    "it cannot be scored. Leave the channel out, or withhold other stations."
                )
            known = its.weight, np.unique(its.station, return_inverse=True)[1]
            of_channels[name] = station_scores(its.analysis, *known)
            backgrounds.append(np.sqrt(np.average(its.background**2, weights=its.weight)))
        scores: dict[str, Any] = {
            score: {name: getattr(found, score) for name, found in of_channels.items()}
            for score in ("rmse", "bias", "mae", "rmse_low", "rmse_high", "stations")
        }
        scores["station_mae"] = scores.pop("mae")  # `mae` is one number elsewhere
        rmse, std = np.array(list(scores["rmse"].values())), self.data.statistics.std
        scores |= rmse_skill(self.data.channels, rmse, np.array(backgrounds), std)
        if len(of_channels) == 1:
            (scores["station_rmse"],) = scores["rmse"].values()
        return scores

    def by_time(self) -> dict[str, Any]:
        """Nothing: chance is that of the stations, see `station_scores`."""
        return {"sample_mse": ()}


def judge_of(data: Data, task: Task, observer: Observer | None = None) -> Judge:
    """What scores analyses of a task; an observer sees fields only."""
    if data.manifest.reference_is_reports:
        return StationJudge(data, task)
    return FieldJudge(data, task, observer)
