"""Are the backgrounds of a data set those of a forecast centre? Their errors, and their ensemble.

A background error that assimilation can learn something from is neither too small nor mostly bias,
stays the same from the first day of a split to the last, and is known in part by the ensemble's
spread: by how much, where, and when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dambench_hub.data.dataset import Data
from dambench_hub.errors import DataError
from dambench_hub.metrics.harmonic_spectra import HarmonicSpectra
from dambench_hub.metrics.spread_error import SpreadError
from dambench_hub.runtime.progress import track


@dataclass(frozen=True, eq=False)
class BackgroundQuality:
    """The figures of one split.

    Attributes:
        split: Its name.
        channels: Names of the C channels.
        mse: `mse` of the background at each time, (N,).
        spread_error: Spread over error by channel, see `SpreadError`.
        correlation: Of spread and |error| after removal of time means, by channel.
        bias_share: Of the mean error in the mean square error, by channel.
        error_power: Power of the errors over that of the reference, by name (`vorticity500` and
            `divergence500` for wind) and degree 1 …; None where there is no power.
        rms_error: Root of the mean square error over time, (C, Y, X), units of the channels.
        rms_spread: The same of the spread.
        points_per_degree_of_freedom: Observed points over the coefficients of a field, (N + 1)².
    """

    split: str
    channels: tuple[str, ...]
    mse: np.ndarray
    spread_error: dict[str, float]
    correlation: dict[str, float]
    bias_share: dict[str, float]
    error_power: dict[str, list[float | None]]
    rms_error: np.ndarray
    rms_spread: np.ndarray
    points_per_degree_of_freedom: float

    @property
    def drift(self) -> float:
        """`mse` of the last third of the days over that of the first, less 1."""
        third = len(self.mse) // 3
        return float(self.mse[-third:].mean() / self.mse[:third].mean() - 1)

    def to_dict(self) -> dict[str, Any]:
        """What the card says, as JSON; numbers by channel as their mean and range."""
        by_channel = {
            "spread_error": self.spread_error,
            "correlation": self.correlation,
            "bias_share": self.bias_share,
        }
        return {
            "split": self.split,
            "days": len(self.mse),
            "mse": float(self.mse.mean()),
            "drift": self.drift,
            "points_per_degree_of_freedom": self.points_per_degree_of_freedom,
        } | {name: _mean_and_range(values) for name, values in by_channel.items()}


def background_quality(data: Data, split: str, truncation: int | None = None) -> BackgroundQuality:
    """Read backgrounds, references and members of a split once.

    Args:
        data: A data set with an ensemble in this split.
        split: Its name.
        truncation: Largest degree of the model; None for what the grid holds.

    Raises:
        DataError: When the split has no ensemble, fewer than 3 days, or a shard cannot be read.
    """
    days = data.size(split)
    if days < 3:
        raise DataError(f"{split} has {days} days; thirds of a split need at least 3.")
    channels, grid = data.channels, data.grid
    figures, spectra = SpreadError(channels, grid), HarmonicSpectra(channels, grid, truncation)
    std, mse = data.statistics.std[:, None, None], np.empty(days)
    for n in track(range(days), days, f"Backgrounds of {split}"):
        members = data.members(split, n, ["background_members"])["background_members"]
        example = data.example(split, n, ["background", "reference"])
        background, reference = (
            example[name].astype(np.float64) for name in ("background", "reference")
        )
        error, spread = background - reference, members.std(axis=0, ddof=1, dtype=np.float64)
        mse[n] = np.mean((error / std) ** 2)
        figures.update(spread[None], error[None])
        spectra.update(background[None], reference[None])
    found, points = figures.compute(), data.manifest.observations.points(grid)
    return BackgroundQuality(
        split=split,
        channels=tuple(channels),
        mse=mse,
        spread_error=found["spread_error"],
        correlation=found["correlation"],
        bias_share=found["bias_share"],
        error_power=_error_power(spectra.compute()),
        rms_error=np.sqrt(figures.mean("ee")),
        rms_spread=np.sqrt(figures.mean("ss")),
        points_per_degree_of_freedom=points / (spectra.largest + 1) ** 2,
    )


def _error_power(spectra: dict[str, dict[str, list[float | None]]]) -> dict[str, Any]:
    """1 + ratio − 2 coherence √ratio, see `harmonic_spectra`."""

    def power(ratio: float | None, coherence: float | None) -> float | None:
        if ratio is None or coherence is None:
            return None
        return max(0.0, 1 + ratio - 2 * coherence * ratio**0.5)

    return {
        name: list(map(power, ratios, spectra["coherence"][name]))
        for name, ratios in spectra["power_ratio"].items()
    }


def _mean_and_range(values: dict[str, float]) -> dict[str, float]:
    numbers = np.array(list(values.values()))
    return {"mean": float(numbers.mean()), "min": float(numbers.min()), "max": float(numbers.max())}
