"""Scores of a sample that need more than errors: spectra, regions, distances, balance, humidity.

Each is a score of its own, see its file; here they share one pass over the fields with `Scorer`,
which keeps the sums of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import largest_degree
from dambench_hub.coordinates.variables import are_known
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.distance_errors import DistanceErrors
from dambench_hub.metrics.harmonic_spectra import HarmonicSpectra
from dambench_hub.metrics.increment_balance import IncrementBalance
from dambench_hub.metrics.negative_humidity import NegativeHumidity
from dambench_hub.metrics.regions import RegionErrors
from dambench_hub.metrics.streaming import StreamingScore


@dataclass(frozen=True, eq=False)
class Parts:
    """The scores that channels and grid allow; None where they do not."""

    regions: RegionErrors
    distances: DistanceErrors
    spectra: HarmonicSpectra | None
    balance: IncrementBalance | None
    humidity: NegativeHumidity | None

    def statistics(
        self, analysis: np.ndarray, background: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """What is summed of fields (C, Y, X) themselves: balance and humidity."""
        found: dict[str, np.ndarray] = {}
        if self.humidity is not None:
            found |= prefixed("humidity", self.humidity.statistics(analysis))
        if self.balance is not None and background is not None:
            found |= prefixed("balance", self.balance.statistics(analysis, background))
        return found

    def compute(self, totals: Mapping[str, np.ndarray], samples: int) -> dict[str, Any]:
        """The scores whose statistics were summed, by the name of the score."""
        scores: dict[str, Any] = {}
        for part, name in NAMES.items():
            score: StreamingScore | None = getattr(self, part)
            own = {
                key.removeprefix(f"{part}."): total
                for key, total in totals.items()
                if key.startswith(f"{part}.")
            }
            if score is not None and own:
                found = score.with_sums(own, samples).compute()
                scores |= {name: found} if name else found
        return scores


NAMES = {
    "regions": "rmse_by_region",
    "distances": "rmse_by_distance",
    "spectra": "",
    "balance": "increment_balance",
    "humidity": "",
}
"""How scores are called; those without a name here have their own."""


def prefixed(part: str, statistics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Statistics by the names that they have among those of all parts."""
    return {f"{part}.{name}": values for name, values in statistics.items()}


@lru_cache(maxsize=4)
def parts_of(channels: tuple[str, ...], grid: Grid) -> Parts | None:
    """The scores for these channels on this grid; None where the channels are no variables.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.
    """
    if not are_known(channels):
        return None
    waves = largest_degree(grid) >= 1
    return Parts(
        regions=RegionErrors(channels, grid),
        distances=DistanceErrors(channels, grid),
        spectra=HarmonicSpectra(channels, grid) if waves else None,
        balance=_if_possible(IncrementBalance, channels, grid) if waves else None,
        humidity=_if_possible(NegativeHumidity, channels, grid),
    )


def _if_possible(kind: type[Any], channels: tuple[str, ...], grid: Grid) -> Any:
    try:
        return kind(channels, grid)
    except ScoreError:  # the channels that it is of are not there
        return None
