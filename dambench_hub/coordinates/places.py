"""Places on the Earth as points on the unit sphere, and distances between them."""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import unit_vectors


def on_unit_sphere(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Unit vectors, (*, 3), of latitudes and longitudes in degrees, (*)."""
    return unit_vectors(np.deg2rad(latitude), np.deg2rad(longitude))


def chord(distance_km: float) -> float:
    """The straight line, in radii of the Earth, between places `distance_km` apart on its surface.

    A search for neighbours in space finds by it those on the sphere, over poles and date line.
    """
    return float(2 * np.sin(min(distance_km / (2 * EARTH_RADIUS_KM), np.pi / 2)))


def distance_km(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Along the surface of the Earth between unit vectors, (*, 3) each: km, (*)."""
    half = np.linalg.norm(one - other, axis=-1) / 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(half, 1.0))
