"""What the spread of an ensemble says of the error of its unperturbed run, on average and by day.

Spread over error is a matter of size. That members know *where* a forecast goes wrong *today* is
another: after the mean over time is removed at each point, the correlation of spread and |error|
is what weather and not network or climate makes of them. It is far from 1 even for a perfect
ensemble: with e ~ N(0, s²) and s known exactly, varying by a share c of its mean, it is about
0.8 c / √(1 + c² − 0.64), that is 0.27 for c = 0.2 and 0.44 for c = 0.4.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.metrics.fields import weighted_mean
from dambench_hub.metrics.streaming import StreamingScore


class SpreadError(StreamingScore):
    """Spread over error and their correlation, fed batch by batch.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
    """

    def update(self, spread: np.ndarray, error: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            spread: Standard deviation over members (ddof = 1), (N, C, Y, X).
            error: Unperturbed forecast − reference, same units, (N, C, Y, X).

        Raises:
            ScoreError: When shapes or labels do not fit, or a value is not finite or a fill value.
        """
        self._add(spread=spread, error=error)

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Products of one sample at each point, (C, Y, X)."""
        s, e = (field.astype(np.float64) for field in fields)
        size = np.abs(e)
        return {"s": s, "|e|": size, "e": e, "ss": s * s, "ee": e * e, "s|e|": s * size}

    def compute(self) -> dict[str, dict[str, float]]:
        """The figures so far, by channel.

        Returns:
            `spread_error`, √(mean of s²) / √(mean of e²), area-weighted; `correlation` of s and |e|
            over all points and samples after removal of each point's mean over samples, weighted
            by area, 0 where either does not vary; `bias_share`, the mean error's share of the mean
            square error: a mean over few samples has some of the errors' chance in it.

        Raises:
            ScoreError: When nothing was added.
        """
        s, size, e, ss, ee, product = map(self.mean, ("s", "|e|", "e", "ss", "ee", "s|e|"))
        # |e|² is e²: its mean has no part of its own.
        covariance, s_variance, size_variance = map(
            self._by_area, (product - s * size, ss - s * s, ee - size * size)
        )
        spread, error = self._by_area(ss), self._by_area(ee)
        vary = (s_variance > ROUNDING * spread) & (size_variance > ROUNDING * error)
        scale = np.sqrt(np.where(vary, s_variance * size_variance, 1))
        return {
            "spread_error": self._named(np.sqrt(spread / error)),
            "correlation": self._named(np.where(vary, covariance / scale, 0)),
            "bias_share": self._named(self._by_area(e * e) / error),
        }

    def _by_area(self, field: np.ndarray) -> np.ndarray:
        """Mean over the sphere, (C, Y, X) to (C,)."""
        return weighted_mean(field.mean(axis=-1), self.grid.weights)


ROUNDING = 1e-12
"""Variances below this part of the mean squares are rounding."""
