"""Where points anywhere lie among those of a grid: bilinear weights, and the nearest grid point.

A position is a row and a column, as fractions. The row of a pole holds one place at all longitudes,
and longitudes are periodic, so that every point on the sphere lies between four grid points.

Scalars have one value in the row of a pole. Components of the wind turn there with the meridian
along which they are given, and a report from the pole has a longitude to say which that is. Between
two meridians Δλ apart the components of such a vector are too small by up to Δλ² / 8: 0.1 % of
the wind at 5.6°.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.grids import Grid

ROUNDING = 1e-9
"""Of a spacing: points that are this near to a grid point lie on it."""


def bilinear_weights(
    grid: Grid, latitude: np.ndarray, longitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The four grid points around each point, and their weights.

    Args:
        grid: Y×X grid with poles.
        latitude: Degrees north, −90 to 90, (R,).
        longitude: Degrees east, (R,).

    Returns:
        Grid points, row-major y·X + x, int64, (R, 4); weights, float64, (R, 4), not negative, of
        sum 1. On a grid point its weight is 1, and the others are exactly 0.
    """
    row, column = _position(grid, latitude, longitude)
    north = np.minimum(np.floor(row), grid.latitudes - 2)
    west = np.floor(column)
    down, across = row - north, column - west
    rows = north[:, None] + np.array([0, 0, 1, 1])
    columns = (west[:, None] + np.array([0, 1, 0, 1])) % grid.longitudes
    vertical = np.stack([1 - down, 1 - down, down, down], axis=1)
    weights = vertical * np.stack([1 - across, across, 1 - across, across], axis=1)
    return (rows * grid.longitudes + columns).astype(np.int64), weights


def interpolate(
    field: np.ndarray, grid: Grid, latitude: np.ndarray, longitude: np.ndarray
) -> np.ndarray:
    """A field, (Y, X), at points, (R,), by `bilinear_weights`."""
    points, weights = bilinear_weights(grid, latitude, longitude)
    return (field.reshape(-1)[points] * weights).sum(axis=1)


def nearest_points(grid: Grid, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """The grid point in whose cell each point lies, row-major y·X + x, int64, (R,).

    Cells reach half way to the neighbours; those at a pole are sectors of its cap.
    """
    row, column = (np.floor(at + 0.5) for at in _position(grid, latitude, longitude))
    return (row * grid.longitudes + column % grid.longitudes).astype(np.int64)


def _position(
    grid: Grid, latitude: np.ndarray, longitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows from the north pole and columns from longitude 0, float64, (R,) each."""
    row = (90 - np.asarray(latitude, np.float64)) * ((grid.latitudes - 1) / 180)
    column = np.asarray(longitude, np.float64) % 360 * (grid.longitudes / 360)
    return _snapped(row), _snapped(column)


def _snapped(position: np.ndarray) -> np.ndarray:
    whole = np.rint(position)
    return np.where(np.abs(position - whole) < ROUNDING, whole, position)
