"""Errors by distance from the observations: at them, near, between, and far.

An analysis that only copies observations is right at observed points and nowhere else; one that
knows the covariances of its background is better hundreds of kilometres away.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.neighbourhoods import within_distance
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.streaming import StreamingScore

NEAR_KM = 500.0
"""Up to which distance a point that is not observed is near one that is."""
FAR_KM = 1500.0
"""Beyond which distance from all observed points a point is far."""

CLASSES = ("at", "near", "between", "far")


class DistanceErrors(StreamingScore):
    """Root-mean-square error by distance from observed points, fed batch by batch.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
    """

    def update(self, analysis: np.ndarray, reference: np.ndarray, observed: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X), physical units; of an ensemble, its mean.
            reference: x, (N, C, Y, X).
            observed: Boolean, True where there is an observation: (N, Y, X) for all channels
                together, or (N, C, Y, X).

        Raises:
            ScoreError: When shapes or labels do not fit, a value is not finite or a fill value, or
                `observed` is not boolean.
        """
        mask = np.asarray(observed)
        if mask.dtype != bool or mask.ndim not in (3, 4):
            raise ScoreError(
                "observed must be boolean, (sample, latitude, longitude) or (sample, channel, "
                f"latitude, longitude), got {mask.dtype} of shape {mask.shape}."
            )
        if mask.ndim == 3:
            shape = (len(mask), len(self.channels), *mask.shape[1:])
            mask = np.broadcast_to(mask[:, None], shape)
        self._add(analysis=analysis, reference=reference, observed=mask.astype(np.uint8))

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Weighted sums of one sample's squares and of weights by class, (classes, C) each."""
        analysis, reference, observed = fields
        at = observed.astype(bool)
        near, not_far = (within_distance(at, self.grid, radius) for radius in (NEAR_KM, FAR_KM))
        masks = np.stack([at, near & ~at, not_far & ~near, ~not_far])
        square = np.subtract(analysis, reference, dtype=np.float64) ** 2
        weights = self.grid.weights
        return {
            "square": np.einsum("kcyx,cyx,y->kc", masks, square, weights),
            "weight": masks.sum(axis=-1) @ weights,
        }

    def compute(self) -> dict[str, dict[str, float]]:
        """Area-weighted RMSE pooled over samples, physical units.

        Returns:
            `at` observed points; `near`, up to `NEAR_KM` from one; `between`; and `far`, beyond
            `FAR_KM` from all; then by channel. A channel without such a point is absent.

        Raises:
            ScoreError: When nothing was added.
        """
        square, weight = self.mean("square"), self.mean("weight")
        return {
            name: {
                channel: float(np.sqrt(square[k, c] / weight[k, c]))
                for c, channel in enumerate(self.channels)
                if weight[k, c] > 0
            }
            for k, name in enumerate(CLASSES)
        }
