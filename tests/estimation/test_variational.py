"""3D-Var is the best linear estimate, weak 4D-Var the Kalman smoother; long windows must grow."""

import numpy as np
import pytest

from dambench_hub.dynamics.lorenz import Lorenz96
from dambench_hub.errors import DataError, ForecastError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.covariance_roots import DiagonalRoot, MatrixRoot
from dambench_hub.estimation.operators import linear
from dambench_hub.estimation.variational import analyse_linear_window, analyse_window
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost


class Matrix:
    """A matrix as a linear operator."""

    def __init__(self, matrix):
        self.matrix = matrix

    def __call__(self, x):
        return self.matrix @ x

    def adjoint(self, y):
        return self.matrix.T @ y


EVERYTHING = linear(Matrix(np.eye(40)))


def test_3d_var_is_the_best_linear_estimate():
    """200 points on a circle, 60 of them observed, errors correlated over 6 points."""
    rng = np.random.default_rng(0)
    apart = np.abs(np.subtract.outer(np.arange(200), np.arange(200)))
    B = np.exp(-0.5 * (np.minimum(apart, 200 - apart) / 6) ** 2)
    H = np.eye(200)[rng.choice(200, 60, replace=False)]
    background, y, std = rng.normal(size=200), rng.normal(size=60), rng.uniform(0.5, 2, 60)
    expected = best_linear_estimate(B, H, np.diag(std**2))(background, y)
    cost = WindowCost(
        background, MatrixRoot.of(B), [TimedObservations(0, y, std, linear(Matrix(H)))]
    )
    solved = analyse_linear_window(cost)
    np.testing.assert_allclose(solved.trajectory, expected[None], rtol=0, atol=1e-8)
    searched = analyse_window(cost, tolerance=1e-6)
    np.testing.assert_allclose(searched.trajectory, expected[None], rtol=0, atol=1e-6)
    assert searched.converged and solved.converged


def kalman_smoother(mean, B, A, Q, observations, H, R):
    """Means at all times by the filter forward and Rauch, Tung and Striebel's way back."""
    n = len(mean)
    means, covariances, forecasts = [mean], [B], []
    for y in observations:
        x, P = A @ means[-1], A @ covariances[-1] @ A.T + Q
        K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
        forecasts.append((x, P))
        means.append(x + K @ (y - H @ x))
        covariances.append((np.eye(n) - K @ H) @ P)
    for step in reversed(range(len(observations))):
        x, P = forecasts[step]
        G = covariances[step] @ A.T @ np.linalg.inv(P)
        means[step] = means[step] + G @ (means[step + 1] - x)
    return np.array(means)


def test_linear_weak_constraint_4d_var_is_the_kalman_smoother():
    rng = np.random.default_rng(1)
    n, p, L = 6, 3, 8
    A, H = 0.5 * rng.normal(size=(n, n)), rng.normal(size=(p, n))
    root, model_error_root = rng.normal(size=(n, n)), 0.3 * rng.normal(size=(n, n))
    mean, y = rng.normal(size=n), rng.normal(size=(L, p))
    expected = kalman_smoother(
        mean, root @ root.T, A, model_error_root @ model_error_root.T, y, H, 0.25 * np.eye(p)
    )
    cost = WindowCost(
        mean,
        MatrixRoot(root),
        [TimedObservations(step + 1, one, 0.5, linear(Matrix(H))) for step, one in enumerate(y)],
        [linear(Matrix(A))] * L,
        MatrixRoot(model_error_root),
    )
    solved, searched = analyse_linear_window(cost), analyse_window(cost, tolerance=1e-6)
    np.testing.assert_allclose(solved.trajectory, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(searched.trajectory, expected, rtol=0, atol=2e-6)


def test_without_observations_the_background_is_the_analysis():
    model = Lorenz96()
    background = model.advance(np.linspace(0, 8, 40), 600)
    cost = WindowCost(background, DiagonalRoot(np.ones(40)), [], model.window([0, 6, 12]))
    for analysis in (analyse_window(cost), analyse_linear_window(cost)):
        expected = [model.advance(background, hours) for hours in (0, 6, 12)]
        np.testing.assert_array_equal(analysis.trajectory, expected)
        assert analysis.converged


def lorenz_window(steps, *, background_std=0.5, model_error_root=None, seed=0):
    """A truth, and a window whose observations see all of it at each step with R = I."""
    model, rng = Lorenz96(), np.random.default_rng(seed)
    truth = [model.advance(3 + rng.normal(size=40), 1200)]
    for _ in range(steps):
        truth.append(model.advance(truth[-1], 6))
    cost = WindowCost(
        truth[0] + background_std * rng.normal(size=40),
        DiagonalRoot(np.full(40, background_std)),
        [
            TimedObservations(step, state + rng.normal(size=40), 1.0, EVERYTHING)
            for step, state in enumerate(truth)
            if step
        ],
        model.window(6.0 * np.arange(steps + 1)),
        model_error_root,
    )
    return np.array(truth), cost


def test_a_model_almost_without_errors_is_a_strong_constraint():
    _, strong = lorenz_window(6)
    _, weak = lorenz_window(6, model_error_root=DiagonalRoot(np.full(40, 1e-4)))
    analyses = [analyse_window(cost, tolerance=1e-5).trajectory for cost in (strong, weak)]
    np.testing.assert_allclose(*analyses, rtol=0, atol=1e-5)


def test_a_growing_window_finds_minima_that_one_search_misses():
    """At the right minimum J is about half the number of observations."""
    once, growing = [], []
    for seed in range(4):
        _, cost = lorenz_window(20, background_std=3.0, seed=seed)
        once.append(analyse_window(cost, tolerance=1e-2).searches[-1].cost_end)
        found = analyse_window(cost, tolerance=1e-2, growth=4)
        assert len(found.searches) == 5
        growing.append(found.searches[-1].cost_end)
    assert max(growing) < 1.2 * 400
    assert max(once) > 2 * 400


def test_a_window_need_not_be_a_multiple_of_its_growth():
    _, cost = lorenz_window(5)
    expected = analyse_window(cost, tolerance=1e-5).trajectory
    grown = analyse_window(cost, tolerance=1e-5, growth=2)
    assert len(grown.searches) == 3
    np.testing.assert_allclose(grown.trajectory, expected, rtol=0, atol=1e-4)
    assert len(analyse_window(cost, growth=9).searches) == 1


def test_a_window_shrinks_for_nobody():
    with pytest.raises(DataError, match="at least 1 step, got 0"):
        analyse_window(lorenz_window(2)[1], growth=0)


def test_a_search_that_ends_early_says_so():
    analysis = analyse_window(lorenz_window(6)[1], max_iterations=2)
    assert not analysis.converged
    assert "limit of 2 iterations" in analysis.searches[-1].reason


def test_a_nonlinear_window_is_not_solved_as_a_linear_one():
    with pytest.raises(DataError, match="not quadratic"):
        analyse_linear_window(lorenz_window(6)[1])


def test_a_search_whose_forecast_diverges_ends_with_a_word():
    _, cost = lorenz_window(10, background_std=1e3)
    with pytest.raises(ForecastError, match="too long for this model"):
        analyse_window(cost)
