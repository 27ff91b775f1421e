"""The gain is the best linear estimate for B = U Uᵀ, and draws have that covariance."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.channel_harmonics import BANDS, ChannelHarmonics
from dambench_hub.estimation.iterative_gain import ObservedPoints
from dambench_hub.estimation.spectral_covariance import SpectralCovariance

GRID, CHANNELS = Grid(9, 16), ("z500", "u500", "v500")
POINTS = np.array([20, 45, 77, 100])
NETWORKS = {"column": POINTS, "iid": np.stack([POINTS, POINTS + 1, POINTS - 1])}


def made_up(dtype=np.complex128):
    """B with random roots, standard deviations of 3, 2 and 2 everywhere."""
    rng = np.random.default_rng(0)
    harmonics = ChannelHarmonics(CHANNELS, GRID, np.float64)
    shape = (BANDS, len(harmonics.order), 3, 2)
    waves = (harmonics.order > 0)[:, None, None]
    roots = rng.normal(size=shape) + 1j * waves * rng.normal(size=shape)
    roots /= (1.0 + harmonics.degree[:, None, None]) ** 2
    profile = np.sqrt([[9.0], [4.0], [4.0]] / harmonics.variance(roots))
    return SpectralCovariance(CHANNELS, GRID, profile, roots.astype(dtype))


@pytest.fixture(scope="module")
def B():
    return made_up()


@pytest.fixture(scope="module")
def dense(B):
    size = 3 * GRID.size
    return B(np.eye(size).reshape(size, 3, *GRID.shape)).reshape(size, size)


def test_symmetric_positive_semidefinite_with_its_std(B, dense):
    np.testing.assert_allclose(dense, dense.T, atol=1e-10)
    assert np.linalg.eigvalsh(dense).min() > -1e-10
    variance = np.diagonal(dense).reshape(3, *GRID.shape)
    np.testing.assert_allclose(variance, np.broadcast_to(B.std[..., None] ** 2, variance.shape))
    np.testing.assert_allclose(B.scale, [3, 2, 2])


def test_draws_have_the_covariance(B, dense):
    draws = B.draw(4000, np.random.default_rng(2)).reshape(4000, -1)
    std = np.sqrt(np.diagonal(dense))
    assert np.abs((draws.T @ draws / 4000 - dense) / np.outer(std, std)).max() < 0.12


@pytest.mark.parametrize("network", NETWORKS)
def test_gain_is_the_best_linear_estimate(B, dense, network):
    index, error_std = NETWORKS[network], np.array([0.5, 0.3, 0.3])
    identity = np.eye(len(dense)).reshape(-1, 3, *GRID.shape)
    matrix = ObservedPoints(GRID, index)(identity).reshape(len(dense), -1).T
    innovation = np.random.default_rng(3).normal(size=(2, 3, 4))
    K = best_linear_estimate(dense, matrix, np.diag(np.repeat(error_std**2, 4))).gain
    wanted = (innovation.reshape(2, -1) @ K.T).reshape(2, 3, *GRID.shape)
    came = B.gain(index, error_std, tolerance=1e-10)(innovation)
    np.testing.assert_allclose(came, wanted, atol=1e-7)


def test_in_single_precision_and_by_default_it_is_nearly_that(B):
    single = made_up(np.complex64)
    innovation = np.random.default_rng(3).normal(size=(2, 3, 4))
    came = single.gain(POINTS, np.full(3, 0.5))(innovation)
    wanted = B.gain(POINTS, np.full(3, 0.5), tolerance=1e-10)(innovation)
    assert came.dtype == np.float32
    np.testing.assert_allclose(came, wanted, atol=0.02)


def test_worthless_observations_change_nothing_and_exact_ones_are_met(B):
    innovation = np.random.default_rng(3).normal(size=(1, 3, 4))
    np.testing.assert_allclose(B.gain(POINTS, np.full(3, 1e6))(innovation), 0, atol=1e-9)
    met = ObservedPoints(GRID, POINTS)(B.gain(POINTS, np.zeros(3))(innovation))
    np.testing.assert_allclose(met, innovation, atol=0.05)


def test_arrays_hold_all_of_it(B):
    again = SpectralCovariance.from_arrays(B.channels, B.grid, B.arrays)
    np.testing.assert_array_equal(again.roots, B.roots)
    np.testing.assert_array_equal(again.profile, B.profile)


def test_wrong_shapes_are_refused(B):
    with pytest.raises(DataError, match="3 channels on 9x16 needs a profile"):
        SpectralCovariance(CHANNELS, GRID, B.profile, B.roots[:-1])
    with pytest.raises(DataError, match="3 channels on 9x16 needs a profile"):
        SpectralCovariance(CHANNELS, GRID, B.profile[:, :-1], B.roots)
