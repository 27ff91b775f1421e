"""Scores of an analysis that says how sure it is: a Gaussian of given mean and deviation."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

from dambench_hub.errors import ScoreError
from dambench_hub.metrics.fields import weighted_mean
from dambench_hub.metrics.streaming import StreamingScore


def gaussian_crps(mean: np.ndarray, deviation: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of a Gaussian N(μ, s²).

        CRPS = s · (ω (2 Φ(ω) − 1) + 2 φ(ω) − 1/√π),   ω = (x − μ) / s

    Args:
        mean: μ, (*).
        deviation: s ≥ 0, (*), same units; where it is 0, CRPS = |x − μ|.
        reference: x, (*), same units.

    Returns:
        (*), float64, same units; ≥ 0, and smaller is better. NaN where a value is.

    References:
        Gneiting et al. (2005), Mon. Wea. Rev. 133, 1098-1118, equation 5.
    """
    error = np.subtract(reference, mean, dtype=np.float64)
    s = np.asarray(deviation, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        omega = error / s
        inside = error * erf(omega / math.sqrt(2))
        density = math.sqrt(2 / math.pi) * np.exp(-(omega**2) / 2)
        crps = inside + s * (density - 1 / math.sqrt(math.pi))
    return np.where(s == 0, np.abs(error), crps)


class GaussianCrps(StreamingScore):
    """`gaussian_crps` by channel, fed batch by batch.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
    """

    def update(self, mean: np.ndarray, deviation: np.ndarray, reference: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            mean: μ, (N, C, Y, X), physical units.
            deviation: s, the standard deviation of the analysis's own error, (N, C, Y, X).
            reference: x, (N, C, Y, X).

        Raises:
            ScoreError: When shapes or labels do not fit, a value is not finite or a fill value, or
                a standard deviation is negative.
        """
        self._add(mean=mean, deviation=deviation, reference=reference)

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Weighted mean of one sample's scores, (C,)."""
        if (smallest := fields[1].min()) < 0:
            raise ScoreError(f"A standard deviation is not negative, got {smallest}.")
        crps = np.stack([gaussian_crps(*channel) for channel in zip(*fields, strict=True)])
        return {"crps": weighted_mean(crps.mean(axis=-1), self.grid.weights)}

    def compute(self) -> dict[str, dict[str, float]]:
        """`crps` by channel, the mean over sphere and samples, physical units.

        Raises:
            ScoreError: When nothing was added.
        """
        return {"crps": self._named(self.mean("crps"))}
