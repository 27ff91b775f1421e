"""Do analyses that carry no times come in their order? The stored observations tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.tasks.task import Task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

FEW_VALUES = 400
"""Observed values of a time that analyses are compared with."""
FEW_TIMES = 100
"""Later times that an analysis is compared with."""
NEAR = 1.5
"""Misfit of an analysis that may belong to a time; that of a background is about 1."""
RATIO = 2.0
SMALLEST_ERROR = 1e-3
"""Of a channel's std: a channel whose background is better tells no time from another."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Some observed values of one time.

    Attributes:
        channel: Number of the channel of each, (K,).
        point: Grid point of each, row-major y·X + x, (K,).
        values: (K,).
        error: Standard deviation of background − observation, (K,).
    """

    channel: np.ndarray
    point: np.ndarray
    values: np.ndarray
    error: np.ndarray

    def misfit(self, field: np.ndarray) -> float:
        """Root mean square of (x̂ − y) / error of an analysis, ([M,] C, Y, X), or its mean.

        NaN without values: then nothing fits, and nothing does not.
        """
        if not len(self.values):
            return np.nan
        flat = field.reshape(*field.shape[:-2], -1)[..., self.channel, self.point]
        analysis = flat.reshape(-1, len(self.values)).mean(axis=0, dtype=np.float64)
        square = ((analysis - self.values) / self.error) ** 2
        return float(np.sqrt(square[np.isfinite(square)].mean()))


class OrderCheck:
    """Notices an analysis that stands at the place of an earlier time than its own.

    No method knows the future. An analysis that fits the observations of a later time as a
    background would, and RATIO times better than those of its own time, belongs there; and in every
    wrong order some analysis comes too early. A bad method is not refused, even if the climate or
    yesterday's state is its analysis. Of one that is no worse than a background nothing but its own
    observations is looked at.
    """

    def __init__(self, data: Data, task: Task) -> None:
        self.times = task.times(data.manifest)
        statistics = data.statistics
        noise = data.observation_error_std(data.manifest.observations)
        error = np.hypot(statistics.background_error_std, noise)
        telling = np.flatnonzero(error > SMALLEST_ERROR * statistics.std)

        @cache
        def observed(place: int) -> Observed:
            if data.manifest.reference_is_reports:
                return _of_reports(data, task, place)
            columns = ["observation_index", "observations"]
            stored = data.example(task.split, place * task.stride, columns)
            index, values = stored["observation_index"], stored["observations"]
            row, point = np.nonzero(np.isfinite(values[telling]))
            some = np.unique(np.linspace(0, len(row) - 1, min(len(row), FEW_VALUES)).astype(int))
            channel, point = telling[row[some]], point[some]
            return Observed(channel, index[point], values[channel, point], error[channel])

        self.observed = observed

    def require_own(self, place: int, field: np.ndarray) -> None:
        """Refuse an analysis, ([M,] C, Y, X), that belongs to a later time than that of its place.

        Raises:
            PredictionError: It names both times.
        """
        own = self.observed(place).misfit(field)
        if not own > NEAR:
            return
        later = range(place + 1, len(self.times))
        for other in later[:: len(later) // FEW_TIMES + 1]:
            if self.observed(other).misfit(field) < min(NEAR, own / RATIO):
                raise PredictionError(
                    f"The analysis at {self.times[place]} fits the observations of "
                    f"{self.times[other]}, not its own: the analyses come in another order than "
                    "the times, as after gathering them from several processes. Give each its "
                    "time, Analysis(…, time=batch.time), and sort them by it."
                )


def _of_reports(data: Data, task: Task, place: int) -> Observed:
    """Those that methods are given of a time, each at the grid point beside it."""
    table = data.reports(task.split, place * task.stride)
    H = PointInterpolation(data.channels, data.grid, table, data.elevation)
    seen = np.flatnonzero(H.seen)
    rows = seen[np.unique(np.linspace(0, len(seen) - 1, min(len(seen), FEW_VALUES)).astype(int))]
    channel, point = (found[rows] for found in H.nearest)
    error = np.hypot(data.statistics.background_error_std[channel], table.error_std[rows])
    return Observed(channel, point, (table.value - H.offset)[rows], error)
