"""Views of models: the shapes they ask for, and the view of a model of channels."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.dynamics.model_view import ChannelStates, ModelView
from dambench_hub.errors import ForecastError


class Persistence(ForecastModel):
    name = "persistence"
    state_shape = (2, 5, 8)
    step_hours = 6.0

    def advance(self, states, hours, start=None):
        self.steps(hours)
        return self.require_states(states)


class Opaque(ModelView):
    model = Persistence()

    def see(self, states):
        return states

    def add(self, states, increments):
        return states

    def guess(self, time, seed):
        return np.zeros(self.model.state_shape)


@pytest.fixture
def view():
    return ChannelStates(Persistence(), ("z500", "u500"), Grid(5, 8))


def test_states_of_channels_are_seen_as_they_are(view, rng):
    states = rng.normal(size=(3, 2, 5, 8))
    increments = rng.normal(size=(3, 2, 5, 8))
    np.testing.assert_array_equal(view.see(states), states.astype(np.float32))
    np.testing.assert_array_equal(view.add(states, increments), states + increments)
    np.testing.assert_array_equal(view.add(states, np.zeros_like(increments)), states)
    seen, pullback = view.linearise(states[0])
    forward, adjoint = view.linear_increments(states[0])
    np.testing.assert_array_equal(seen, view.see(states[0]))
    for same in (pullback, forward, adjoint):
        np.testing.assert_array_equal(same(increments[0]), increments[0])


def test_what_does_not_belong_together_is_refused(view, rng):
    states = rng.normal(size=(3, 2, 5, 8))
    with pytest.raises(ForecastError, match=r"have shape \(3, 2, 5, 8\).*got \(2, 5, 8\)"):
        view.add(states, states[0])
    with pytest.raises(ForecastError, match="members come before it"):
        view.see(states[..., 1:])
    with pytest.raises(ForecastError, match=r"1 channels on 5x8 have \(1, 5, 8\)"):
        ChannelStates(Persistence(), ("z500",), Grid(5, 8))


def test_a_view_without_derivatives_says_so(rng):
    for ask in (Opaque().linearise, Opaque().linear_increments):
        with pytest.raises(ForecastError, match="persistence is not differentiable"):
            ask(rng.normal(size=(2, 5, 8)))


class Shining(Persistence):
    """With means on a grid of its own, 8×5."""

    mean_names = ("precipitation", "olr")

    def advance_with_means(self, states, hours, start=None):
        brightness = 10 * states[..., 0, :, :].swapaxes(-1, -2)
        return states, {"olr": brightness, "precipitation": brightness + hours}

    def linearise_with_means(self, state, hours, start=None):
        def pullback(v, means):
            gradient = v.copy()
            gradient[0] += 10 * sum(w.T for w in means.values())
            return gradient

        return *self.advance_with_means(state, hours), pullback


class Turned(ChannelStates):
    def regrid(self, mean):
        return mean.T

    def regrid_adjoint(self, sensitivity):
        return sensitivity.T


def test_means_are_seen_on_the_grid(rng):
    view = Turned(Shining(), ("z500", "u500"), Grid(5, 8))
    states = rng.normal(size=(3, 2, 5, 8))
    came, means = view.advance_with_means(states, 6)
    np.testing.assert_array_equal(came, states)
    np.testing.assert_array_equal(means["olr"], (10 * states[:, 0]).astype("f4"))
    steps = view.window_with_means(("olr",), [0, 6, 24])
    end, (olr,), pullback = steps[1](states[0])
    np.testing.assert_array_equal(olr, 10 * states[0, 0])
    v, w = rng.normal(size=(2, 5, 8)), rng.normal(size=(1, 5, 8))
    forward = np.vdot(end, v) + np.vdot(olr, w)
    assert len(steps) == 2 and forward == pytest.approx(np.vdot(states[0], pullback(v, w)))


def test_a_model_without_means_has_none(view, rng):
    states = rng.normal(size=(3, 2, 5, 8))
    came, means = view.advance_with_means(states, 6)
    np.testing.assert_array_equal(came, states)
    assert means == {} and view.model.mean_names == ()
    with pytest.raises(ForecastError, match="persistence gives no means"):
        view.window_with_means(("olr",), [0, 6])[0](states[0])
