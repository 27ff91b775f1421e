"""Bilinear weights anywhere on the sphere, and cells of grid points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.coordinates.bilinear import bilinear_weights, interpolate, nearest_points
from dambench_hub.coordinates.grids import Grid

GRIDS = [Grid(9, 16), Grid(33, 64), Grid(4, 7), Grid(121, 240)]
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 720)


@settings(max_examples=200, deadline=None)
@given(latitude=latitudes, longitude=longitudes, grid=st.sampled_from(GRIDS))
def test_weights_are_a_mean_of_the_points_around(latitude, longitude, grid):
    (points,), (weights,) = bilinear_weights(grid, np.array([latitude]), np.array([longitude]))
    assert np.all(weights >= 0) and np.isclose(weights.sum(), 1)
    assert points.min() >= 0 and points.max() < grid.size
    rows, columns = np.divmod(points, grid.longitudes)
    used = weights > 0
    assert np.all(np.abs(grid.latitude[rows] - latitude)[used] < 180 / (grid.latitudes - 1))
    away = (grid.longitude[columns] - longitude + 180) % 360 - 180
    assert np.all(np.abs(away)[used] < 360 / grid.longitudes)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_a_grid_point_is_itself(grid):
    latitude, longitude = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    points, weights = bilinear_weights(grid, latitude.ravel(), longitude.ravel())
    assert np.all(weights.max(axis=1) == 1) and np.all(np.sort(weights, axis=1)[:, :3] == 0)
    np.testing.assert_array_equal(points[weights == 1], range(grid.size))
    nearest = nearest_points(grid, latitude.ravel(), longitude.ravel())
    np.testing.assert_array_equal(nearest, range(grid.size))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_exact_for_what_is_linear_between_grid_points(grid, rng):
    """Linear in latitude at any longitude, and in longitude between two columns, date line too."""
    latitude, longitude = rng.uniform(-90, 90, 500), rng.uniform(0, 360, 500)
    field = np.broadcast_to(3 - 2 * grid.latitude[:, None], grid.shape)
    np.testing.assert_allclose(interpolate(field, grid, latitude, longitude), 3 - 2 * latitude)
    triangle = np.abs((grid.longitude + 180) % 360 - 180)
    field = np.broadcast_to(triangle, grid.shape)
    # The triangle bends at 0 and 180 degrees, which are columns of grids with even ones.
    away = np.abs((longitude + 180) % 360 - 180)
    inside = np.abs(away - 90) < 90 - 360 / grid.longitudes
    np.testing.assert_allclose(
        interpolate(field, grid, latitude, longitude)[inside], away[inside], atol=1e-9
    )


def test_at_a_pole_a_scalar_has_one_value(rng):
    field = rng.normal(size=(9, 16))
    field[0] = 5.0
    np.testing.assert_allclose(
        interpolate(field, Grid(9, 16), np.full(9, 90.0), rng.uniform(0, 360, 9)), 5
    )


def test_a_wind_over_the_pole_turns_with_its_meridian():
    """One vector in space, seen as eastward and northward along any meridian."""
    grid = Grid(33, 64)
    east = np.deg2rad(grid.longitude)
    # At the north pole, (u, v) of the wind that blows along the x axis of space.
    u, v = (np.broadcast_to(f, grid.shape) for f in (-np.sin(east), -np.cos(east)))
    longitude = np.linspace(0, 359, 77)
    seen = [interpolate(f, grid, np.full(77, 90.0), longitude) for f in (u, v)]
    angle = np.deg2rad(longitude)
    along, across = (
        -np.sin(angle) * seen[0] - np.cos(angle) * seen[1],
        np.cos(angle) * seen[0] - np.sin(angle) * seen[1],
    )
    np.testing.assert_allclose(along, 1, atol=(2 * np.pi / 64) ** 2 / 8)
    np.testing.assert_allclose(across, 0, atol=1e-3)


def test_the_date_line_is_a_column_like_others(rng):
    grid, field = Grid(9, 16), rng.normal(size=(9, 16))
    latitude, longitude = rng.uniform(-90, 90, 40), rng.uniform(0, 360, 40)
    turned = interpolate(np.roll(field, 3, axis=1), grid, latitude, longitude + 3 * 360 / 16)
    np.testing.assert_allclose(turned, interpolate(field, grid, latitude, longitude))
    west, east = (
        interpolate(field, grid, np.zeros(1), np.array([at])) for at in (-1e-6, 360 - 1e-6)
    )
    np.testing.assert_allclose(west, east)


@settings(max_examples=200, deadline=None)
@given(latitude=latitudes, longitude=longitudes, grid=st.sampled_from(GRIDS))
def test_a_point_is_at_most_half_a_cell_from_its_grid_point(latitude, longitude, grid):
    (point,) = nearest_points(grid, np.array([latitude]), np.array([longitude]))
    row, column = divmod(int(point), grid.longitudes)
    assert abs(grid.latitude[row] - latitude) <= 90 / (grid.latitudes - 1) + 1e-6
    away = (grid.longitude[column] - longitude + 180) % 360 - 180
    assert abs(away) <= 180 / grid.longitudes + 1e-6
