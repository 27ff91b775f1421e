"""J with means over a window: its value, its gradient, and what must not matter."""

import numpy as np
import pytest

from dambench_hub.dynamics.lorenz import Lorenz96
from dambench_hub.errors import DataError
from dambench_hub.estimation.covariance_roots import DiagonalRoot, MatrixRoot
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost
from dambench_hub.estimation.window_means import MeanObservations, states_of, with_means

MODEL = Lorenz96()
HOURS = [0.0, 6.0, 18.0, 24.0]
SHARES = np.diff(HOURS) / 24
CONSTRAINTS = [None, DiagonalRoot(np.full(40, 0.3))]


def brightness(x):
    """A flux that is no linear function of a state, (2, 20)."""
    return np.array([x[::2] ** 2, np.sin(x[1::2])])


def step_with_means(step):
    """The flux of a step is the mean of those of its ends."""

    def forecast(x):
        end, pull = step(x)

        def pullback(v, w):
            of_end, of_start = v.copy(), np.zeros_like(x)
            for state, gradient in (x, of_start), (end, of_end):
                gradient[::2] += w[0] * state[::2]
                gradient[1::2] += w[1] * np.cos(state[1::2]) / 2
            return of_start + pull(of_end)

        return end, (brightness(x) + brightness(end)) / 2, pullback

    return forecast


def plain_cost(model_error_root=None):
    """With a few observations of the state."""
    rng = np.random.default_rng(0)
    background = MODEL.advance(3 + rng.normal(size=40), 600)

    def some(x):
        def pullback(v):
            result = np.zeros_like(x)
            result[:5] = v
            return result

        return x[:5], pullback

    observed = TimedObservations(2, background[:5], 0.5, some)
    root = MatrixRoot(0.1 * rng.normal(size=(40, 30)))
    return WindowCost(background, root, [observed], MODEL.window(HOURS), model_error_root)


def observed_means(step=3):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(2, 20))
    values[0, :4] = np.nan
    return MeanObservations(step, values, rng.uniform(0.5, 2, (2, 20)))


def means_cost(model_error_root=None, y=None):
    plain = plain_cost(model_error_root)
    steps = list(map(step_with_means, plain.steps))
    return with_means(plain, steps, SHARES, [y or observed_means()])


@pytest.mark.parametrize("model_error_root", CONSTRAINTS, ids=["strong", "weak"])
def test_the_gradient_against_finite_differences(model_error_root):
    cost = means_cost(model_error_root)
    assert cost.controls == 30 + (3 * 40 if model_error_root else 0)
    rng = np.random.default_rng(2)
    control = 0.5 * rng.normal(size=cost.controls)
    _, gradient = cost(control)
    for direction in rng.normal(size=(5, cost.controls)):
        ahead, behind = (cost(control + s * 1e-5 * direction)[0] for s in (1, -1))
        assert gradient @ direction == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("model_error_root", CONSTRAINTS, ids=["strong", "weak"])
def test_the_value_is_the_plain_one_and_the_misfit_of_the_mean_over_the_steps(model_error_root):
    """Where a mean was observed; the mean over the window is that over its steps."""
    plain, cost, y = plain_cost(model_error_root), means_cost(model_error_root), observed_means()
    control = 0.5 * np.random.default_rng(3).normal(size=cost.controls)
    trajectory = plain.trajectory(control)
    np.testing.assert_array_equal(states_of(cost.trajectory(control), (40,)), trajectory)
    fluxes = [step_with_means(step)(x)[1] for step, x in zip(plain.steps, trajectory, strict=False)]
    mean = np.average(fluxes, axis=0, weights=np.diff(HOURS))
    misfit = 0.5 * np.nansum(((mean - y.values) / y.std) ** 2)
    assert misfit > 1
    assert cost(control)[0] == pytest.approx(plain(control)[0] + misfit, rel=1e-12)


def test_what_is_missing_or_worthless_changes_nothing():
    y = observed_means()
    there = np.isfinite(y.values)
    other = MeanObservations(3, y.values, np.where(there, y.std, np.nan))
    control = 0.5 * np.random.default_rng(4).normal(size=30)
    for one, same in zip(means_cost()(control), means_cost(y=other)(control), strict=True):
        np.testing.assert_array_equal(one, same)
    far = MeanObservations(3, y.values, 1e9 * y.std)
    plain = plain_cost()(control)
    for one, same in zip(means_cost(y=far)(control), plain, strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-10)


def test_a_plain_trajectory_keeps_its_bits(rng):
    trajectory = rng.normal(size=(3, 2, 5))
    np.testing.assert_array_equal(states_of(trajectory, (2, 5)), trajectory)


def test_means_over_another_time_than_observed_are_refused():
    with pytest.raises(DataError, match=r"at step 2 .* are 0.75 of it"):
        means_cost(y=observed_means(step=2))
    with pytest.raises(DataError, match="no observations of means"):
        with_means(plain_cost(), [], SHARES, [])
