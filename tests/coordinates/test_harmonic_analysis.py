"""Analysis undoes synthesis where the grid holds the degrees, and nearly ignores the others."""

import numpy as np
import pytest
from scipy.special import sph_harm_y

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis, largest_degree
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.errors import GridError

GRIDS = [(Grid(33, 64), 21), (Grid(61, 120), 40), (Grid(121, 240), 60), (Grid(9, 8), 2)]


def coefficients(largest, rng, leading=(2,), first_degree=0):
    """Random ones with triangular truncation."""
    degree, order = np.arange(largest + 1), np.arange(1, 2 * largest + 2)[:, None] // 2
    valid = degree >= np.maximum(order, first_degree)
    return rng.standard_normal((*leading, 2 * largest + 1, largest + 1)) * valid


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("grid", "largest"), GRIDS, ids=str)
def test_scalars_come_back(grid, largest, rng):
    wanted = coefficients(largest, rng)
    field = Synthesis(grid, 2 * largest + 1, largest + 1, np.float64).scalar(wanted)
    found = HarmonicAnalysis(grid, largest).scalar(field)
    np.testing.assert_allclose(found, wanted, atol=1e-11)


@pytest.mark.parametrize(("grid", "largest"), GRIDS, ids=str)
def test_winds_come_back(grid, largest, rng):
    vorticity, divergence = coefficients(largest, rng, (2, 3), first_degree=1)
    wind = Synthesis(grid, 2 * largest + 1, largest + 1, np.float64).wind(vorticity, divergence)
    found = HarmonicAnalysis(grid, largest).wind(*wind)
    np.testing.assert_allclose(found, [vorticity, divergence], atol=1e-11)


def test_single_precision_stays_single(rng):
    wanted = coefficients(21, rng).astype(np.float32)
    grid = Grid(33, 64)
    field = Synthesis(grid, 43, 22).scalar(wanted)
    found = HarmonicAnalysis(grid, 21, np.float32).scalar(field)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_coefficients_are_those_of_harmonics_of_unit_norm():
    grid = Grid(33, 64)
    polar, longitude = np.deg2rad(90 - grid.latitude)[:, None], np.deg2rad(grid.longitude)
    found = HarmonicAnalysis(grid, 5).scalar(np.sqrt(2) * sph_harm_y(4, 3, polar, longitude).real)
    wanted = np.zeros_like(found)
    wanted[5, 4] = 1  # order 3, cosine
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_smaller_scales_alias_little(rng):
    """Degrees beyond the fit's leave at most a tenth of their variance in it."""
    grid = Grid(33, 64)
    field = Synthesis(grid, 61, 31, np.float64).scalar(coefficients(30, rng, first_degree=22))
    aliased = HarmonicAnalysis(grid, 21).scalar(field)
    power = (field**2 * grid.weights[:, None]).mean() * 4 * np.pi
    assert (aliased**2).sum(axis=(-2, -1)).mean() < 0.1 * power


def test_no_wind_comes_from_no_wind_at_all():
    vorticity, divergence = HarmonicAnalysis(Grid(9, 16), 3).wind(*np.zeros((2, 9, 16)))
    assert not vorticity.any() and not divergence.any()


@pytest.mark.parametrize("grid", [(33, 64, 21), (61, 120, 40), (121, 240, 80), (33, 16, 7)])
def test_largest_degree(grid):
    assert largest_degree(Grid(*grid[:2])) == grid[2]


@pytest.mark.parametrize("largest", [0, 22])
def test_degrees_the_grid_does_not_hold_are_refused(largest):
    with pytest.raises(GridError, match=f"33x64 grid holds degrees up to 21, asked for {largest}"):
        HarmonicAnalysis(Grid(33, 64), largest)


@pytest.mark.parametrize(("grid", "largest"), GRIDS[:2], ids=str)
def test_adjoints(grid, largest, rng):
    analysis = HarmonicAnalysis(grid, largest)
    u, v = rng.standard_normal((2, 3, *grid.shape))
    shape = (3, 2 * largest + 1, largest + 1)
    vorticity, divergence = rng.standard_normal((2, *shape))
    found = analysis.wind(u, v)
    back = analysis.wind_adjoint(vorticity, divergence)
    expected = np.vdot(found[0], vorticity) + np.vdot(found[1], divergence)
    np.testing.assert_allclose(np.vdot(u, back[0]) + np.vdot(v, back[1]), expected, rtol=1e-10)
    expected = np.vdot(analysis.scalar(u), vorticity)
    np.testing.assert_allclose(np.vdot(u, analysis.scalar_adjoint(vorticity)), expected, rtol=1e-10)
