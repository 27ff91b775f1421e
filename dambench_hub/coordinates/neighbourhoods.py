"""Which points of a grid lie near others, along the surface of the Earth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid


def within_distance(points: np.ndarray, grid: Grid, radius_km: float) -> np.ndarray:
    """Which points of a grid have one of the given points within a great-circle distance.

    On each circle of latitude a neighbourhood is an interval of longitudes, so that running counts
    along the circles answer it for all points of a row at once.

    Args:
        points: The given points, boolean, (*, Y, X).
        grid: Y×X grid with poles.
        radius_km: The distance, included.

    Returns:
        Boolean, (*, Y, X); all False where no point is given.
    """
    widths, X = _half_widths(grid, radius_km), grid.longitudes
    around = np.concatenate([points, points, points], axis=-1)
    counts = np.zeros((*points.shape[:-1], 3 * X + 1), np.int32)
    np.cumsum(around, axis=-1, out=counts[..., 1:])
    found = np.zeros(points.shape, bool)
    for row, other in np.argwhere(widths >= 0):
        width = widths[row, other]
        east = counts[..., other, X + width + 1 : 2 * X + width + 1]
        west = counts[..., other, X - width : 2 * X - width]
        found[..., row, :] |= east > west
    return found


@lru_cache(maxsize=8)
def _half_widths(grid: Grid, radius_km: float) -> np.ndarray:
    """Columns that a neighbourhood of a point of one row reaches along another, (Y, Y), or −1."""
    latitude = np.deg2rad(grid.latitude)
    longitude = np.deg2rad(grid.longitude[: grid.longitudes // 2 + 1])
    cosine = np.cos(latitude)
    haversine = (
        np.sin((latitude[:, None] - latitude) / 2)[..., None] ** 2
        + (cosine[:, None] * cosine)[..., None] * np.sin(longitude / 2) ** 2
    )
    reach = np.sin(min(radius_km / (2 * EARTH_RADIUS_KM), np.pi / 2)) ** 2
    return (haversine <= reach).sum(axis=-1) - 1
