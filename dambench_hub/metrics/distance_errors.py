"""Errors by distance from the observations: at them, near, between, and far.

An analysis that only copies observations is right at observed points and nowhere else; one that
knows the covariances of its background is better hundreds of kilometres away.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dambench_hub.coordinates.neighbourhoods import within_distances
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
        shape = (len(np.asarray(analysis)), len(self.channels), *self.grid.shape)
        mask = require_mask(observed, shape)
        self._add(analysis=analysis, reference=reference, observed=mask.astype(np.uint8))

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Weighted sums of one sample's squares and of weights by class, (classes, C) each."""
        analysis, reference, observed = fields
        weights = self.weights(observed.astype(bool))
        square = np.empty((len(CLASSES), len(self.channels)))
        for c, of_channel in enumerate(weights):
            error = np.subtract(analysis[c], reference[c], dtype=np.float64)
            square[:, c] = of_channel @ (error * error).ravel()
        return {"square": square, "weight": np.stack([w.sum(axis=-1) for w in weights], axis=-1)}

    def weights(self, observed: np.ndarray) -> list[np.ndarray]:
        """Area weights of the points of each class, (classes, Y·X), for each channel.

        Args:
            observed: Boolean, of one sample, (C, Y, X); channels observed alike share an array.
        """
        if not observed.strides[0]:  # one mask for all
            return [self._weights(observed[0])] * len(observed)
        known: dict[bytes, np.ndarray] = {}
        weights = []
        for at in observed:
            key = np.packbits(at).tobytes()
            if key not in known:
                known[key] = self._weights(at)
            weights.append(known[key])
        return weights

    def _weights(self, at: np.ndarray) -> np.ndarray:
        near, not_far = within_distances(at, self.grid, (NEAR_KM, FAR_KM))
        masks = np.stack([at, near & ~at, not_far & ~near, ~not_far])
        return (masks * self.grid.weights[:, None]).reshape(len(CLASSES), -1)

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


def require_mask(observed: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Observed points of each channel, boolean, of a shape (N, C, Y, X).

    Args:
        observed: Boolean, (N, Y, X) for all channels together, or (N, C, Y, X).
        shape: That of the fields.

    Raises:
        ScoreError: When it is not boolean, or of another shape.
    """
    mask = np.asarray(observed)
    if mask.dtype != bool or mask.shape not in (shape, (shape[0], *shape[2:])):
        raise ScoreError(
            "observed must be boolean, (sample, latitude, longitude) or (sample, channel, "
            f"latitude, longitude), got {mask.dtype} of shape {mask.shape} for fields of {shape}."
        )
    return mask if mask.ndim == 4 else np.broadcast_to(mask[:, None], shape)
