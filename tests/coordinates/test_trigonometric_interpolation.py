"""Trigonometric interpolation: exact for spectral fields, and through the values of the grid."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid, unit_vectors
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.coordinates.trigonometric_interpolation import trigonometric_interpolation

GRIDS = [Grid(33, 64), Grid(24, 45), Grid(25, 44), Grid(33, 63)]
DEGREES = 22
"""L: truncation at degree 21."""


def interpolated(fields, latitude, longitude, grid, winds):
    return trigonometric_interpolation(fields, grid, latitude, longitude, np.array(winds))


def coefficients(rng):
    order = np.arange(1, 2 * DEGREES) // 2
    spectral = rng.normal(size=(2 * DEGREES - 1, DEGREES))
    return np.where(np.arange(DEGREES) >= order[:, None], spectral, 0)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_spectral_scalars_are_exact_anywhere(grid, rng):
    c = coefficients(rng)
    fine = Grid(61, 90)
    wanted = Synthesis(fine, *c.shape, np.float64).scalar(c)
    field = Synthesis(grid, *c.shape, np.float64).scalar(c)
    latitude, longitude = np.meshgrid(fine.latitude, fine.longitude, indexing="ij")
    found = interpolated(field[None], latitude.ravel(), longitude.ravel(), grid, [False])
    np.testing.assert_allclose(found.reshape(fine.shape), wanted, atol=1e-9)


def wind(grid):
    """A rotation about a slanted axis, stronger here than there, at all points of a grid."""
    latitude, longitude = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    r = unit_vectors(phi, lam)
    vector = np.cross([0.3, -0.5, 0.8], r) * (1 + r[..., :1] * r[..., 1:2] ** 4 - r[..., 2:] ** 7)
    east = np.stack([-np.sin(lam), np.cos(lam), 0 * lam], axis=-1)
    return np.stack([(vector * east).sum(-1), (vector * np.cross(r, east)).sum(-1)])


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_winds_are_exact_anywhere(grid):
    fine = Grid(61, 90)
    latitude, longitude = np.meshgrid(fine.latitude, fine.longitude, indexing="ij")
    found = interpolated(wind(grid), latitude.ravel(), longitude.ravel(), grid, [True, True])
    np.testing.assert_allclose(found.reshape(2, *fine.shape), wind(fine), atol=1e-12)


@pytest.mark.parametrize("grid", [Grid(9, 16), Grid(8, 15)], ids=str)
def test_grid_points_give_their_values(grid, rng):
    field = rng.normal(size=(2, *grid.shape))
    field[:, [0, -1]] = field[:, [0, -1], :1]
    latitude, longitude = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    found = interpolated(field, latitude.ravel(), longitude.ravel(), grid, [False, True])
    np.testing.assert_allclose(found.reshape(field.shape), field, atol=1e-12)
