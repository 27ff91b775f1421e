"""Observations of channels at shared points: an exact solve for a few modes at each point.

With them, single numbers can be observed elsewhere, such as departures of radiation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

SMALLEST_SINGULAR_VALUE = 1e-10
"""As a share of the largest; a mode that a point sees less well than this, it does not see."""


@dataclass(frozen=True, eq=False)
class _Alike:
    """Points that see the same channels.

    Attributes:
        points: Their numbers, (n,).
        place: Of their unknowns among those of all points.
        L: From what they tell to the modes, (K, r).
        numbers: Vᵀ R^(−½), what they tell of the observations, (r, C).
    """

    points: np.ndarray
    place: slice
    L: np.ndarray
    numbers: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(n, r)."""
        return len(self.points), self.L.shape[1]

    @property
    def size(self) -> int:
        """n·r."""
        return self.shape[0] * self.shape[1]


def column_solver(
    covariance: np.ndarray,
    modes: np.ndarray,
    error_std: np.ndarray,
    seen: np.ndarray | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """From innovations to weights of the modes' amplitudes: `joint_solver` without departures.

    Args:
        covariance: P of the amplitudes at the points, (P, P, K, K).
        modes: E, units of the channels, (C, K).
        error_std: R½, positive, (C,).
        seen: Which channels are seen at which points, boolean, (C, P); None for all.

    Returns:
        From (S, C, P), finite, to (P, K, S).
    """
    points, _, count, _ = covariance.shape
    none = np.empty((points, 0, count)), np.empty((0, 0))
    solve = joint_solver(covariance, *none, modes, error_std, seen)
    return lambda innovation: solve(innovation, np.empty((len(innovation), 0)))[0]


def joint_solver(
    covariance: np.ndarray,
    with_departures: np.ndarray,
    of_departures: np.ndarray,
    modes: np.ndarray,
    error_std: np.ndarray,
    seen: np.ndarray | None = None,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """From innovations and departures to weights of both, factorised once for all uses.

    A point's observations see its amplitudes a through the modes, y = E a + ε, in the channels that
    are seen there. With the singular values Eᵀ R^(−½) = L Vᵀ, V orthonormal, all that they say of a
    is h = Vᵀ R^(−½) y = Lᵀ a + noise of variance 1: no more numbers than modes, and fewer where few
    channels are seen. Departures d are single numbers, whose covariances with a are C, and D with
    each other. The weights of a best linear estimate are L v and u:

        (Lᵀ P L + I) v + Lᵀ C u = h
                Cᵀ L v +    D u = d

    Args:
        covariance: P of the amplitudes at the points, (P, P, K, K).
        with_departures: C, (P, Q, K).
        of_departures: D, with the covariance of their errors, (Q, Q).
        modes: E, units of the channels, (C, K).
        error_std: R½ of the observations of the channels, positive, (C,).
        seen: Which channels are seen at which points, boolean, (C, P); None for all.

    Returns:
        From (S, C, P) and (S, Q), both finite, to (P, K, S) and (Q, S).
    """
    seen = np.ones((len(modes), len(covariance)), bool) if seen is None else seen
    groups = _groups(modes, error_std, seen)
    size = groups[-1].place.stop if groups else 0
    whole = size + len(of_departures)
    system = np.empty((whole, whole))
    for one in groups:
        rows = system[one.place].reshape(*one.shape, whole)
        for point, row in zip(one.points, rows, strict=True):
            for other in groups:
                lagged = one.L.T @ covariance[point, other.points] @ other.L
                row[:, other.place] = lagged.transpose(1, 0, 2).reshape(len(row), other.size)
            row[:, size:] = one.L.T @ with_departures[point].T
    system[np.diag_indices(size)] += 1
    system[size:, :size], system[size:, size:] = system[:size, size:].T, of_departures
    factor = cho_factor(system, overwrite_a=True, check_finite=False)

    def solve(innovation: np.ndarray, departures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        by_point = innovation.transpose(2, 1, 0)
        told = np.empty((whole, len(innovation)))
        for one in groups:
            h = one.numbers @ by_point[one.points]
            told[one.place] = h.reshape(one.size, len(innovation))
        told[size:] = departures.T
        solved = cho_solve(factor, told)
        weights = np.empty((len(by_point), modes.shape[1], len(innovation)))
        for one in groups:
            v = solved[one.place].reshape(*one.shape, len(innovation))
            weights[one.points] = one.L @ v
        return weights, solved[size:]

    return solve


def _groups(modes: np.ndarray, error_std: np.ndarray, seen: np.ndarray) -> list[_Alike]:
    """The points, those together that see the same channels."""
    kinds, kind = np.unique(seen.T, axis=0, return_inverse=True)
    weighted, start, groups = (modes / error_std[:, None]).T, 0, []
    for number, channels in enumerate(kinds):
        U, singular, V = np.linalg.svd(channels * weighted, full_matrices=False)
        told = singular > SMALLEST_SINGULAR_VALUE * max(singular[0], np.finfo(float).tiny)
        points = np.flatnonzero(kind.reshape(-1) == number)
        stop = start + len(points) * int(told.sum())
        L, numbers = U[:, told] * singular[told], V[told] / error_std
        groups.append(_Alike(points, slice(start, stop), L, numbers))
        start = stop
    return groups
