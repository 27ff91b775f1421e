"""Geostrophic wind against closed forms, differences between neighbours, and its directions."""

import numpy as np
import pytest

from dambench_hub.coordinates.constants import EARTH_RADIUS, ROTATION_RATE
from dambench_hub.coordinates.geostrophic_wind import GeostrophicWind
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis

GRID = Grid(33, 64)
SINE = np.sin(np.deg2rad(GRID.latitude))[:, None] * np.ones(64)
COSINE = np.cos(np.deg2rad(GRID.latitude))[:, None] * np.ones(64)
OFF_EQUATOR = GRID.latitude != 0


def test_solid_rotation_has_a_parabola_of_sine():
    """u = U cos φ balances Φ = −a Ω U sin² φ."""
    u, v = GeostrophicWind(GRID)(-EARTH_RADIUS * ROTATION_RATE * 20.0 * SINE**2 + 5e4)
    inner = OFF_EQUATOR & (np.abs(GRID.latitude) < 90)
    np.testing.assert_allclose(u[inner], 20 * COSINE[inner], rtol=1e-9)
    np.testing.assert_allclose(v[inner], 0, atol=1e-9)
    assert np.isnan(u[~OFF_EQUATOR]).all()


def test_wind_blows_along_heights_with_the_low_on_its_left_in_the_north():
    slope = GeostrophicWind(GRID)(1000 * COSINE * np.cos(np.deg2rad(GRID.longitude)))
    east = GRID.longitudes // 4  # where geopotential falls eastward
    north, south = np.searchsorted(-GRID.latitude, [-45, 45])
    assert slope[1][north, east] < 0 < slope[1][south, east]


def test_any_field_has_the_slope_of_its_neighbours(rng):
    """Centred differences converge to it with the square of the spacing."""
    order, degree = np.arange(1, 14)[:, None] // 2, np.arange(7)
    coefficients = rng.normal(size=(13, 7)) * (degree >= order) * 1e3
    errors = []
    for grid in Grid(41, 80), Grid(81, 160):
        z = Synthesis(grid, 13, 7, np.float64).scalar(coefficients)
        u, v = GeostrophicWind(grid)(z)
        rows = (np.abs(grid.latitude) > 15) & (np.abs(grid.latitude) < 80)
        rows &= grid.latitude % 4.5 == 0  # those that both grids have
        latitude = np.deg2rad(grid.latitude)
        f = 2 * ROTATION_RATE * np.sin(latitude[rows, None])
        northward = np.gradient(z, latitude, axis=0)[rows]
        eastward = (np.roll(z, -1, 1) - np.roll(z, 1, 1))[rows] / (4 * np.pi / grid.longitudes)
        wanted_u = -northward / (f * EARTH_RADIUS)
        wanted_v = eastward / (f * EARTH_RADIUS * np.cos(latitude[rows, None]))
        errors.append([np.std(u[rows] - wanted_u), np.std(v[rows] - wanted_v)])
    np.testing.assert_allclose(np.divide(*errors), 4, rtol=0.1)


def test_it_is_linear_in_leading_axes(rng):
    wind = GeostrophicWind(GRID)
    z = rng.normal(size=(2, 3, *GRID.shape))
    both = np.array(wind(z))[:, :, :, OFF_EQUATOR]
    one = np.array(wind(2 * z[1, 2]))[:, OFF_EQUATOR]
    assert both.shape == (2, 2, 3, 32, 64)
    assert one == pytest.approx(2 * both[:, 1, 2], rel=1e-9)
