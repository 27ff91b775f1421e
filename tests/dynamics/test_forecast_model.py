"""What all forecast models share: whole steps, checked shapes, and a plain word without adjoint."""

import numpy as np
import pytest

from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.errors import ForecastError


class Decay(ForecastModel):
    """x ↦ x / 2 at each step of 6 h."""

    name = "decay"
    state_shape = (3,)
    step_hours = 6.0

    def advance(self, states, hours, start=None):
        return self.require_states(states) / 2 ** self.steps(hours)


def test_two_forecasts_in_a_row_are_one():
    x = np.arange(6.0).reshape(2, 3)
    model = Decay()
    np.testing.assert_array_equal(model.advance(model.advance(x, 6), 12), model.advance(x, 18))
    np.testing.assert_array_equal(model.advance(x, 0), x)


@pytest.mark.parametrize("hours", [7, -6, 3])
def test_a_forecast_is_whole_steps(hours):
    with pytest.raises(ForecastError, match="steps of 6 h"):
        Decay().advance(np.zeros(3), hours)


@pytest.mark.parametrize("shape", [(4,), (3, 2), (2, 2, 3), ()])
def test_states_of_another_shape_are_refused(shape):
    with pytest.raises(ForecastError, match=r"has shape \(3,\)"):
        Decay().advance(np.zeros(shape), 6)


def test_a_model_without_adjoint_says_what_to_use_instead():
    with pytest.raises(ForecastError, match=r"not differentiable.*letkf"):
        Decay().linearise(np.zeros(3), 6)


class Seasonal(Decay):
    """x ↦ x / 2 at each step, and the day of the year is added once."""

    longest_window_hours = 24.0

    def linearise(self, state, hours, start=None):
        factor = 0.5 ** self.steps(hours)
        day = 0 if start is None else (start - np.datetime64("2020-01-01")) / np.timedelta64(1, "D")
        return factor * state + day, lambda v: factor * v


def test_a_window_is_forecasts_from_time_to_time():
    first, second = Seasonal().window([0, 6, 18], np.datetime64("2020-01-03"))
    x, pullback = first(np.ones(3))
    np.testing.assert_array_equal(x, 2.5)
    x, second_pullback = second(x)
    np.testing.assert_array_equal(x, 2.5 / 4 + 2.25)
    np.testing.assert_array_equal(pullback(second_pullback(np.ones(3))), 1 / 8)
    assert Seasonal().window([0]) == []


def test_a_window_longer_than_the_model_allows_is_refused():
    Seasonal().window([0, 24])
    with pytest.raises(ForecastError, match="30 h is longer than the 24 h.*shorter window"):
        Seasonal().window([0, 6, 30])


@pytest.mark.parametrize("hours", [[], [6, 12], [0, 6, 6], [0, 12, 6]])
def test_times_of_a_window_increase_from_its_start(hours):
    with pytest.raises(ForecastError, match="increase from 0 h"):
        Seasonal().window(hours)


def test_a_window_is_whole_steps():
    with pytest.raises(ForecastError, match="steps of 6 h"):
        Seasonal().window([0, 6, 9])


def test_a_window_of_a_model_without_adjoint_says_so_when_it_is_run():
    with pytest.raises(ForecastError, match="not differentiable"):
        Decay().window([0, 6])[0](np.zeros(3))
