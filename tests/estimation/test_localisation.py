"""Tapers are correlations of compact support, and neighbourhoods miss no observation."""

import numpy as np
import pytest

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.localisation import (
    HALF_WIDTH,
    Localisation,
    chord_taper,
    gaspari_cohn,
    great_circle_distances,
    require_resolved,
    zonal_taper,
)

GRID = Grid(17, 32)


def test_the_taper_has_published_values():
    """Gaspari and Cohn (1999), eq. 4.10, at d = 0, c/2, c, 3c/2 and 2c."""
    values = gaspari_cohn(np.array([0, 0.5, 1, 1.5, 2, 7]), 1.0)
    half = 1 - 5 / 12 + 5 / 64 + 1 / 32 - 1 / 128
    far = 4 - 5 * 1.5 + 5 / 3 * 1.5**2 + 5 / 8 * 1.5**3 - 1.5**4 / 2 + 1.5**5 / 12 - 2 / 4.5
    np.testing.assert_allclose(values, [1, half, 5 / 24, far, 0, 0], atol=1e-14)


def test_the_taper_is_smooth_and_falls():
    distance = np.linspace(0, 2.2, 22001)
    values = gaspari_cohn(distance, 1.0)
    slope = np.diff(values) / np.diff(distance)
    assert np.all(np.diff(values) <= 1e-15) and values.min() == 0
    assert np.abs(np.diff(slope)).max() < 4e-4


def test_with_the_half_width_it_is_like_a_gaussian():
    distance = np.linspace(0, 4, 100)
    difference = gaspari_cohn(distance, HALF_WIDTH) - np.exp(-(distance**2) / 2)
    assert np.abs(difference).max() < 0.035


def test_distances_on_the_earth():
    points = GRID.unit_vectors().reshape(*GRID.shape, 3)
    pole, equator, beside = points[0, 0], points[8, 0], points[8, 1]
    found = great_circle_distances(pole[None], np.stack([pole, equator, -pole]))
    np.testing.assert_allclose(found, [np.array([0, 0.5, 1]) * np.pi * EARTH_RADIUS_KM], atol=1e-3)
    step = great_circle_distances(equator[None], beside[None])
    np.testing.assert_allclose(step, 2 * np.pi * EARTH_RADIUS_KM / 32)


@pytest.mark.parametrize("half_width", [2000.0, 5000.0, np.inf])
def test_a_taper_through_the_earth_is_a_correlation(half_width):
    points = GRID.unit_vectors()
    taper = chord_taper(points, points, half_width)
    assert np.linalg.eigvalsh(taper).min() > -1e-6
    np.testing.assert_allclose(np.diagonal(taper), 1, atol=1e-12)
    lagged = zonal_taper(GRID, half_width)
    assert lagged.shape == (17, 17, 32)
    y, x, other = 4, 7, 30
    wanted = taper.reshape(*GRID.shape, *GRID.shape)[y, x, :, other]
    np.testing.assert_allclose(lagged[y, :, (x - other) % 32], wanted, atol=1e-12)


@pytest.mark.parametrize("length", [700.0, 2500.0, 9000.0, np.inf])
@pytest.mark.parametrize("size", [7, 1000])
def test_neighbourhoods_have_each_column_once_and_all_that_it_sees(rng, length, size):
    columns = GRID.unit_vectors()
    points = columns[rng.choice(GRID.size, 40, replace=False)]
    everything = np.zeros((GRID.size, 40))
    count = np.zeros(GRID.size, int)
    for near in Localisation(columns, points, length).neighbourhoods(size):
        assert len(near.columns) <= size
        everything[np.ix_(near.columns, near.points)] = near.taper
        count[near.columns] += 1
    assert np.all(count == 1)
    wanted = gaspari_cohn(great_circle_distances(columns, points), HALF_WIDTH * length)
    np.testing.assert_allclose(everything, wanted, atol=1e-12)


def test_a_small_neighbourhood_leaves_far_points_out(rng):
    columns = GRID.unit_vectors()
    near = Localisation(columns, columns, 1000.0).neighbourhoods(20)
    assert all(len(one.points) < GRID.size / 2 for one in near)


def test_lengths_that_localise_nothing_are_refused():
    with pytest.raises(DataError, match="more than 0, got 0"):
        Localisation(GRID.unit_vectors(), GRID.unit_vectors(), 0.0)
    with pytest.raises(DataError, match="100 km, grid points are 625 km apart"):
        require_resolved(100.0, 625.1)
    require_resolved(700.0, 625.1)
