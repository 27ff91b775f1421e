"""Neighbourhoods against the distances of all pairs of points."""

import numpy as np
import pytest

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.neighbourhoods import within_distances


@pytest.mark.parametrize("radius_km", [1, 500, 1500, 6000, 30_000])
@pytest.mark.parametrize("grid", [Grid(33, 64), Grid(16, 27)], ids=str)
def test_distances_are_those_of_all_pairs(grid, radius_km, rng):
    points = rng.random((3, *grid.shape)) < np.array([0.002, 0.02, 0.2])[:, None, None]
    points[0, 0, 3] = points[1, -1, 0] = True  # a place at each pole
    cosines = np.clip(grid.unit_vectors() @ grid.unit_vectors().T, -1, 1)
    distance = EARTH_RADIUS_KM * np.arccos(cosines)
    expected = [
        (distance[:, given.ravel()] <= radius_km + 1e-3).any(axis=1).reshape(grid.shape)
        for given in points
    ]
    np.testing.assert_array_equal(within_distances(points, grid, [radius_km])[0], expected)


def test_no_point_is_near_none():
    assert not within_distances(np.zeros((9, 16), bool), Grid(9, 16), [1e5]).any()
