"""Gains of covariances that are at hand as operators only: conjugate gradients.

In the space of the observations or in that of controls, with P = U Uᵀ,

    K d = P Hᵀ w,   (H P Hᵀ + R) w = d
    K d = U v,      (I + Uᵀ Hᵀ R⁻¹ H U) v = Uᵀ Hᵀ R⁻¹ d

H is any linear operator, from states (S, C, Y, X) to observations (S, M, P): M kinds of which each
has one error, such as channels at P points, or rows of a table, each a kind of one point.

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
        H: From states to observations, (S, M, P).
        error_std: R½, positive, (M,); all is computed in its type.
        precondition: About (H P Hᵀ + R)⁻¹, of (S, M, P).
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
        H: From states to observations, (S, M, P).
        error_std: R½, positive, (M,); all is computed in its type.
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
        variance: Diagonal of H P Hᵀ, (M, P).
        error_std: R½, positive, (M,).
    """
    precision = (1 / (variance + error_std[:, None] ** 2)).astype(error_std.dtype)
    return lambda innovation: precision * innovation


def observed_profile(H: LinearOperator, profile: np.ndarray, grid: Grid) -> np.ndarray:
    """What H sees, (M, P), of a state that is the same along circles of latitude, (C, Y) or (C,).

    Of standard deviations it is about those of H x, as its values lie near each other.
    """
    state = np.broadcast_to(profile.reshape(len(profile), -1, 1), (len(profile), *grid.shape))
    return H(state[None])[0]


def observed_scale(H: LinearOperator, scale: np.ndarray, grid: Grid) -> np.ndarray:
    """Of each kind of observation, from those of the channels, (C,) to (M,); 0 if none is seen."""
    return observed_profile(H, scale, grid).max(axis=-1, initial=0)


def precision_by_latitude(
    H: LinearOperator, error_std: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """How precisely the circles of latitude are observed, Σ Hᵀ R⁻¹ H 1 over longitudes, (C, Y).

    Args:
        H: From states to observations, (S, M, P).
        error_std: R½, positive, (M,).
        shape: Of a state, (C, Y, X).
    """
    seen = H(np.ones((1, *shape), error_std.dtype))
    return H.adjoint(seen / error_std[:, None] ** 2)[0].sum(axis=-1)


def reduction_to(tolerance: float, error_std: np.ndarray, scale: np.ndarray) -> float:
    """Reduction of the residual that leaves a tolerance in units of the observations' errors.

    Args:
        tolerance: That is wanted.
        error_std: R½, positive, (M,).
        scale: Size of what is observed, (M,); 0 for what is not seen.
    """
    seen = scale > 0
    if not seen.any():
        return tolerance
    return tolerance * float(np.sqrt(np.mean((error_std[seen] / scale[seen]) ** 2)))
