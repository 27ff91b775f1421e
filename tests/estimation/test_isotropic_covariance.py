"""B as an operator agrees with its dense matrix; estimates find a covariance that is known."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.isotropic_covariance import (
    BackgroundErrors,
    IsotropicCovariance,
    fit_isotropic_covariance,
    length_scales,
)
from dambench_hub.estimation.observation_covariance import ObservationCovariance

GRID = Grid(9, 16)
SCALE = np.array([300.0, 2.0, 1e-3])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def B():
    modes = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    variances = np.array([[0.5, 1.5], [0.8, 0.0], [0.1, 0.1]])
    return IsotropicCovariance(GRID, SCALE, modes, variances, np.array([1500.0, 4000.0]))


def dense(B):
    """Σ_k v_k v_kᵀ ⊗ C_k, (C·Y·X, C·Y·X)."""
    vectors = (B.scale[:, None] * B.modes).T
    horizontal = np.tensordot(B.variances, B.kernels(np.arange(GRID.size)), 1)
    return sum(np.kron(np.outer(v, v), C) for v, C in zip(vectors, horizontal, strict=True))


def draw(B, size, rng):
    """Samples of N(0, B), (size, C, Y, X), by the root that is the same on all machines."""
    values, vectors = np.linalg.eigh(dense(B))
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return (rng.normal(size=(size, len(root))) @ root).reshape(size, 3, *GRID.shape)


@pytest.mark.parametrize("leading", [(), (2,), (2, 1)])
def test_operator_is_the_dense_matrix(B, leading, rng):
    x = rng.normal(size=(*leading, 3, *GRID.shape))
    wanted = x.reshape(*leading, -1) @ dense(B)
    np.testing.assert_allclose(B(x).reshape(wanted.shape), wanted, rtol=1e-8, atol=1e-8)


def test_symmetric_and_positive_semidefinite(B):
    scaled = dense(B) / np.outer(*[np.repeat(SCALE, GRID.size)] * 2)
    np.testing.assert_allclose(scaled, scaled.T, atol=1e-12)
    assert np.linalg.eigvalsh(scaled).min() > -1e-10


def test_std_is_that_of_every_point(B):
    variance = np.diagonal(dense(B)).reshape(3, GRID.size)
    np.testing.assert_allclose(variance, np.broadcast_to(B.std[:, None] ** 2, variance.shape))


def test_turning_the_globe_changes_nothing(B, rng):
    x = rng.normal(size=(3, *GRID.shape))
    np.testing.assert_allclose(B(np.roll(x, 5, axis=-1)), np.roll(B(x), 5, axis=-1), atol=1e-8)


def test_correlation_is_gaussian_in_the_chord():
    B = IsotropicCovariance(GRID, np.ones(1), np.eye(1), np.ones((1, 1)), np.array([2000.0]))
    poles = dense(B)[0, [1, GRID.size - 1]]
    np.testing.assert_allclose(poles, [1, np.exp(-0.5 * (2 * 6371 / 2000) ** 2)])


def test_wrong_covariances_are_refused():
    with pytest.raises(DataError, match="negative"):
        IsotropicCovariance(GRID, np.ones(1), np.eye(1), -np.ones((1, 1)), np.ones(1))
    with pytest.raises(DataError, match=r"\(2, 3\)"):
        IsotropicCovariance(GRID, np.ones(2), np.eye(2), np.ones((1, 3)), np.ones(3))


def test_observation_covariance(rng):
    y = rng.normal(size=(2, 3, 5))
    np.testing.assert_allclose(ObservationCovariance(SCALE)(y)[1, 2], SCALE[2] ** 2 * y[1, 2])


@pytest.mark.parametrize("noise", [0.25 * SCALE, np.zeros(3)], ids=["noise", "no noise"])
def test_fit_finds_a_known_covariance(B, noise, rng):
    errors = BackgroundErrors(3, GRID)
    for n, error in enumerate(draw(B, 1500, rng)):
        errors.add(error, 24 * n)
    fitted = fit_isotropic_covariance(errors, noise)
    np.testing.assert_allclose(fitted.std, B.std, rtol=0.1)
    unit = np.outer(*[np.repeat(B.std, GRID.size)] * 2)
    assert np.abs(dense(fitted) - dense(B)).max() < 0.15 * unit.max()
    assert np.abs((dense(fitted) - dense(B)) / unit).max() < 0.15


def test_fit_chooses_scales_proportional_to_the_observation_error(B, rng):
    errors = BackgroundErrors(3, GRID)
    errors.add(draw(B, 1, rng)[0], 0)
    noise = np.array([10.0, 0.3, 1e-4])
    ratio = fit_isotropic_covariance(errors, noise).scale / noise
    np.testing.assert_allclose(ratio, ratio[0])


def test_a_channel_without_errors_gets_no_variance(B, rng):
    errors = BackgroundErrors(3, GRID)
    for n, error in enumerate(draw(B, 5, rng)):
        errors.add(error * np.array([1, 0, 1])[:, None, None], 24 * n)
    fitted = fit_isotropic_covariance(errors, np.zeros(3))
    np.testing.assert_allclose(fitted.std[1], 0, atol=1e-6)
    assert np.all(np.isfinite(dense(fitted)))


def test_repeating_mean_error_is_bias(B, rng):
    mean = 3 * draw(B, 1, rng)[0]
    errors = BackgroundErrors(3, GRID)
    for n, error in enumerate(draw(B, 1000, rng)):
        errors.add(error + mean, 24 * n)
    bias = errors.bias.reshape(mean.shape)
    assert np.linalg.norm((bias - mean) / B.std[:, None, None]) < 0.1 * np.linalg.norm(
        mean / B.std[:, None, None]
    )
    fitted = fit_isotropic_covariance(errors, np.zeros(3))
    np.testing.assert_allclose(fitted.std, B.std, rtol=0.07)


@pytest.mark.parametrize("grid", [Grid(3, 2), Grid(33, 64), Grid(121, 240)], ids=str)
def test_length_scales_start_at_half_a_step(grid):
    lengths = length_scales(grid)
    np.testing.assert_allclose(lengths[0], 20015 / (grid.latitudes - 1) / 2, rtol=1e-3)
    assert np.all(lengths[1:] <= 6000)


def test_pairs_are_at_their_lags():
    errors = BackgroundErrors(1, Grid(33, 64))
    distance = 6371 * np.arccos(np.clip(errors.cosines, -1, 1))
    assert distance[0].max() < 1
    assert np.all(np.diff(distance.mean(axis=1)) > 0)
    assert 6500 < distance[-1].mean() < 8000
