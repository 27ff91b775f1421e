"""Weights are Bayes' theorem, resampling is unbiased, and the filter reaches published accuracy."""

import numpy as np
import pytest
from estimation.twin_experiment import EVERY_25_STEPS, analysis_rmse, bootstrap_filter

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.localisation import Localisation
from dambench_hub.estimation.particles import (
    effective_size,
    localised_weights,
    log_likelihood,
    normalised_weights,
    regularised_resampling,
    systematic_resampling,
    tempered_weights,
    weighted_anomalies,
    weighted_moments,
    weighted_transform,
)


@pytest.fixture
def weights(rng):
    return normalised_weights(2 * rng.normal(size=(5, 30)))


def test_the_mean_of_many_particles_is_the_posterior_mean(rng):
    """Prior N(0, 1), observed 1 ± 0.5: mean 0.8, variance 0.2."""
    particles = rng.normal(size=(200_000, 1))
    weights = normalised_weights(log_likelihood(1.0 - particles, np.array([0.5])))
    mean = weights @ particles
    assert mean == pytest.approx(0.8, abs=0.01)
    assert (weighted_anomalies(particles, weights) ** 2).sum() == pytest.approx(0.2, abs=0.01)


def test_weights_of_any_size_neither_overflow_nor_vanish():
    log_weights = np.array([[-1e9, -1e9 - 1], [1e5, -np.inf]])
    wanted = [[1 / (1 + np.exp(-1)), 1 / (1 + np.e)], [1, 0]]
    np.testing.assert_allclose(normalised_weights(log_weights), wanted)


def test_effective_size():
    np.testing.assert_allclose(effective_size(np.full((2, 8), 1 / 8)), 8)
    np.testing.assert_allclose(effective_size(np.array([0.5, 0.5, 0, 0])), 2)
    assert effective_size(np.eye(5)[0]) == 1


def test_tempering_gives_the_effective_size_wanted_and_leaves_the_rest(rng):
    log_weights = rng.normal(size=(50, 40)) * np.geomspace(0.01, 1e6, 50)[:, None]
    weights = tempered_weights(log_weights, 10.0)
    plain = normalised_weights(log_weights)
    rich = effective_size(plain) >= 10
    assert 0 < rich.sum() < 50
    np.testing.assert_array_equal(weights[rich], plain[rich])
    np.testing.assert_allclose(effective_size(weights[~rich]), 10, rtol=1e-6)
    np.testing.assert_array_equal(tempered_weights(log_weights, 1.0), plain)


def test_tempering_keeps_the_order_of_particles(rng):
    log_weights = 100 * rng.normal(size=(3, 20))
    np.testing.assert_array_equal(
        np.argsort(tempered_weights(log_weights, 8.0)), np.argsort(log_weights)
    )


def test_resampling_is_unbiased_and_never_off_by_one(rng, weights):
    counts = np.array(
        [np.bincount(systematic_resampling(weights[0], rng), minlength=30) for _ in range(20_000)]
    )
    np.testing.assert_allclose(counts.mean(axis=0), 30 * weights[0], atol=0.02)
    assert np.abs(counts - 30 * weights[0]).max() < 1
    assert np.all(counts.sum(axis=1) == 30)


def test_rounding_does_not_resample_a_particle_that_does_not_exist():
    class Last:
        def uniform(self):
            return np.nextafter(1.0, 0)

    short = np.full(10, 0.1 - 1e-9)
    assert systematic_resampling(short, Last()).max() == 9


def test_equal_weights_have_the_covariance_of_the_ensemble(rng):
    members = rng.normal(size=(9, 4))
    root = weighted_anomalies(members, np.full(9, 1 / 9))
    np.testing.assert_allclose(root.T @ root, np.cov(members.T), atol=1e-12)


def test_one_particle_has_no_covariance(rng):
    members = rng.normal(size=(5, 3))
    assert not weighted_anomalies(members, np.eye(5)[2]).any()
    resampled = regularised_resampling(members, np.eye(5)[2], 1.0, rng)
    np.testing.assert_array_equal(resampled, np.tile(members[2], (5, 1)))


def test_only_duplicates_are_jittered(rng, weights):
    members = rng.normal(size=(30, 4))
    resampled = regularised_resampling(members, weights[0], 1.0, rng)
    same = (resampled[:, None] == members).all(axis=-1)
    assert same.any(axis=1).sum() < 30  # some are new
    assert np.all(same.sum(axis=0) <= 1)  # none is there twice
    again = regularised_resampling(members, weights[0], 0.0, rng)
    assert len(np.unique(again, axis=0)) < 30


def test_the_jitter_has_the_covariance_of_a_kernel_density(rng):
    """All weight on two particles, so that nearly all are jittered."""
    members = np.array([[-1.0, 0], [1, 0]] + [[0.0, 0]] * 1998)
    weights = np.array([0.5, 0.5] + [0.0] * 1998)
    resampled = regularised_resampling(members, weights, 2.0, rng)
    noise = resampled[:, 0] - np.sign(np.arange(2000) - 999.5)
    h = 2.0 * 2000 ** (-1 / 6)
    assert noise.std() == pytest.approx(h * np.sqrt(2), rel=0.05)  # unbiased: 1 / (1 − ½)
    assert not resampled[:, 1].any()


def test_the_transform_has_mean_and_covariance_of_the_weighted_particles(rng, weights):
    members = rng.normal(size=(30, 4))
    mean = members.mean(axis=0)
    W = weighted_transform(weights)
    for n, w in enumerate(weights):
        analysis = mean + W[n] @ (members - mean)
        np.testing.assert_allclose(analysis.mean(axis=0), w @ members, atol=1e-10)
        spread = members - w @ members
        covariance = (w * spread.T) @ spread / (1 - (w**2).sum())
        np.testing.assert_allclose(np.cov(analysis.T), covariance, atol=1e-10)


def test_the_transform_of_equal_weights_changes_nothing_and_of_one_particle_leaves_that(rng):
    members = rng.normal(size=(8, 3))
    A = members - members.mean(axis=0)
    np.testing.assert_allclose(weighted_transform(np.full(8, 1 / 8)) @ A, A, atol=1e-12)
    alone = members.mean(axis=0) + weighted_transform(np.eye(8)[3]) @ A
    np.testing.assert_allclose(alone, np.tile(members[3], (8, 1)), atol=1e-6)


def test_columns_have_weights_of_their_own_from_what_is_near(rng):
    """As many products of likelihoods, each to the power of its taper."""
    grid = Grid(9, 16)
    vectors, index = grid.unit_vectors(), np.array([3, 70, 71, 100])
    innovations = rng.normal(size=(10, 2, 4))
    variance = np.array([0.5, 2.0])
    localisation = Localisation(vectors, vectors[index], 2500.0)
    found = np.full((grid.size, 10), np.nan)
    for columns, w in localised_weights(innovations, variance, np.arange(4), localisation, 1.0):
        found[columns] = w
    taper = localisation.taper(np.arange(grid.size), np.arange(4))
    likelihood = np.exp(-0.5 * (innovations**2 / variance[:, None]).sum(axis=1))  # (N, P)
    wanted = np.prod(likelihood[None] ** taper[:, None], axis=-1)
    wanted /= wanted.sum(axis=-1, keepdims=True)
    seen = taper.any(axis=1)
    assert np.isnan(found[~seen]).all() and 0 < seen.sum() < grid.size
    np.testing.assert_allclose(found[seen], wanted[seen], rtol=1e-9)


def test_moments_of_weighted_columns(rng, weights):
    members = rng.normal(size=(30, 4, 9))
    columns = np.array([7, 0, 3, 4, 8])
    mean, std = weighted_moments(members, [(columns, weights)])
    for column, w in zip(columns, weights, strict=True):
        x = members[..., column]
        np.testing.assert_allclose(mean[:, column], w @ x, atol=1e-12)
        root = weighted_anomalies(x, w)
        np.testing.assert_allclose(std[:, column] ** 2, (root**2).sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(mean[:, 1], members[..., 1].mean(axis=0))
    np.testing.assert_allclose(std[:, 1], members[..., 1].std(axis=0, ddof=1))


@pytest.mark.parametrize(
    ("members", "strength", "least_share", "wanted"), [(100, 2.4, 0.3, 0.36), (800, 0.9, 0.2, 0.25)]
)
def test_lorenz_63(members, strength, least_share, wanted):
    """RMSE by an independent implementation of this experiment."""
    filtered = bootstrap_filter(members, np.sqrt(2), strength, least_share)
    rmse = analysis_rmse(filtered, members, **EVERY_25_STEPS)
    assert rmse == pytest.approx(wanted, abs=0.05)
