"""The estimate has the variances and the balance of the errors that went by."""

import numpy as np
import pytest

from dambench_hub.coordinates.constants import EARTH_RADIUS
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.mean_error import BLOCK_HOURS
from dambench_hub.estimation.spectral_estimation import SpectralErrors, fit_spectral_covariance
from dambench_hub.testing import smooth_field

GRID, CHANNELS = Grid(33, 64), ("z500", "u500", "v500")
LATITUDE = np.deg2rad(GRID.latitude)
F = 1.46e-4 * np.sin(LATITUDE)[:, None]
MIDDLE = (np.abs(GRID.latitude) > 20) & (np.abs(GRID.latitude) < 80)


def geostrophic(z):
    """−(1/f) ∂z/∂y, (*, Y, X), fading out towards the equator."""
    return -F / (F**2 + 3e-5**2) * np.gradient(z, LATITUDE, axis=-2) / EARTH_RADIUS


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    z = 300 * np.array([smooth_field(GRID, 0.5, rng) for _ in range(80)])
    circle = EARTH_RADIUS * np.maximum(np.cos(LATITUDE), 0.1)[:, None]
    v = F / (F**2 + 3e-5**2) * np.gradient(z, 2 * np.pi / 64, axis=-1) / circle
    return np.stack([z, geostrophic(z), v], axis=1)


def summed(errors):
    sums = SpectralErrors(CHANNELS, GRID)
    for n, error in enumerate(errors):
        sums.add(error, BLOCK_HOURS * n)
    return sums


@pytest.fixture(scope="module")
def B(sample):
    return fit_spectral_covariance(summed(sample))


def test_variances_are_those_of_the_errors(B, sample):
    wanted = np.sqrt(np.mean(sample**2, axis=(0, 3)))[:, MIDDLE].mean(axis=1)
    np.testing.assert_allclose(B.std[:, MIDDLE].mean(axis=1), wanted, rtol=0.2)


@pytest.mark.parametrize("centre", [45, -45])
def test_draws_are_balanced_with_the_sign_of_each_hemisphere(B, centre):
    """One covariance serves a band through which f changes: balance is best in its middle."""
    draws = B.draw(50, np.random.default_rng(1))
    rows = np.abs(GRID.latitude - centre) < 8
    u, balanced = draws[:, 1][:, rows], geostrophic(draws[:, 0])[:, rows]
    assert np.corrcoef(u.ravel(), balanced.ravel())[0, 1] > 0.7


def test_a_repeating_mean_is_bias_and_not_variance(B, sample):
    mean = 2 * sample[0]
    shifted = summed(sample + mean)
    plain = summed(sample)
    scale = plain.variance.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(shifted.variance / scale, plain.variance / scale, atol=0.15)
    assert np.corrcoef(shifted.bias.ravel(), mean.ravel())[0, 1] > 0.98


def test_a_channel_without_errors_gets_no_variance(sample):
    B = fit_spectral_covariance(summed(sample[:20] * np.array([0, 1, 1])[:, None, None]))
    np.testing.assert_allclose(B.std[0], 0, atol=1e-6)
    assert np.isfinite(B.std).all() and B.std[1].min() > 0


def test_one_error_is_too_few(sample):
    with pytest.raises(DataError, match="at least two training errors, got 1"):
        fit_spectral_covariance(summed(sample[:1]))
