"""The stochastic filter is a Kalman filter: its mean exactly, its covariance on average."""

import numpy as np
import pytest
from estimation.twin_experiment import EVERY_STEP, analysis_rmse, stochastic_filter

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.ensemble_transform import updated
from dambench_hub.estimation.localisation import Localisation
from dambench_hub.estimation.perturbed_observations import (
    enkf,
    enkf_updates,
    observation_perturbations,
)

N = 12


def kalman(members, observed, observations, variance):
    """Mean and covariance of the Kalman filter with the ensemble's covariance."""
    both = np.cov(members.T, observed.T)[: members.shape[1], members.shape[1] :]
    K = both @ np.linalg.inv(np.cov(observed.T) + np.diag(variance))
    mean = members.mean(axis=0) + K @ (observations - observed.mean(axis=0))
    return mean, np.cov(members.T) - K @ both.T


@pytest.mark.parametrize("p", [5, 40])
def test_the_mean_is_that_of_the_kalman_filter_in_either_dimension(rng, p):
    members, H = rng.normal(size=(N, 30)), rng.normal(size=(p, 30))
    observed, observations = members @ H.T, rng.normal(size=p)
    variance = rng.uniform(0.5, 2, p)
    analysis = enkf(members, observed, observations, variance, rng)
    mean, _ = kalman(members, observed, observations, variance)
    np.testing.assert_allclose(analysis.mean(axis=0), mean, atol=1e-10)


@pytest.mark.parametrize("p", [3, 40])
def test_each_member_has_its_own_observations(rng, p):
    """x_i + K (y + ε_i − H(x_i)) with matrices."""
    members, H = rng.normal(size=(N, 6)), rng.normal(size=(p, 6))
    observed, observations = members @ H.T, rng.normal(size=p)
    variance = rng.uniform(0.5, 2, p)
    analysis = enkf(members, observed, observations, variance, np.random.default_rng(5))
    noise = observation_perturbations(N, np.sqrt(variance), np.random.default_rng(5))
    P = np.cov(members.T)
    K = P @ H.T @ np.linalg.inv(H @ P @ H.T + np.diag(variance))
    wanted = members + (observations + noise - observed) @ K.T
    np.testing.assert_allclose(analysis, wanted, atol=1e-10)


def test_the_covariance_is_that_of_the_kalman_filter_on_average(rng):
    members = rng.normal(size=(N, 2))
    observations, variance = np.array([1.0]), np.array([0.5])
    observed = members[:, :1]
    covariances = [
        np.cov(enkf(members, observed, observations, variance, rng).T) for _ in range(4000)
    ]
    _, wanted = kalman(np.c_[members], observed, observations, variance[:1])
    np.testing.assert_allclose(np.mean(covariances, axis=0), wanted, atol=0.02)


def test_perturbations_have_mean_zero_and_covariance_r(rng):
    std = np.array([0.5, 3.0])
    drawn = np.array([observation_perturbations(4, std, rng) for _ in range(20000)])
    np.testing.assert_allclose(drawn.mean(axis=1), 0, atol=1e-12)
    covariance = np.mean([np.cov(one.T) for one in drawn], axis=0)
    np.testing.assert_allclose(covariance / np.outer(std, std), np.eye(2), atol=0.03)


@pytest.fixture
def problem(rng):
    """Members on a grid, what is observed of them, and where."""
    grid = Grid(9, 16)
    members = rng.normal(size=(N, 3, grid.size))
    index = np.sort(rng.permutation(grid.size)[:20])
    return grid.unit_vectors(), members, index, np.array([0.5, 2.0, 0.1])


def test_without_localisation_columns_are_analysed_as_the_whole(problem, rng):
    vectors, members, index, variance = problem
    observed = members[..., index]
    observations = rng.normal(size=(3, 20))
    whole = enkf(
        members.reshape(N, -1),
        observed.reshape(N, -1),
        observations.ravel(),
        np.repeat(variance, 20),
        np.random.default_rng(5),
    )
    std = np.repeat(variance, 20) ** 0.5
    noise = observation_perturbations(N, std, np.random.default_rng(5)).reshape(N, 3, 20)
    updates = enkf_updates(
        observed - observed.mean(axis=0),
        observations + noise - observed,
        variance,
        np.arange(20),
        Localisation(vectors, vectors[index], np.inf),
    )
    np.testing.assert_allclose(updated(members, updates).reshape(N, -1), whole, atol=1e-10)


def test_limits_of_the_local_form(problem, rng):
    vectors, members, index, variance = problem
    observed = members[..., index]
    innovations = rng.normal(size=(N, 3, 20))
    localisation = Localisation(vectors, vectors[index[:1]], 900.0)
    one = (observed[..., :1] - observed[..., :1].mean(axis=0), innovations[..., :1])
    far = localisation.taper(np.arange(len(vectors)), np.array([0]))[:, 0] == 0
    analysis = updated(members, enkf_updates(*one, variance, np.zeros(1, int), localisation))
    assert 0 < far.sum() < len(vectors)
    np.testing.assert_array_equal(analysis[..., far], members[..., far])
    assert np.all(analysis[..., ~far] != members[..., ~far])
    useless = enkf_updates(*one, 1e14 * variance, np.zeros(1, int), localisation)
    np.testing.assert_allclose(updated(members, useless), members, atol=1e-10)


def test_an_ensemble_of_one_is_refused(problem, rng):
    vectors, members, index, variance = problem
    with pytest.raises(DataError, match="two members at least for its covariance, got 1"):
        enkf(members[:1, 0], members[:1, 0], members[0, 0], np.ones(len(vectors)), rng)
    localisation = Localisation(vectors, vectors[index], 900.0)
    one = members[:1][..., index]
    with pytest.raises(DataError, match="two members"):
        next(enkf_updates(one, one, variance, np.arange(20), localisation))


def test_lorenz_96():
    """0.23 by an independent implementation of this experiment."""
    rmse = analysis_rmse(stochastic_filter(1.06, 1.0), 40, **EVERY_STEP)
    assert rmse == pytest.approx(0.23, abs=0.05)
