"""Gains of covariances that are at hand as operators only: conjugate gradients.

In the space of the observations or in that of controls, with P = U Uᵀ,

    K d = P Hᵀ w,   (H P Hᵀ + R) w = d
    K d = U v,      (I + Uᵀ Hᵀ R⁻¹ H U) v = Uᵀ Hᵀ R⁻¹ d

Innovations that are given together take the same steps, so that K is linear in them, however early
the iteration ends: those that add up to nothing have increments that do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.conjugate_gradients import TOLERANCE, conjugate_gradients
from dambench_hub.estimation.operators import Gain, LinearOperator

Operator = Callable[[np.ndarray], np.ndarray]
"""From an array to one of the same shape, linear."""


@dataclass(frozen=True, eq=False)
class ObservedPoints:
    """H: states, (S, C, Y, X), at grid points, (S, C, P).

    Attributes:
        grid: Y×X grid.
        index: Observed points, row-major: (P,), shared by all channels, or (C, P).
        seen: Which channels are seen at which points, boolean, (C, P); None for all. What is not
            seen is 0 in H x, and nothing in Hᵀ y.
    """

    grid: Grid
    index: np.ndarray
    seen: np.ndarray | None = None

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """H x."""
        flat = state.reshape(*state.shape[:2], -1)
        return self._told(flat[:, np.arange(flat.shape[1])[:, None], self.index])

    def adjoint(self, observations: np.ndarray) -> np.ndarray:
        """Hᵀ y."""
        size, channels, _ = observations.shape
        flat = np.zeros((size, channels, self.grid.size), observations.dtype)
        flat[:, np.arange(channels)[:, None], self.index] = self._told(observations)
        return flat.reshape(size, channels, *self.grid.shape)

    def by_latitude(self, channels: int) -> np.ndarray:
        """How many points of each channel are observed on each circle of latitude, (C, Y)."""
        shape = (channels, self.index.shape[-1])
        rows = np.broadcast_to(self.index // self.grid.longitudes, shape)
        seen = np.ones(shape, bool) if self.seen is None else self.seen
        return np.stack(
            [
                np.bincount(row[at], minlength=self.grid.latitudes)
                for row, at in zip(rows, seen, strict=True)
            ]
        )

    def _told(self, observations: np.ndarray) -> np.ndarray:
        """Observations, 0 where nothing is seen."""
        if self.seen is None:
            return observations
        return np.where(self.seen, observations, observations.dtype.type(0))


def gain_by_iteration(
    P: Operator,
    H: LinearOperator,
    error_std: np.ndarray,
    precondition: Operator,
    tolerance: float = TOLERANCE,
) -> Gain:
    """K by iteration in the space of the observations.

    Args:
        P: Covariance of states, (S, C, Y, X).
        H: From states to observations, (S, C, P).
        error_std: R½, positive, (C,); all is computed in its type.
        precondition: About (H P Hᵀ + R)⁻¹, of (S, C, P).
        tolerance: Reduction of the residual at which to stop.
    """
    R = error_std[:, None] ** 2

    def covariance(weights: np.ndarray) -> np.ndarray:
        return H(P(H.adjoint(weights))) + R * weights

    def gain(innovation: np.ndarray) -> np.ndarray:
        d = innovation.astype(R.dtype)
        return P(H.adjoint(conjugate_gradients(covariance, d, precondition, tolerance)))

    return gain


def gain_by_controls(
    U: LinearOperator,
    H: LinearOperator,
    error_std: np.ndarray,
    precondition: Operator,
    tolerance: float = TOLERANCE,
) -> Gain:
    """K by iteration in the space of the controls: fewer steps where P is known by its root.

    Args:
        U: Root of the covariance, from controls, (S, *control_shape), to states, (S, C, Y, X).
        H: From states to observations, (S, C, P).
        error_std: R½, positive, (C,); all is computed in its type.
        precondition: About (I + Uᵀ Hᵀ R⁻¹ H U)⁻¹, of controls.
        tolerance: Reduction of the residual at which to stop.
    """
    R = error_std[:, None] ** 2

    def to_controls(observations: np.ndarray) -> np.ndarray:
        return U.adjoint(H.adjoint(observations / R))

    def hessian(control: np.ndarray) -> np.ndarray:
        return control + to_controls(H(U(control)))

    def gain(innovation: np.ndarray) -> np.ndarray:
        right = to_controls(innovation.astype(R.dtype))
        return U(conjugate_gradients(hessian, right, precondition, tolerance))

    return gain


def diagonal_preconditioner(variance: np.ndarray, error_std: np.ndarray) -> Operator:
    """An inverse of H P Hᵀ + R that takes all observations as uncorrelated.

    Args:
        variance: Diagonal of H P Hᵀ, (C, P).
        error_std: R½, positive, (C,).
    """
    precision = (1 / (variance + error_std[:, None] ** 2)).astype(error_std.dtype)
    return lambda innovation: precision * innovation
