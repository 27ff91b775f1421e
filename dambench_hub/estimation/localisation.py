"""Localisation: how far an observation reaches, and which observations a column is in reach of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError

HALF_WIDTH = 1.82
"""c / L: with it the taper of half-width c looks like a Gaussian of length scale L."""

BLOCK_COLUMNS = 128
"""Columns that are analysed at a time: bounds memory, and keeps their common surroundings small."""


def gaspari_cohn(distance: np.ndarray, half_width: float) -> np.ndarray:
    """ρ, a correlation of compact support: 1 at no distance, 0 from twice the half-width on.

    Args:
        distance: d ≥ 0, any shape.
        half_width: c > 0, in the same units.

    References:
        Gaspari and Cohn (1999), Q. J. R. Meteorol. Soc. 125, 723-757, eq. 4.10.
    """
    z = np.asarray(distance, np.float64) / half_width
    near = np.polynomial.polynomial.polyval(z, [1, 0, -5 / 3, 5 / 8, 1 / 2, -1 / 4])
    far = np.polynomial.polynomial.polyval(z, [4, -5, 5 / 3, 5 / 8, -1 / 2, 1 / 12])
    far -= 2 / (3 * np.maximum(z, 1))
    return np.where(z <= 1, near, np.where(z < 2, np.maximum(far, 0), 0.0))


def great_circle_distances(
    first: np.ndarray, second: np.ndarray, radius: float = EARTH_RADIUS_KM
) -> np.ndarray:
    """Distances on the sphere between all pairs of two sets of unit vectors.

    Args:
        first: (J, 3).
        second: (P, 3).
        radius: Of the sphere, whose units the distances have: km for the Earth's.

    Returns:
        (J, P), 0 … π·radius.
    """
    return radius * np.arccos(np.clip(first @ second.T, -1, 1))


def chord_taper(first: np.ndarray, second: np.ndarray, half_width_km: float) -> np.ndarray:
    """ρ of the distance through the Earth between all pairs of two sets of unit vectors.

    Unlike that of the distance along the surface it is a correlation: positive semi-definite.

    Args:
        first: (J, 3).
        second: (P, 3).
        half_width_km: c of `gaspari_cohn`.

    Returns:
        (J, P).
    """
    chord = np.sqrt(np.maximum(2 - 2 * first @ second.T, 0))
    return gaspari_cohn(EARTH_RADIUS_KM * chord, half_width_km)


def zonal_taper(grid: Grid, half_width_km: float) -> np.ndarray:
    """`chord_taper` between (y, δ) and (y', 0) of a grid, (Y, Y', X)."""
    points = grid.unit_vectors()
    taper = chord_taper(points, points[:: grid.longitudes], half_width_km)
    return taper.reshape(*grid.shape, -1).transpose(0, 2, 1)


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Columns that lie together, and all points in reach of any of them.

    Attributes:
        columns: Their numbers, (J,).
        points: Numbers of the points, ascending, (P,).
        taper: ρ of each point at each column, (J, P), 0 where it is out of reach.
    """

    columns: np.ndarray
    points: np.ndarray
    taper: np.ndarray


@dataclass(frozen=True, eq=False)
class Localisation:
    """How much columns see of observed points, ρ = GC(d / c) with c = 1.82 L.

    Attributes:
        columns: Unit vectors of the columns to be analysed, (J, 3).
        points: Unit vectors of the observed points, (P, 3).
        length: L, the localisation length: ρ(L) is 0.6, ρ(3.64 L) is 0. np.inf: ρ is 1 everywhere.
        radius: Of the sphere, in units of the length; km for the Earth's.

    Raises:
        DataError: When the length is not positive.
    """

    columns: np.ndarray
    points: np.ndarray
    length: float
    radius: float = EARTH_RADIUS_KM

    def __post_init__(self) -> None:
        if not self.length > 0:
            raise DataError(f"A localisation length is more than 0, got {self.length:g}.")

    def taper(self, columns: np.ndarray, points: np.ndarray) -> np.ndarray:
        """ρ of each point at each column, given by their numbers, (J, P)."""
        distance = great_circle_distances(self.columns[columns], self.points[points], self.radius)
        return gaspari_cohn(distance, HALF_WIDTH * self.length)

    def neighbourhoods(self, size: int = BLOCK_COLUMNS) -> Iterator[Neighbourhood]:
        """All columns, each in exactly one neighbourhood of at most `size`.

        A neighbourhood is compact, so that its taper is a small matrix with few zeros: sums over
        the observations of each column are one product with it.
        """
        order = cKDTree(self.columns).indices
        reach = 2 * HALF_WIDTH * self.length / self.radius
        for start in range(0, len(order), size):
            columns = np.sort(order[start : start + size])
            nearest = (self.columns[columns] @ self.points.T).max(axis=0)
            inside = np.ones(len(nearest), bool) if reach >= np.pi else nearest > np.cos(reach)
            points = np.flatnonzero(inside)
            yield Neighbourhood(columns, points, self.taper(columns, points))


def require_resolved(length: float, spacing: float) -> None:
    """Refuse a localisation that most columns would see no observation through.

    Args:
        length: L.
        spacing: Distance of neighbouring grid points, same units.

    Raises:
        DataError: When L is shorter than the spacing.
    """
    if length < spacing:
        raise DataError(
            f"The localisation length is {length:g} km, grid points are {spacing:.0f} km apart: "
            "observations would not reach their neighbours. Make it longer."
        )
