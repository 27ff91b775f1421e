"""A sample of background errors from a training split, as large as memory allows."""

from __future__ import annotations

import numpy as np

from dambench_hub.estimation.mean_error import MeanError

MOST = 720
"""Errors kept by default; all of them count for the mean error."""


class TrainingErrors:
    """Errors e = background − reference, evenly thinned when there are many, and their bias.

    Further fields of a sample, such as departures, can be kept beside its error.

    Args:
        most: How many are kept. When there are more, it is every second one, then every fourth …
    """

    def __init__(self, most: int = MOST) -> None:
        self.most, self._stride, self._seen = most, 1, 0
        self._kept: list[np.ndarray] = []
        self._beside: list[np.ndarray] = []
        self._hours: list[int] = []
        self.sums: MeanError | None = None

    def add(self, error: np.ndarray, hours: int, beside: np.ndarray | None = None) -> None:
        """Take in one sample.

        Args:
            error: e, (C, Y, X).
            hours: Valid time, hours since 1970-01-01.
            beside: What is kept with it, of any shape; all samples have it, or none.
        """
        if self.sums is None:
            self.sums = MeanError(error.shape)
        self.sums.add(error, hours)
        if self._seen % self._stride == 0:
            if len(self._kept) == self.most:
                self._kept, self._hours = self._kept[::2], self._hours[::2]
                self._beside = self._beside[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._kept.append(error.astype(np.float32))
                self._hours.append(hours)
                if beside is not None:
                    self._beside.append(beside.astype(np.float32))
        self._seen += 1

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def hours(self) -> np.ndarray:
        """Valid times of the errors kept, hours since 1970-01-01, (N,)."""
        return np.array(self._hours)

    @property
    def beside(self) -> np.ndarray:
        """What was kept with the errors, float32, (N, *)."""
        return np.stack(self._beside)

    @property
    def bias(self) -> np.ndarray:
        """The part of the mean error that will repeat, (C, Y, X)."""
        assert self.sums is not None
        return self.sums.bias

    def deviations(self) -> np.ndarray:
        """E − bias of the errors kept, float32, (N, C, Y, X)."""
        return np.stack(self._kept) - self.bias.astype(np.float32)
