"""The gradient of J is that of J, for either constraint, and what cannot be used is refused."""

import numpy as np
import pytest

from dambench_hub.dynamics.lorenz import Lorenz96
from dambench_hub.errors import DataError, ForecastError
from dambench_hub.estimation.covariance_roots import DiagonalRoot, MatrixRoot
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost

MODEL = Lorenz96()


def squares(x):
    """A nonlinear H: squares of every third site."""

    def pullback(v):
        result = np.zeros_like(x)
        result[::3] = 2 * x[::3] * v
        return result

    return x[::3] ** 2, pullback


def everything(x):
    return x, lambda v: v


def lorenz_window(model_error_root=None, steps=5):
    """Windows with observations at the start, twice at step 2, and at the last but one step."""
    rng = np.random.default_rng(0)
    truth = MODEL.advance(3 + rng.normal(size=40), 600)
    observations = [
        TimedObservations(0, truth + rng.normal(size=40), 1.0, everything),
        TimedObservations(2, MODEL.advance(truth, 12), rng.uniform(0.5, 2, 40), everything),
        TimedObservations(2, MODEL.advance(truth, 12)[::3] ** 2, 3.0, squares),
        TimedObservations(steps - 1, MODEL.advance(truth, 6 * steps - 6), 0.5, everything),
    ]
    return WindowCost(
        truth + 0.3 * rng.normal(size=40),
        MatrixRoot(0.1 * rng.normal(size=(40, 30))),
        observations,
        MODEL.window(6.0 * np.arange(steps + 1)),
        model_error_root,
    )


CONSTRAINTS = [None, DiagonalRoot(np.full(40, 0.3))]


@pytest.mark.parametrize("model_error_root", CONSTRAINTS, ids=["strong", "weak"])
def test_the_gradient_against_finite_differences(model_error_root):
    cost = lorenz_window(model_error_root)
    assert cost.controls == 30 + (5 * 40 if model_error_root else 0)
    rng = np.random.default_rng(1)
    control = 0.5 * rng.normal(size=cost.controls)
    _, gradient = cost(control)
    for direction in rng.normal(size=(5, cost.controls)):
        ahead, behind = (cost(control + s * 1e-5 * direction)[0] for s in (1, -1))
        assert gradient @ direction == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("model_error_root", CONSTRAINTS, ids=["strong", "weak"])
def test_the_value_is_the_equation(model_error_root):
    cost = lorenz_window(model_error_root)
    control = 0.5 * np.random.default_rng(2).normal(size=cost.controls)
    J = 0.5 * np.sum(control**2)
    trajectory = cost.trajectory(control)
    for y in cost.observations:
        J += 0.5 * np.sum(((y.operator(trajectory[y.step])[0] - y.values) / y.std) ** 2)
    assert cost(control)[0] == pytest.approx(J)


def test_the_trajectory_is_the_forecast_plus_what_forces_it():
    cost = lorenz_window(DiagonalRoot(np.full(40, 0.3)))
    control = np.random.default_rng(3).normal(size=cost.controls)
    v, w = control[:30], control[30:].reshape(5, 40)
    states = cost.trajectory(control)
    np.testing.assert_array_equal(states[0], cost.background + cost.root(v))
    for before, after, forcing in zip(states, states[1:], w, strict=False):
        np.testing.assert_array_equal(after, MODEL.advance(before, 6) + 0.3 * forcing)


class FieldStep:
    """x ↦ A x Bᵀ on states with two axes: a dot-product test needs no vectors."""

    def __init__(self, rng):
        self.A, self.B = rng.normal(size=(3, 3)), rng.normal(size=(4, 4))

    def __call__(self, x):
        return self.A @ x @ self.B.T, lambda v: self.A.T @ v @ self.B


def test_states_have_any_shape_and_the_sweep_back_is_the_adjoint():
    """With y = 0, x^b = 0 and R = I the gradient is v + Gᵀ G v, G from controls to departures."""
    rng = np.random.default_rng(4)
    cost = WindowCost(
        np.zeros((3, 4)),
        DiagonalRoot(rng.uniform(0.5, 2, (3, 4))),
        [TimedObservations(step, np.zeros((3, 4)), 1.0, everything) for step in (1, 2)],
        [FieldStep(rng), FieldStep(rng)],
        DiagonalRoot(rng.uniform(0.5, 2, (3, 4))),
    )
    u, v = rng.normal(size=(2, cost.controls))
    Gu, Gv = cost.trajectory(u)[1:], cost.trajectory(v)[1:]
    assert u @ (cost(v)[1] - v) == pytest.approx(np.vdot(Gu, Gv), rel=1e-10)


def test_until_a_step_later_observations_are_left_out():
    cost = lorenz_window(DiagonalRoot(np.full(40, 0.3)))
    control = np.random.default_rng(5).normal(size=cost.controls)
    early = cost.until(2)
    assert [y.step for y in early.observations] == [0, 2, 2]
    np.testing.assert_array_equal(early.trajectory(control), cost.trajectory(control))
    np.testing.assert_array_equal(early(control)[1][30 + 2 * 40 :], control[30 + 2 * 40 :])


@pytest.mark.parametrize("std", [0.0, np.r_[1.0, 0.0], -1.0, np.nan, np.inf])
def test_observations_without_error_are_refused(std):
    with pytest.raises(DataError, match="Give it a floor"):
        TimedObservations(0, np.zeros(2), std, everything)


def test_errors_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"\(2, 3\) is one number or has their shape, got \(3,\)"):
        TimedObservations(0, np.zeros((2, 3)), np.ones(3), everything)


def test_observations_that_are_not_there_are_refused():
    with pytest.raises(DataError, match="step 3 are not all finite"):
        TimedObservations(3, np.array([1.0, np.nan]), 1.0, everything)


@pytest.mark.parametrize("step", [-1, 3])
def test_observations_outside_the_window_are_refused(step):
    y = TimedObservations(step, np.zeros(40), 1.0, everything)
    with pytest.raises(DataError, match=rf"steps \[{step}\], the window has steps 0 to 2"):
        WindowCost(np.zeros(40), DiagonalRoot(np.ones(40)), [y], MODEL.window([0, 6, 12]))


def test_observations_of_another_shape_than_their_operator_gives_are_refused():
    y = TimedObservations(0, np.zeros(1), 1.0, everything)
    with pytest.raises(DataError, match=r"H\(x\) has shape \(40,\).*step 0 have \(1,\)"):
        WindowCost(np.zeros(40), DiagonalRoot(np.ones(40)), [y])(np.zeros(40))


def test_a_background_that_broke_down_is_refused():
    with pytest.raises(DataError, match="background is not finite"):
        WindowCost(np.full(3, np.nan), DiagonalRoot(np.ones(3)), [])


def test_a_forecast_that_diverges_is_said():
    cost = lorenz_window()
    with pytest.raises(ForecastError, match="diverged in step 2 of a window of 4.*shorter window"):
        cost(1e5 * np.ones(cost.controls))


def test_a_cost_that_is_not_finite_is_said():
    def exploding(x):
        return x * 1e200, lambda v: v * 1e200

    y = TimedObservations(0, np.zeros(3), 1.0, exploding)
    cost = WindowCost(np.ones(3), DiagonalRoot(np.ones(3)), [y])
    with pytest.raises(ForecastError, match="not finite.*quasi-static"):
        cost(np.zeros(3))
