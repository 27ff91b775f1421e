"""3D-Var and 4D-Var of Lorenz's models have the errors that others found, too.

Lorenz-96: all of it observed at each step of 0.05 with R = I. Lorenz-63: all of it observed at each
25th step of 0.01 with R = 2 I. Scores are root mean square errors of analyses, averaged over time.

References:
    DAPPER (Raanes et al. 2024), mods/Lorenz96/sakov2008.py and mods/Lorenz63/sakov2012.py, whose
    values are: climatology 3.6, OI 0.95, 3D-Var 0.41; 3D-Var of Lorenz-63 1.04.
"""

from functools import cache

import numpy as np
import pytest

from dambench_hub.dynamics.lorenz import Lorenz63, Lorenz96
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.covariance_roots import DiagonalRoot, MatrixRoot
from dambench_hub.estimation.variational import analyse_window
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost

RUNS = 8
"""Independent truths, for scores that chance moves little; 4D-Var takes the first of them."""


def everything(x):
    return x, lambda v: v


@cache
def climate(model):
    """Mean, covariance and last states, (RUNS, n), of 200 runs on the attractor."""
    rng = np.random.default_rng(0)
    states = 3 + rng.normal(size=(200, *model.state_shape))
    states = model.advance(states, 2000 * model.step_hours)
    sample = []
    for _ in range(50):
        states = model.advance(states, 40 * model.step_hours)
        sample.append(states)
    flat = np.concatenate(sample)
    return flat.mean(axis=0), np.cov(flat.T), states[:RUNS]


L96, L63 = Lorenz96(), Lorenz63()


def twin(model, cycles, hours, variance):
    """The truth, (cycles, RUNS, n), and observations of all of it, one set for each `hours`."""
    rng = np.random.default_rng(1)
    truth, x = [], climate(model)[2]
    for _ in range(cycles):
        x = model.advance(x, hours)
        truth.append(x)
    truth = np.array(truth)
    return truth, truth + np.sqrt(variance) * rng.normal(size=truth.shape)


def score(analyses, truth, dropped):
    """Mean over time, and runs, of the root mean square error."""
    return np.sqrt(np.mean((analyses - truth) ** 2, axis=-1))[dropped:].mean()


def cycled_3d_var(model, scale, observations, hours, variance):
    """Analyses with the constant B = scale · B_clim, each a forecast after the one before."""
    mean, B, _ = climate(model)
    one = np.eye(len(mean))
    estimate = best_linear_estimate(scale * B, one, variance * one)
    x, analyses = np.broadcast_to(mean, observations[0].shape), []
    for y in observations:
        x = estimate(model.advance(x, hours), y)
        analyses.append(x)
    return np.array(analyses)


def cycled_4d_var(scale, observations, length, model_error_root=None):
    """Analyses at the ends of windows that follow each other without overlap."""
    _, B, start = climate(L96)
    background = start[0] + np.random.default_rng(2).normal(size=40)
    ends = []
    for window in observations[:, 0].reshape(-1, length, 40):
        cost = WindowCost(
            background,
            MatrixRoot.of(scale * B),
            [TimedObservations(step + 1, y, 1.0, everything) for step, y in enumerate(window)],
            L96.window(6.0 * np.arange(length + 1)),
            model_error_root,
        )
        background = analyse_window(cost).trajectory[-1]
        ends.append(background)
    return np.array(ends)


def test_lorenz_96_climatology_and_optimal_interpolation():
    mean, B, _ = climate(L96)
    truth, observations = twin(L96, 1000, 6, 1.0)
    assert score(mean, truth, 400) == pytest.approx(3.64, abs=0.05)
    estimate = best_linear_estimate(B, np.eye(40), np.eye(40))
    assert score(estimate(mean, observations), truth, 400) == pytest.approx(0.95, abs=0.05)


def test_lorenz_96_3d_var():
    truth, observations = twin(L96, 1000, 6, 1.0)
    analyses = cycled_3d_var(L96, 0.02, observations, 6, 1.0)
    assert score(analyses, truth, 400) == pytest.approx(0.43, abs=0.05)


@pytest.mark.parametrize(("scale", "expected"), [(0.02, 0.33), (0.1, 0.41)])
def test_lorenz_96_strong_constraint_4d_var(scale, expected):
    truth, observations = twin(L96, 1000, 6, 1.0)
    ends = cycled_4d_var(scale, observations[:480], 4)
    assert score(ends, truth[3:480:4, 0], 20) == pytest.approx(expected, abs=0.05)


def test_lorenz_96_weak_constraint_4d_var_with_a_model_almost_without_errors():
    truth, observations = twin(L96, 120, 6, 1.0)
    strong = score(cycled_4d_var(0.02, observations, 4), truth[3::4, 0], 10)
    weak_ends = cycled_4d_var(0.02, observations, 4, DiagonalRoot(np.full(40, 1e-4)))
    assert score(weak_ends, truth[3::4, 0], 10) == pytest.approx(strong, abs=1e-6)


def test_lorenz_63_3d_var():
    hours = 25 * L63.step_hours
    truth, observations = twin(L63, 600, hours, 2.0)
    analyses = cycled_3d_var(L63, 0.1, observations, hours, 2.0)
    assert score(analyses, truth, 100) == pytest.approx(1.04, abs=0.05)
