"""Sums over samples that add, whatever the batch, the order and the process they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from dambench_hub.errors import ScoreError

SERIES = ("square", "square_weighted", "background_square")
"""Statistics that are kept of each sample, too: intervals and paired comparisons need them."""


@dataclass(eq=False)
class Sums:
    """Sums of the statistics of samples, and what must agree for two of them to add.

    Attributes:
        shape: (C, Y, X) of every sample.
        members: Ensemble size M; None for a deterministic analysis.
        weights: Latitude weights w_y that went into the statistics, (Y,).
        given: What came with every sample beside analysis and reference: `background` ….
        totals: Sum over samples of each statistic, by name; its first axis is most often (C,).
        series: Those of `SERIES` of each sample, in the order they came, (C,) each.
    """

    shape: tuple[int, int, int]
    members: int | None
    weights: np.ndarray
    given: frozenset[str] = frozenset()
    totals: dict[str, np.ndarray] = field(default_factory=dict)
    series: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.series.get("square", ()))

    def include(self, statistics: Mapping[str, np.ndarray]) -> None:
        """Add one sample."""
        self.totals = _added(self.totals, statistics)
        for name in SERIES:
            if name in statistics:
                self.series.setdefault(name, []).append(statistics[name])

    def mean(self, name: str) -> np.ndarray:
        """Mean over samples of the statistic of this name.

        Raises:
            ScoreError: When there is no sample.
        """
        if not len(self):
            raise ScoreError("There is nothing to score yet: no sample was added.")
        return self.totals[name] / len(self)

    def by_sample(self, name: str) -> np.ndarray:
        """One of `SERIES` by sample, (N, C); (0, C) where samples do not have it."""
        return np.array(self.series.get(name, [])).reshape(-1, self.shape[0])

    def require_same(self, other: Sums) -> None:
        """Refuse to add what does not belong together.

        Raises:
            ScoreError: When shape, ensemble size, latitudes, or what comes with samples differ.
        """
        if self.shape != other.shape:
            raise ScoreError(
                f"Fields of (channel, latitude, longitude) = {other.shape} cannot join fields of "
                f"{self.shape}. Score each grid and channel list on its own."
            )
        if self.members != other.members:
            raise ScoreError(
                f"{_ensemble(other.members)} cannot join {_ensemble(self.members)}: "
                "every sample must have the same members."
            )
        if self.given != other.given:
            differing = ", ".join(sorted(self.given ^ other.given))
            raise ScoreError(
                f"Some samples have {differing} and others do not. Give it with every sample, or "
                "with none."
            )
        self.require_weights(other.weights)

    def require_weights(self, weights: np.ndarray) -> None:
        """Refuse latitudes that are not those of the samples.

        Raises:
            ScoreError: When the weights differ.
        """
        if not np.array_equal(self.weights.shape, weights.shape) or not np.allclose(
            self.weights, weights, rtol=1e-6, atol=1e-6
        ):
            raise ScoreError(
                "The samples so far were weighted with other latitudes. Give the latitude before "
                "the first sample: Scorer(latitude=…) or "
                'evaluate.load("dambench_metrics", latitude=…).'
            )

    def __add__(self, other: Sums) -> Sums:
        self.require_same(other)
        totals = _added(self.totals, other.totals)
        names = {*self.series, *other.series}
        series = {name: self.series.get(name, []) + other.series.get(name, []) for name in names}
        return Sums(self.shape, self.members, self.weights, self.given, totals, series)


def _added(
    totals: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Totals by name; either side may still be empty."""
    if not totals or not others:
        return dict(totals or others)
    return {name: total + others[name] for name, total in totals.items()}


def _ensemble(members: int | None) -> str:
    return "an analysis without members" if members is None else f"an ensemble of {members}"
