"""Strong-constraint 4D-Var is the best linear estimate, and 3D-Var where there is no window."""

from dataclasses import replace

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
from dambench_hub.estimation.zonal_root import ZonalRoot
from dambench_hub.models.var3d import Var3D
from dambench_hub.models.var4d import Var4D


@pytest.fixture(scope="module")
def covariance():
    return Var4D.fit(training()).covariance


def exact(covariance, model, **options):
    """A method that searches to the end."""
    searched = {"background_scale": 1.0, "tolerance": 1e-4, "max_iterations": 1000}
    method = Var4D(CHANNELS, covariance, np.zeros(SHAPE), **{**searched, **options})
    method.view = ChannelStates(model, CHANNELS, GRID)
    return method


def test_linear_4d_var_is_the_best_linear_estimate(covariance, rng):
    """Of the state at the start, from all observations: the Kalman smoother of a perfect model."""
    model, truth = Drifting(growth=1.1), error(rng)
    background = truth + error(rng)
    batches = [observe(model.advance(truth, h), h, 15, rng) for h in (0, 6, 18)]
    method = exact(covariance, model, background_scale=0.8)
    came = method.assimilate_window(background, START, batches).trajectory
    wanted = dense_analysis(model, background, 0.64 * dense(covariance), None, batches)
    np.testing.assert_allclose(came / SCALE, wanted / SCALE, atol=2e-3)


def test_without_a_window_it_is_3d_var(covariance, rng):
    truth = error(rng)
    background, batch = truth + error(rng), observe(truth, 0, 20, rng)
    came = exact(covariance, Drifting()).analyse_states(background, START, [batch])
    batch = replace(batch, background=background[None].astype(np.float32))
    wanted = Var3D(CHANNELS, covariance, 0 * background, None).assimilate(batch).mean[0]
    np.testing.assert_allclose(came / SCALE, wanted / SCALE, atol=2e-3)


def test_gradient_against_finite_differences_and_its_adjoint(covariance, rng):
    """Through view, model and root: within 1 % along the gradient, dot products within 1e-4."""
    model, truth = Drifting(curvature=0.3), error(rng)
    batches = [observe(model.advance(truth, h), h, 15, rng) for h in (6, 12)]
    cost = exact(covariance, model).cost(truth + error(rng), START, batches)
    v = 0.3 * rng.normal(size=cost.controls)
    gradient = cost(v)[1]
    step = 0.01 * gradient / np.linalg.norm(gradient)
    slope = (cost(v + step)[0] - cost(v - step)[0]) / 2
    np.testing.assert_allclose(slope, gradient @ step, rtol=1e-2)
    U = ZonalRoot.of(covariance)
    control, weights = rng.normal(size=U.control_shape), rng.normal(size=truth.shape)
    _, pullback = model.linearise(truth, 12)
    small = 1e-3 * U(control)
    tangent = (model.advance(truth + small, 12) - model.advance(truth - small, 12)) / 2e-3
    forward, backward = np.vdot(tangent, weights), np.vdot(control, U.adjoint(pullback(weights)))
    np.testing.assert_allclose(backward, forward, rtol=1e-4)
