"""Departures of a training split: what was measured less what the background says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dambench_hub.errors import DataError
from dambench_hub.estimation.mean_error import BLOCK_HOURS, repeating_part


@dataclass(frozen=True, eq=False)
class TrainingDepartures:
    """Departures d = o − H(x^b) of F modalities on N days, the days of some training errors.

    Attributes:
        names: Of the modalities, (F,).
        values: d, units of the modalities, float32, (N, F, Y, X), NaN where there is none.
        mean: The part of their mean that will repeat, (F, Y, X), 0 where there never was one.

    Raises:
        DataError: When shapes do not belong together.
    """

    names: tuple[str, ...]
    values: np.ndarray
    mean: np.ndarray

    def __post_init__(self) -> None:
        wanted = (len(self.names), *self.values.shape[-2:])
        if self.values.ndim != 4 or self.mean.shape != wanted or self.values.shape[1:] != wanted:
            raise DataError(
                f"Departures of {len(self.names)} modalities have shape (N, {len(self.names)}, Y, "
                f"X) and a mean of (Y, X) each, got {self.values.shape} and {self.mean.shape}."
            )

    @classmethod
    def of(cls, names: Sequence[str], values: np.ndarray, hours: np.ndarray) -> Self:
        """Departures with their mean, of which two halves of the days tell what will repeat.

        Args:
            names: Of the modalities, (F,).
            values: d, (N, F, Y, X).
            hours: Valid times, hours since 1970-01-01, (N,).
        """
        half = np.asarray(hours) // BLOCK_HOURS % 2
        parts = (half >= 0, half == 0, half == 1)
        mean, one, two = (mean_of_present(values[part]) for part in parts)
        return cls(tuple(names), values, repeating_part(mean, one, two))

    def only(self, names: Sequence[str]) -> TrainingDepartures:
        """Those of some modalities, as far as they are here and are ever measured."""
        chosen = [
            number
            for number, name in enumerate(self.names)
            if name in names and np.isfinite(self.values[:, number]).any()
        ]
        kept = tuple(self.names[number] for number in chosen)
        return TrainingDepartures(kept, self.values[:, chosen], self.mean[chosen])

    @cached_property
    def anomalies(self) -> np.ndarray:
        """−(d − mean): errors of the equivalents, weighted for gaps, float32, (N, F, Y, X).

        They are 0 where there is no departure, and the others are divided by how often there is one
        at their latitude. Their products with what has no gaps are then as without, on average.
        """
        values = self.mean - self.values.astype(np.float64)
        there = np.isfinite(values)
        share = there.mean(axis=(0, 3))[:, :, None]
        return np.where(there, values / np.where(share > 0, share, 1), 0).astype(np.float32)

    @cached_property
    def variance(self) -> np.ndarray:
        """Mean square of d − mean by latitude, (F, Y); NaN at latitudes where there is none."""
        squares = np.square(self.values.astype(np.float64) - self.mean)
        there = np.isfinite(squares)
        count = there.sum(axis=(0, 3))
        total = np.where(there, squares, 0).sum(axis=(0, 3))
        return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def mean_of_present(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is not NaN, float64; 0 where there is nothing."""
    there = np.isfinite(values)
    total = np.where(there, values, 0).sum(axis=0, dtype=np.float64)
    return total / np.maximum(there.sum(axis=0), 1)
