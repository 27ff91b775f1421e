"""Weak-constraint 4D-Var is the Kalman smoother, and strong where the model has no errors."""

import numpy as np
import pytest
from drifting_world import (
    CHANNELS,
    GRID,
    SCALE,
    SHAPE,
    START,
    Drifting,
    dense,
    dense_analysis,
    error,
    observe,
    training,
)

from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.errors import TaskError
from dambench_hub.models.var4d import Var4D
from dambench_hub.models.weak_var4d import WeakVar4D

NO_DRIFT = np.zeros(SHAPE)
EXACT = {"background_scale": 1.0, "tolerance": 1e-4, "max_iterations": 1000}


@pytest.fixture(scope="module")
def covariance():
    return Var4D.fit(training()).covariance


def analysed(method, model, background, batches):
    method.view = ChannelStates(model, CHANNELS, GRID)
    return method.assimilate_window(background, START, batches).trajectory


def test_linear_weak_4d_var_is_the_kalman_smoother(covariance, rng):
    model, truth = Drifting(growth=1.1), error(rng)
    background = truth + error(rng)
    batches = [observe(model.advance(truth, h), h, 15, rng) for h in (0, 6, 18)]
    method = WeakVar4D(CHANNELS, covariance, NO_DRIFT, model_error_scale=0.5, **EXACT)
    came = analysed(method, model, background, batches)
    B = dense(covariance)
    wanted = dense_analysis(model, background, B, 0.25 * B, batches)
    np.testing.assert_allclose(came / SCALE, wanted / SCALE, atol=2e-3)
    assert np.abs((came[1] - model.advance(came[0], 6)) / SCALE).max() > 0.01


def test_without_model_errors_it_is_the_strong_constraint(covariance, rng):
    model, truth = Drifting(curvature=0.2), error(rng)
    background = truth + error(rng)
    batches = [observe(model.advance(truth, h), h, 15, rng) for h in (6, 12)]
    strong = analysed(Var4D(CHANNELS, covariance, NO_DRIFT, **EXACT), model, background, batches)
    weak = WeakVar4D(CHANNELS, covariance, NO_DRIFT, model_error_scale=1e-4, **EXACT)
    came = analysed(weak, model, background, batches)
    np.testing.assert_allclose(came / SCALE, strong / SCALE, atol=2e-3)


def test_it_is_nearer_to_a_truth_that_the_model_does_not_follow(covariance, rng):
    """The model errs by a half of B's standard deviation a step."""
    model, truth = Drifting(), [error(rng)]
    background = truth[0] + error(rng)
    for _ in range(4):
        truth.append(model.advance(truth[-1], 6) + 0.5 * error(rng))
    batches = [observe(x, 6 * step, 15, rng) for step, x in enumerate(truth)]
    miss = {
        method.name: np.mean(((analysed(method, model, background, batches) - truth) / SCALE) ** 2)
        for method in (
            Var4D(CHANNELS, covariance, NO_DRIFT, **EXACT),
            WeakVar4D(CHANNELS, covariance, NO_DRIFT, model_error_scale=0.5, **EXACT),
        )
    }
    assert miss["weak_var4d"] < 0.7 * miss["var4d"]


def test_errors_of_no_size_are_refused(covariance):
    with pytest.raises(TaskError, match="use var4d"):
        WeakVar4D(CHANNELS, covariance, NO_DRIFT, model_error_scale=0.0)
