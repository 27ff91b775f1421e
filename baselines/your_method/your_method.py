"""Successive corrections: a small method that stands where yours will."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from dambench_hub.data import Analysis, Batch
from dambench_hub.errors import TaskError
from dambench_hub.models import Assimilator

EARTH_RADIUS_KM = 6371.0

SMALLEST_RATIO = 1e-4
"""Of ε², so that observations without error can be assimilated, too."""


class YourMethod(Assimilator):
    """Corrects the background by the departures nearby, over shorter and shorter distances.

        x_g ← x_g + Σ_p w_gp (y_p − x_p) / (Σ_p w_gp + ε²),  w = (R² − r²) / (R² + r²) for r < R,

    once for each radius R, where r is the distance of grid point g from observation p and ε² the
    ratio of the variances of observation and background errors. Channels do not know each other.

    Args:
        background_error_std: Standard deviation of the background error, (C,), the channels' units.
        radii_km: R, in the order of the corrections.

    Raises:
        TaskError: When a radius is not positive.

    References:
        Cressman (1959), Mon. Wea. Rev. 87, 367-374; ε² as in Kalnay (2003), Atmospheric Modeling,
        Data Assimilation and Predictability, section 5.2.
    """

    name = "your_method"

    def __init__(
        self, background_error_std: np.ndarray, radii_km: Sequence[float] = (1500, 1000, 500)
    ) -> None:
        if not all(radius > 0 for radius in radii_km):
            raise TaskError(f"radii_km are greater than 0, got {radii_km}.")
        self.background_error_std, self.radii_km = background_error_std, radii_km

    @classmethod
    def fit(cls, training: Iterable[Batch], **options: Any) -> Self:
        """The method with the errors of the training split; options are the constructor's."""
        total, samples = 0.0, 0
        for batch in training:
            square_error = np.square(batch.background - batch.reference, dtype=np.float64)
            total += (batch.grid.weights[:, None] * square_error).mean(axis=(2, 3)).sum(axis=0)
            samples += len(batch)
        if not samples:
            raise TaskError(f"{cls.name} needs samples of the training split, got none.")
        return cls(np.sqrt(total / samples), **options)

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """The analysis of each sample; see `Assimilator.assimilate` for the rules."""
        ratio = np.square(batch.observation_error_std / self.background_error_std)
        ratio = np.maximum(ratio, SMALLEST_RATIO)
        points = batch.grid.unit_vectors()
        mean = np.empty_like(batch.background)
        for n in range(len(batch)):
            # A column a channel: one product with the weights corrects all of them.
            observed, values, state = (
                fields[n].reshape(len(batch.channels), -1).T
                for fields in (batch.observed, batch.observations, batch.background)
            )
            somewhere = observed.any(axis=1)
            observed, values = observed[somewhere], values[somewhere]
            for radius_km in self.radii_km:
                weights = cressman_weights(points, points[somewhere], radius_km)
                departures = np.where(observed, values - state[somewhere], 0.0)
                state = state + weights @ departures / (weights @ observed + ratio)
            mean[n] = state.T.reshape(mean[n].shape)
        return Analysis(mean=mean, time=batch.time)


def cressman_weights(points: np.ndarray, observed: np.ndarray, radius_km: float) -> csr_array:
    """Of all pairs that are closer than R, w, sparse, (G, P).

    Args:
        points: Unit vectors of the grid points, (G, 3).
        observed: Those of the observations, (P, 3).
        radius_km: R; distances go straight through the Earth.
    """
    radius = radius_km / EARTH_RADIUS_KM
    near = cKDTree(points).sparse_distance_matrix(cKDTree(observed), radius, output_type="ndarray")
    square = near["v"] ** 2
    weights = (radius**2 - square) / (radius**2 + square)
    return csr_array((weights, (near["i"], near["j"])), shape=(len(points), len(observed)))
