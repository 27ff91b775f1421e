"""Which points of a grid lie near others, along the surface of the Earth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid


def within_distances(points: np.ndarray, grid: Grid, radii_km: Sequence[float]) -> np.ndarray:
    """Which points of a grid have one of the given points within great-circle distances.

    On each circle of latitude a neighbourhood is an interval of longitudes: a point of one row is
    near a given one of another if the gap to it in columns is at most the interval's half width.

    Args:
        points: The given points, boolean, (*, Y, X).
        grid: Y×X grid with poles.
        radii_km: The distances, included.

    Returns:
        Boolean, (radii, *, Y, X); all False where no point is given.
    """
    gaps = _gaps(points)
    found = np.zeros((len(radii_km), *points.shape), bool)
    for near, radius_km in zip(found, radii_km, strict=True):
        widths, farthest = _half_widths(grid, radius_km)
        for offset in range(-farthest, farthest + 1):
            here = slice(max(0, -offset), grid.latitudes - max(0, offset))
            there = slice(here.start + offset, here.stop + offset)
            width = widths.diagonal(offset)
            near[..., here, :] |= gaps[..., there, :] <= width[:, None]
    return found


def _gaps(points: np.ndarray) -> np.ndarray:
    """Columns to the nearest given point on the same circle, (*, Y, X), int16; X if there is none.

    X is farther than any half width.
    """
    X, half = points.shape[-1], points.shape[-1] // 2
    around = np.concatenate([points[..., X - half :], points, points[..., :half]], axis=-1)
    around = np.moveaxis(around, -1, 0).copy()  # steps along the first axis are the fast ones
    column = np.arange(len(around), dtype=np.int32).reshape(-1, *[1] * (points.ndim - 1))
    west = np.maximum.accumulate(np.where(around, column, -X), axis=0)
    east = np.minimum.accumulate(np.where(around, column, 3 * X)[::-1], axis=0)[::-1]
    gaps = np.minimum(np.minimum(column - west, east - column)[half : half + X], X)
    return np.moveaxis(gaps, 0, -1).astype(np.int16, order="C")


@lru_cache(maxsize=8)
def _half_widths(grid: Grid, radius_km: float) -> tuple[np.ndarray, int]:
    """Columns that a neighbourhood of a point of one row reaches along another, (Y, Y), or −1.

    And how many rows it reaches.
    """
    latitude = np.deg2rad(grid.latitude)
    longitude = np.deg2rad(grid.longitude[: grid.longitudes // 2 + 1])
    cosine = np.cos(latitude)
    haversine = (
        np.sin((latitude[:, None] - latitude) / 2)[..., None] ** 2
        + (cosine[:, None] * cosine)[..., None] * np.sin(longitude / 2) ** 2
    )
    reach = np.sin(min(radius_km / (2 * EARTH_RADIUS_KM), np.pi / 2)) ** 2
    widths = ((haversine <= reach).sum(axis=-1) - 1).astype(np.int16)
    here, there = np.nonzero(widths >= 0)
    return widths, int(np.abs(here - there).max())
