"""The best linear estimate: Bayes' rule for normal errors, its limits, and OI of Lorenz-96."""

import numpy as np
import pytest

from dambench_hub.errors import DataError
from dambench_hub.estimation.best_linear import best_linear_estimate


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    factor, H = rng.normal(size=(8, 8)), rng.normal(size=(5, 8))
    return factor @ factor.T, H, np.diag(rng.uniform(0.5, 2, 5))


def test_precisions_add(problem):
    B, H, R = problem
    precision = np.linalg.inv(B) + H.T @ np.linalg.inv(R) @ H
    np.testing.assert_allclose(
        best_linear_estimate(*problem).covariance, np.linalg.inv(precision), atol=1e-9
    )


def test_no_other_gain_has_smaller_errors(problem):
    B, H, R = problem
    estimate = best_linear_estimate(*problem)

    def error_variance(K):
        remaining = np.eye(8) - K @ H
        return np.trace(remaining @ B @ remaining.T + K @ R @ K.T)

    best = error_variance(estimate.gain)
    assert best == pytest.approx(np.trace(estimate.covariance))
    for other in np.random.default_rng(1).normal(size=(20, 8, 5)):
        assert error_variance(estimate.gain + 1e-3 * other) > best


def test_the_limits_of_the_observation_error(problem):
    B, H, R = problem
    rng = np.random.default_rng(2)
    background, observations = rng.normal(size=(3, 8)), rng.normal(size=(3, 5))
    exact = best_linear_estimate(B, H, 1e-12 * R)(background, observations)
    np.testing.assert_allclose(exact @ H.T, observations, atol=1e-8)
    useless = best_linear_estimate(B, H, 1e14 * R)(background, observations)
    np.testing.assert_allclose(useless, background, atol=1e-10)


def test_many_analyses_are_one_after_the_other(problem):
    rng = np.random.default_rng(3)
    estimate = best_linear_estimate(*problem)
    background, observations = rng.normal(size=(4, 8)), rng.normal(size=(4, 5))
    each = [estimate(x, y) for x, y in zip(background, observations, strict=True)]
    np.testing.assert_allclose(estimate(background, observations), each, rtol=1e-12)


@pytest.mark.parametrize("shapes", [((8, 8), (5, 7), (5, 5)), ((8, 8), (5, 8), (4, 4))])
def test_shapes_that_do_not_belong_together_are_refused(shapes):
    with pytest.raises(DataError, match=r"needs B \(n, n\), H \(p, n\) and R \(p, p\)"):
        best_linear_estimate(*(np.ones(shape) for shape in shapes))


def test_observations_without_error_that_repeat_each_other_are_refused():
    H = np.array([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(DataError, match="Give each observation an error"):
        best_linear_estimate(np.eye(2), H, np.zeros((2, 2)))
