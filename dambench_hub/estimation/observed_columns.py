"""Tables of observations as rows that see columns of the state, each between four grid points.

Bilinear in the horizontal and linear between levels, H is a product: what a row sees of the state
is what it sees, by its levels, of the column between the grid points around its place. So for a
covariance in modes the unknowns of an analysis are those of the columns, however many the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dambench_hub.estimation.operators import LinearOperator

Between = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Covariances of amplitudes between grid points (P,) and others (Q,), a new (P, Q, K, K)."""


@dataclass(frozen=True, eq=False)
class ObservedColumns:
    """R rows at P places, whose columns are weighted means of those of grid points.

    Attributes:
        points: The grid points around each place, row-major, (P, 4).
        weights: Of their columns, (P, 4).
        place: Of each row, (R,).
        levels: Weights of the channels in each row, (R, C); all 0 if it is not seen.
    """

    points: np.ndarray
    weights: np.ndarray
    place: np.ndarray
    levels: np.ndarray

    def covariance(self, between: Between) -> np.ndarray:
        """Of amplitudes at the places, (P, P, K, K), from that between grid points."""
        corners = list(zip(self.points.T, self.weights.T.astype(np.float32), strict=True))
        parts = (
            (between(one, other), np.multiply.outer(weight, another))
            for one, weight in corners
            for other, another in corners
        )
        total, weight = next(parts)
        total *= weight[:, :, None, None]
        for part, weight in parts:  # in place, as they are large
            part *= weight[:, :, None, None]
            total += part
        return total

    def at_grid_points(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hᵀ of weights at the places, (P, *): the grid points, (Q,), and their weights, (Q, *)."""
        points, number = np.unique(self.points, return_inverse=True)
        spread = np.zeros((len(points), *weights.shape[1:]))
        by_corner = number.reshape(self.points.shape).T
        for at, weight in zip(by_corner, self.weights.T, strict=True):
            np.add.at(spread, at, weight.reshape(-1, *[1] * (weights.ndim - 1)) * weights)
        return points, spread


class TableOperator(LinearOperator, Protocol):
    """H of a table, from states, (S, C, Y, X), to (S, R, 1), and its parts."""

    @property
    def columns(self) -> ObservedColumns:
        """Rows and columns of H."""
