import numpy as np
import pytest
from scipy.special import sph_harm_y

from dambench_hub.coordinates.constants import EARTH_RADIUS
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis, fourier, legendre

GRID = Grid(33, 64)
M, L = 6, 8


def one_harmonic(order_index, degree):
    coefficients = np.zeros((2 * M - 1, L))
    coefficients[order_index, degree] = 1
    return coefficients


@pytest.mark.parametrize(("order", "degree"), [(0, 0), (0, 5), (1, 1), (3, 4), (5, 7)])
def test_harmonics_are_those_of_scipy(order, degree):
    polar = np.deg2rad(90 - GRID.latitude)[:, None]
    longitude = np.deg2rad(GRID.longitude)[None, :]
    complex_harmonic = sph_harm_y(degree, order, polar, longitude)
    synthesis = Synthesis(GRID, 2 * M - 1, L)
    if order == 0:
        parts = {0: complex_harmonic.real}
    else:
        parts = {
            2 * order - 1: np.sqrt(2) * complex_harmonic.real,
            2 * order: np.sqrt(2) * complex_harmonic.imag,
        }
    for index, expected in parts.items():
        field = synthesis.scalar(one_harmonic(index, degree))
        np.testing.assert_allclose(field, expected, atol=2e-6)


def test_basis_is_orthonormal():
    nodes, weights = np.polynomial.legendre.leggauss(12)
    p = legendre(M, L, nodes)
    for m in range(M):
        gram = np.einsum("y,yk,yl->kl", weights, p[m, :, m:], p[m, :, m:])
        np.testing.assert_allclose(gram, np.eye(L - m), atol=1e-12)
    f = fourier(M, 64)
    np.testing.assert_allclose(f @ f.T * 2 * np.pi / 64, np.eye(2 * M - 1), atol=1e-12)


def test_poles_have_one_value(rng):
    field = Synthesis(GRID, 2 * M - 1, L).scalar(rng.standard_normal((3, 2 * M - 1, L)))
    assert field.shape == (3, *GRID.shape)
    assert np.ptp(field[:, [0, -1]], axis=-1).max() < 1e-5


def test_solid_rotation():
    """Vorticity 2 Ω sin φ is a wind u = Ω a cos φ."""
    omega = 1e-5
    vorticity = one_harmonic(0, 1) * 2 * omega / np.sqrt(3 / (4 * np.pi))
    u, v = Synthesis(GRID, 2 * M - 1, L).wind(vorticity, np.zeros_like(vorticity))
    expected = omega * EARTH_RADIUS * np.cos(np.deg2rad(GRID.latitude))
    np.testing.assert_allclose(u[1:-1], np.tile(expected[1:-1, None], 64), rtol=1e-5)
    assert np.abs(u[[0, -1]]).max() < 0.2  # a tenth of a degree from the pole
    assert np.abs(v).max() < 1e-5


def test_wind_has_its_vorticity_and_divergence(rng):
    """Centred differences of the wind on a fine grid give back what it was made from."""
    grid = Grid(721, 1440)
    synthesis = Synthesis(grid, 2 * M - 1, L)
    degree = np.arange(L)
    order = np.arange(1, 2 * M)[:, None] // 2
    valid = (degree >= np.maximum(order, 1)) & (degree < L - 1)
    vorticity, divergence = 1e-5 * rng.standard_normal((2, 2 * M - 1, L)) * valid
    u, v = (field.astype(np.float64) for field in synthesis.wind(vorticity, divergence))
    phi = np.deg2rad(grid.latitude)
    cosine, dlambda = np.cos(phi)[:, None], 2 * np.pi / 1440

    def along(field):
        return (np.roll(field, -1, 1) - np.roll(field, 1, 1)) / (2 * dlambda)

    inside = slice(60, -60)
    scale = EARTH_RADIUS * cosine
    made = (along(v) - np.gradient(u * cosine, phi, axis=0)) / scale
    spread = (along(u) + np.gradient(v * cosine, phi, axis=0)) / scale
    expected = synthesis.scalar(np.stack([vorticity, divergence]))
    np.testing.assert_allclose(made[inside], expected[0][inside], atol=2e-7)
    np.testing.assert_allclose(spread[inside], expected[1][inside], atol=2e-7)


def test_wind_is_a_vector_at_the_pole(rng):
    """Beside the pole the wind of all meridians is one vector: wavenumber 1 in its components."""
    degree, order = np.arange(L), np.arange(1, 2 * M)[:, None] // 2
    valid = degree >= np.maximum(order, 1)
    fields = 1e-5 * rng.standard_normal((2, 2 * M - 1, L)) * valid
    u, v = Synthesis(GRID, 2 * M - 1, L).wind(*fields)
    for row, sign in ((0, 1), (-1, -1)):
        waves = np.fft.rfft(u[row]) / 64
        assert np.abs(np.delete(waves, 1)).max() < 0.02 * np.abs(waves[1])
        # East, a quarter turn on, is here north (at the south pole: south).
        assert np.allclose(np.roll(u[row], -16), sign * v[row], atol=0.03 * np.abs(u[row]).max())


def test_adjoints(rng):
    synthesis = Synthesis(GRID, 2 * M - 1, L, np.float64)
    a, b = rng.standard_normal((2, 3, 2 * M - 1, L))
    u, v = rng.standard_normal((2, 3, *GRID.shape))
    forward = np.vdot(synthesis.scalar(a), u)
    np.testing.assert_allclose(forward, np.vdot(a, synthesis.scalar_adjoint(u)), rtol=1e-10)
    forward = sum(np.vdot(x, y) for x, y in zip(synthesis.wind(a, b), (u, v), strict=True))
    back = sum(np.vdot(x, y) for x, y in zip((a, b), synthesis.wind_adjoint(u, v), strict=True))
    np.testing.assert_allclose(forward, back, rtol=1e-10)
