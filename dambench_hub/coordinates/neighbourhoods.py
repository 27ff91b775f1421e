"""Which points of a grid lie near others, along the surface of the Earth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid


def within_distance(points: np.ndarray, grid: Grid, radius_km: float) -> np.ndarray:
    """Which points of a grid have one of the given points within a great-circle distance.

    On each circle of latitude a neighbourhood is an interval of longitudes: a point of one row is
    near a given one of another if the gap to it in columns is at most the interval's half width.

    Args:
        points: The given points, boolean, (*, Y, X).
        grid: Y×X grid with poles.
        radius_km: The distance, included.

    Returns:
        Boolean, (*, Y, X); all False where no point is given.
    """
    widths, gaps = _half_widths(grid, radius_km), _gaps(points)
    found = np.zeros(points.shape, bool)
    rows = np.arange(grid.latitudes)
    for offset in range(1 - grid.latitudes, grid.latitudes):
        here = rows[max(0, -offset) : grid.latitudes - max(0, offset)]
        width = widths[here, here + offset]
        if np.any(width >= 0):
            near = gaps[..., here[0] + offset : here[-1] + offset + 1, :] <= width[:, None]
            found[..., here[0] : here[-1] + 1, :] |= near
    return found


def _gaps(points: np.ndarray) -> np.ndarray:
    """Columns to the nearest given point on the same circle, (*, Y, X), int16; X if there is none.

    X is farther than any half width.
    """
    X = points.shape[-1]
    columns = np.arange(3 * X, dtype=np.int32)
    around = np.concatenate([points, points, points], axis=-1)
    west = np.maximum.accumulate(np.where(around, columns, -X), axis=-1)
    reversed_ = np.where(around, columns, 4 * X)[..., ::-1]
    east = np.minimum.accumulate(reversed_, axis=-1)[..., ::-1]
    gaps = np.minimum(columns - west, east - columns)[..., X : 2 * X]
    return np.minimum(gaps, X).astype(np.int16)


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
