"""Observations of columns at points: an exact solve for a few modes at each point.

With them, single numbers can be observed elsewhere, such as departures of radiation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from dambench_hub.estimation.observed_columns import ObservedColumns

SMALLEST_SINGULAR_VALUE = 1e-10
"""As a share of the largest; a mode that a point sees less well than this, it does not see."""


@dataclass(frozen=True, eq=False)
class _Alike:
    """Points that see the same channels, with the same errors.

    Attributes:
        points: Their numbers, (n,).
        rows: Their observations among those of all points, (n, m).
        place: Of their unknowns among those of all points.
        L: From what they tell to the modes, (K, r).
        numbers: Vᵀ R^(−½), what they tell of the observations, (r, m).
    """

    points: np.ndarray
    rows: np.ndarray
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
    solve = _solver(covariance, with_departures, of_departures, groups)
    return lambda innovation, departures: solve(innovation.reshape(len(innovation), -1), departures)


def row_solver(
    covariance: np.ndarray, columns: ObservedColumns, modes: np.ndarray, error_std: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The same as `column_solver` for the rows of a table, whose errors are their own.

    Args:
        covariance: P of the amplitudes at the places of the columns, (P, P, K, K).
        columns: What the R rows see.
        modes: E, units of the channels, (C, K).
        error_std: R½ of the rows, positive, (R,).

    Returns:
        From (S, R), finite, to (P, K, S).
    """
    points, _, count, _ = covariance.shape
    groups = _groups_of_rows(modes, error_std, columns)
    none = np.empty((points, 0, count)), np.empty((0, 0))
    solve = _solver(covariance, *none, groups)
    return lambda innovation: solve(innovation, np.empty((len(innovation), 0)))[0]


def _solver(
    covariance: np.ndarray,
    with_departures: np.ndarray,
    of_departures: np.ndarray,
    groups: list[_Alike],
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """From innovations in a row, (S, n), and departures, (S, Q), to (P, K, S) and (Q, S)."""
    points, _, count, _ = covariance.shape
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
        told = np.empty((whole, len(innovation)))
        for one in groups:
            h = one.numbers @ innovation.T[one.rows]
            told[one.place] = h.reshape(one.size, len(innovation))
        told[size:] = departures.T
        solved = cho_solve(factor, told)
        weights = np.zeros((points, count, len(innovation)))
        for one in groups:
            v = solved[one.place].reshape(*one.shape, len(innovation))
            weights[one.points] = one.L @ v
        return weights, solved[size:]

    return solve


def _groups(modes: np.ndarray, error_std: np.ndarray, seen: np.ndarray) -> list[_Alike]:
    """The points, those together that see the same channels."""
    kinds, kind = np.unique(seen.T, axis=0, return_inverse=True)
    rows = np.arange(seen.size).reshape(seen.shape).T
    together = (np.flatnonzero(kind.reshape(-1) == number) for number in range(len(kinds)))
    sights = (channels[:, None] * modes for channels in kinds)
    return _alike(
        (points, rows[points], sight, error_std)
        for points, sight in zip(together, sights, strict=True)
    )


def _groups_of_rows(
    modes: np.ndarray, error_std: np.ndarray, columns: ObservedColumns
) -> list[_Alike]:
    """The places that see something, those together whose rows are alike."""
    seen = np.flatnonzero(columns.levels.any(axis=1))
    seen = seen[np.argsort(columns.place[seen], kind="stable")]
    places, first = np.unique(columns.place[seen], return_index=True)
    groups: dict[bytes, list[tuple[int, np.ndarray]]] = {}
    for place, rows in zip(places, np.split(seen, first)[1:], strict=True):
        key = columns.levels[rows].tobytes() + error_std[rows].tobytes()
        groups.setdefault(key, []).append((place, rows))
    found = []
    for members in groups.values():
        rows = np.stack([own for _, own in members])
        sight, std = columns.levels[rows[0]] @ modes, error_std[rows[0]]
        found.append((np.array([place for place, _ in members]), rows, sight, std))
    return _alike(found)


def _alike(
    groups: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
) -> list[_Alike]:
    """Groups of points, rows, what rows see of the modes, (m, K), and their R½, (m,)."""
    start, found = 0, []
    for points, rows, sight, std in groups:
        U, singular, V = np.linalg.svd((sight / std[:, None]).T, full_matrices=False)
        told = singular > SMALLEST_SINGULAR_VALUE * max(singular[0], np.finfo(float).tiny)
        stop = start + len(points) * int(told.sum())
        L, numbers = U[:, told] * singular[told], V[told] / std
        found.append(_Alike(points, rows, slice(start, stop), L, numbers))
        start = stop
    return found
