"""C½ C½ᵀ is the taper that `chord_taper` has on the grid, but for what is truncated."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.localisation import HALF_WIDTH, chord_taper
from dambench_hub.estimation.spectral_taper import SpectralTaper

GRID = Grid(9, 16)


@pytest.mark.parametrize("length", [2600.0, 6000.0, np.inf])
def test_it_is_a_root_of_the_taper(length):
    root = SpectralTaper(GRID, length, np.float64)
    identity = np.eye(GRID.size).reshape(-1, *GRID.shape)
    came = root(root.adjoint(identity)).reshape(GRID.size, -1)
    points = GRID.unit_vectors()
    wanted = chord_taper(points, points, HALF_WIDTH * length)
    np.testing.assert_allclose(came, wanted, atol=2e-3)
    np.testing.assert_allclose(np.diagonal(came), 1, atol=1e-10)


def test_the_shortest_that_a_grid_resolves_ends_before_the_degrees_that_are_looked_at():
    grid = Grid(121, 240)
    spectrum = SpectralTaper(grid, 170.0).spectrum
    assert 60 < len(spectrum) < 2 * grid.latitudes and np.all(spectrum >= 0)


def test_adjoint(rng):
    root = SpectralTaper(GRID, 3000.0, np.float64)
    control, field = rng.normal(size=(2, *root.control_shape)), rng.normal(size=(2, *GRID.shape))
    np.testing.assert_allclose(
        np.vdot(root(control), field), np.vdot(control, root.adjoint(field)), rtol=1e-10
    )
