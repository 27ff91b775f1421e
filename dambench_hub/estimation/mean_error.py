"""The mean of errors, of which only what will repeat is a bias."""

from __future__ import annotations

import numpy as np

BLOCK_HOURS = 240
"""Errors of two such blocks of time are taken as independent."""


class MeanError:
    """Running sums of errors, for their mean; memory does not grow with the number of samples.

    Args:
        shape: Of one error, with the channels first, (C, *).
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.sums = np.zeros((2, *shape))
        self.counts = np.zeros(2, int)

    def add(self, error: np.ndarray, hours: int) -> None:
        """Take in one sample.

        Args:
            error: float64, (C, *).
            hours: Valid time, hours since 1970-01-01.
        """
        half = hours // BLOCK_HOURS % 2
        self.counts[half] += 1
        self.sums[half] += error

    @property
    def count(self) -> int:
        """How many samples there were."""
        return int(self.counts.sum())

    @property
    def mean(self) -> np.ndarray:
        """Mean error, (C, *)."""
        return self.sums.sum(axis=0) / self.count

    @property
    def bias(self) -> np.ndarray:
        """The part of the mean error that will repeat, (C, *), see `repeating_part`.

        Blocks of ten days make, by turns, the two estimates; it is 0 where all samples are from the
        same ten days.
        """
        mean = self.mean
        if not self.counts.all():
            return np.zeros_like(mean)
        one, two = (total / count for total, count in zip(self.sums, self.counts, strict=True))
        return repeating_part(mean, one, two)


def repeating_part(mean: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """What will repeat of a mean, m · (m₁·m₂ / m·m), channel by channel.

    The factor is 1 where two estimates m₁ and m₂ agree, and 0 where m is sampling error.

    Args:
        mean: m, (C, *).
        one: m₁, a mean over half of the samples, (C, *).
        two: m₂, over the other half, nearly independent of it, (C, *).
    """
    axes = tuple(range(1, mean.ndim))
    signal = (one * two).sum(axis=axes, keepdims=True)
    total = (mean**2).sum(axis=axes, keepdims=True)
    share = np.divide(signal, total, out=np.zeros_like(total), where=total > 0)
    return np.clip(share, 0, 1) * mean
