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
