"""Gains of covariances that are at hand as operators only: conjugate gradients on observations.

    K d = P Hᵀ w,   (H P Hᵀ + R) w = d

Innovations that are given together take the same steps, so that K is linear in them, however early
the iteration ends: those that add up to nothing have increments that do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.conjugate_gradients import TOLERANCE, conjugate_gradients
from dambench_hub.estimation.operators import Gain

Operator = Callable[[np.ndarray], np.ndarray]
"""From an array to one of the same shape, linear."""


def gain_by_iteration(
    P: Operator,
    grid: Grid,
    index: np.ndarray,
    error_std: np.ndarray,
    precondition: Operator,
    tolerance: float = TOLERANCE,
) -> Gain:
    """K for observations at grid points.

    Args:
        P: Covariance of states, (S, C, Y, X).
        grid: Y×X grid.
        index: Observed points, row-major: (P,), shared by all channels, or (C, P).
        error_std: R½, positive, (C,); all is computed in its type.
        precondition: About (H P Hᵀ + R)⁻¹, of (S, C, P).
        tolerance: Reduction of the residual at which to stop.
    """
    R, channel = error_std[:, None] ** 2, np.arange(len(error_std))[:, None]

    def spread(weights: np.ndarray) -> np.ndarray:
        flat = np.zeros((len(weights), len(R), grid.size), R.dtype)
        flat[:, channel, index] = weights
        return P(flat.reshape(*flat.shape[:2], *grid.shape))

    def covariance(weights: np.ndarray) -> np.ndarray:
        state = spread(weights)
        return state.reshape(*state.shape[:2], -1)[:, channel, index] + R * weights

    def gain(innovation: np.ndarray) -> np.ndarray:
        d = innovation.astype(R.dtype)
        return spread(conjugate_gradients(covariance, d, precondition, tolerance))

    return gain


def diagonal_preconditioner(variance: np.ndarray, error_std: np.ndarray) -> Operator:
    """An inverse of H P Hᵀ + R that takes all observations as uncorrelated.

    Args:
        variance: Diagonal of H P Hᵀ, (C, P).
        error_std: R½, positive, (C,).
    """
    precision = (1 / (variance + error_std[:, None] ** 2)).astype(error_std.dtype)
    return lambda innovation: precision * innovation


def column_preconditioner(covariances: np.ndarray, error_std: np.ndarray) -> Operator:
    """An inverse of H P Hᵀ + R that takes different points as uncorrelated, but not channels.

    Args:
        covariances: P of the channels at each point, (P, C, C).
        error_std: R½, positive, (C,).
    """
    unit = error_std[:, None] * error_std
    precisions = np.linalg.inv(covariances / unit + np.eye(len(error_std))) / unit
    precisions = precisions.astype(error_std.dtype)
    return lambda innovation: (precisions @ innovation.transpose(2, 1, 0)).transpose(2, 1, 0)
