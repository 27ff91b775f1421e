"""What scores that are fed batch by batch share: sums over samples that add."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.labels import label_problem
from dambench_hub.coordinates.missing import FILL
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.arrays import as_array


class StreamingScore(ABC):
    """A score that is a function of sums over samples, in float64 and constant memory.

    Statistics are taken of one sample at a time, so any batches give the same score. Two scores
    of the same settings add, and they can be pickled to gather those of several processes.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.
        settings: What else must agree for two scores to add.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
    """

    def __init__(self, channels: Sequence[str], grid: Grid, *settings: Any) -> None:
        parse_channels(list(channels))
        self.channels, self.grid = tuple(channels), grid
        self.samples = 0
        self.totals: dict[str, np.ndarray] = {}
        self._settings = (self.channels, grid, *settings)

    @abstractmethod
    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """What is summed, of one sample with fields (C, Y, X) in any precision."""

    @abstractmethod
    def compute(self) -> dict[str, Any]:
        """The scores so far, as plain floats ready for JSON."""

    def with_sums(self, totals: dict[str, np.ndarray], samples: int) -> Self:
        """The same score with these sums of its statistics over so many samples."""
        other = copy(self)
        other.totals, other.samples = totals, samples
        return other

    def mean(self, name: str) -> np.ndarray:
        """Mean over samples of a statistic.

        Raises:
            ScoreError: When there is no sample.
        """
        if not self.samples:
            raise ScoreError("There is nothing to score yet: no sample was added.")
        return self.totals[name] / self.samples

    def __len__(self) -> int:
        return self.samples

    def __add__(self, other: Self) -> Self:
        if type(self) is not type(other) or self._settings != other._settings:
            raise ScoreError("Two scores add only with the same channels, grid and settings.")
        both = copy(self)
        both.totals = dict(self.totals)
        both._include(other.totals, other.samples)
        return both

    def _add(self, **fields: Any) -> None:
        """Add a batch of fields (N, C, Y, X), by name; all of it, or nothing."""
        batch = [self._checked(name, values) for name, values in fields.items()]
        if len({len(values) for values in batch}) > 1:
            found = ", ".join(
                f"{len(values)} of {name}" for name, values in zip(fields, batch, strict=True)
            )
            raise ScoreError(f"The numbers of samples must agree, got {found}.")
        for statistics in [self.statistics(*sample) for sample in zip(*batch, strict=True)]:
            self._include(statistics, 1)

    def _include(self, totals: dict[str, np.ndarray], samples: int) -> None:
        for name, total in totals.items():
            self.totals[name] = self.totals[name] + total if name in self.totals else total
        self.samples += samples

    def _checked(self, name: str, values: Any) -> np.ndarray:
        """Real, finite numbers of the right shape."""
        wanted = {"time": None, "channel": self.channels}
        axes = wanted | {"latitude": self.grid.latitude, "longitude": self.grid.longitude}
        if problem := label_problem(values, axes):
            raise ScoreError(f"The {name} {problem}")
        array = as_array(name, values)
        shape = (len(self.channels), *self.grid.shape)
        if array.ndim != 4 or array.shape[1:] != shape:
            raise ScoreError(
                f"The {name} has shape {array.shape}, wanted (sample, channel, latitude, "
                f"longitude) with {shape[0]} channels on the {self.grid} grid. Of an ensemble, "
                "give the mean of its members."
            )
        for sample, field in enumerate(array):
            bad = ~(np.abs(field) < FILL)
            if bad.any():
                channel, row, column = np.argwhere(bad)[0]
                raise ScoreError(
                    f"The {name} has {bad.sum()} values that are not finite, or fill values, in "
                    f"sample {sample} of this batch; the first is {field[channel, row, column]} in "
                    f"channel {self.channels[channel]!r}, latitude row {row}, longitude column "
                    f"{column}. A score needs every cell: nothing is skipped or filled."
                )
        return array

    def _named(self, values: np.ndarray) -> dict[str, Any]:
        return dict(zip(self.channels, values.tolist(), strict=True))
