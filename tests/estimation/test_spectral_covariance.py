"""U and Uᵀ belong together, and the gain is the best linear estimate for B = U Uᵀ."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.channel_harmonics import BANDS, ChannelHarmonics
from dambench_hub.estimation.spectral_covariance import SpectralCovariance

GRID, CHANNELS = Grid(9, 16), ("z500", "u500", "v500")
POINTS = np.array([20, 45, 77, 100])


class Columns:
    """All channels at some grid points."""

    def __call__(self, state):
        return state.reshape(*state.shape[:-2], -1)[..., POINTS]

    def adjoint(self, observations):
        flat = np.zeros((*observations.shape[:-1], GRID.size), observations.dtype)
        flat[..., POINTS] = observations
        return flat.reshape(*flat.shape[:-1], *GRID.shape)


@pytest.fixture(scope="module")
def B():
    rng = np.random.default_rng(0)
    harmonics = ChannelHarmonics(CHANNELS, GRID, np.float64)
    shape = (BANDS, len(harmonics.order), 3, 2)
    waves = (harmonics.order > 0)[:, None, None]
    roots = rng.normal(size=shape) + 1j * waves * rng.normal(size=shape)
    roots /= (1.0 + harmonics.degree[:, None, None]) ** 2
    unit = harmonics.variance(roots)
    return SpectralCovariance(CHANNELS, GRID, np.sqrt([[9.0], [4.0], [4.0]] / unit), roots)


@pytest.fixture(scope="module")
def dense(B):
    size = 3 * GRID.size
    return B(np.eye(size).reshape(size, 3, *GRID.shape)).reshape(size, size)


def test_adjoint(B):
    rng = np.random.default_rng(1)
    real, imaginary = rng.normal(size=(2, *B.control_shape))
    control, state = real + 1j * imaginary, rng.normal(size=(3, *GRID.shape))
    one, other = np.sum(B.root(control) * state), np.vdot(control, B.root_adjoint(state)).real
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_symmetric_positive_semidefinite_with_its_std(B, dense):
    np.testing.assert_allclose(dense, dense.T, atol=1e-10)
    assert np.linalg.eigvalsh(dense).min() > -1e-10
    variance = np.diagonal(dense).reshape(3, *GRID.shape)
    np.testing.assert_allclose(variance, np.broadcast_to(B.std[..., None] ** 2, variance.shape))


def test_draws_have_the_covariance(B, dense):
    draws = B.draw(4000, np.random.default_rng(2)).reshape(4000, -1)
    std = np.sqrt(np.diagonal(dense))
    assert np.abs((draws.T @ draws / 4000 - dense) / np.outer(std, std)).max() < 0.12


def test_gain_is_the_best_linear_estimate(B, dense):
    H, error_std = Columns(), np.array([0.5, 0.3, 0.3])
    matrix = H(np.eye(len(dense)).reshape(-1, 3, *GRID.shape)).reshape(len(dense), -1).T
    innovation = np.random.default_rng(3).normal(size=(2, 3, 4))
    K = best_linear_estimate(dense, matrix, np.diag(np.repeat(error_std**2, 4))).gain
    wanted = (innovation.reshape(2, -1) @ K.T).reshape(2, 3, *GRID.shape)
    came = B.gain(H, error_std, tolerance=1e-10)(innovation)
    np.testing.assert_allclose(came, wanted, atol=1e-7)


def test_worthless_observations_change_nothing_and_exact_ones_are_met(B):
    H, innovation = Columns(), np.random.default_rng(3).normal(size=(1, 3, 4))
    np.testing.assert_allclose(B.gain(H, np.full(3, 1e6), 1e-10)(innovation), 0, atol=1e-9)
    met = H(B.gain(H, np.zeros(3), 1e-10)(innovation))
    np.testing.assert_allclose(met, innovation, atol=0.05)


def test_arrays_hold_all_of_it(B):
    again = SpectralCovariance.from_arrays(B.channels, B.grid, B.arrays)
    np.testing.assert_array_equal(again.roots, B.roots)
    np.testing.assert_array_equal(again.scale, B.scale)


def test_wrong_shapes_are_refused(B):
    with pytest.raises(DataError, match="3 channels on 9x16 needs scales"):
        SpectralCovariance(CHANNELS, GRID, B.scale, B.roots[:-1])
    with pytest.raises(DataError, match="3 channels on 9x16 needs scales"):
        SpectralCovariance(CHANNELS, GRID, B.scale[:, :-1], B.roots)
