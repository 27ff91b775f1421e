"""Analyses of a model's states: by increments, member by member, or over a window."""

import dataclasses

import numpy as np
import pytest
from turning_world import CHANNELS, GRID, Turning

from dambench_hub.cycling.cycle import Cycle, first_states
from dambench_hub.data import Analysis
from dambench_hub.dynamics.model_view import ChannelStates
from dambench_hub.models.background import Background
from dambench_hub.models.base import Assimilator
from dambench_hub.models.letkf import LETKF
from dambench_hub.models.optimal_interpolation import OptimalInterpolation


@pytest.fixture
def view():
    return ChannelStates(Turning(), CHANNELS, GRID)


@pytest.fixture
def batch(turning_data):
    return next(turning_data.batches("cycling")).without_reference()


def test_without_increment_states_keep_their_bits(view, batch, rng):
    states = rng.normal(size=(3, *view.model.state_shape))
    analysed = Cycle(view, Background()).analyse(states, batch)
    fields = view.see(analysed)
    np.testing.assert_array_equal(analysed, states)
    np.testing.assert_array_equal(fields, states.astype(np.float32))


def test_one_state_gets_the_increment_of_the_method(view, batch, training):
    method = OptimalInterpolation.fit(training)
    analysed = Cycle(view, method).analyse(batch.background.astype(float), batch)
    mean = method.assimilate(batch).mean
    np.testing.assert_allclose(analysed, mean, rtol=1e-5, atol=1e-3)


def test_a_method_may_return_tensors_that_numpy_cannot_read(view, batch, training):
    """As one on a GPU does, or in half precision."""
    torch = pytest.importorskip("torch")
    method, states = OptimalInterpolation.fit(training), batch.background.astype(float)

    class Halved(Background):
        def assimilate(self, batch, generator=None):
            return Analysis(torch.tensor(method.assimilate(batch).mean).bfloat16())

    exact = Cycle(view, method).analyse(states, batch)
    halved = Cycle(view, Halved()).analyse(states, batch)
    np.testing.assert_allclose(halved, exact, rtol=2**-7)


def test_the_batch_s_own_background_is_not_looked_at(view, batch, training):
    cycle, states = Cycle(view, OptimalInterpolation.fit(training)), batch.background.astype(float)
    other = dataclasses.replace(batch, background=np.full_like(batch.background, np.nan))
    np.testing.assert_array_equal(cycle.analyse(states, batch), cycle.analyse(states, other))


def test_a_background_of_the_cycle_has_no_equivalents_of_the_data_set(view, batch):
    """Those stored are of another forecast."""
    given = []

    class Watching(Background):
        def assimilate(self, batch, generator=None):
            given.append(batch)
            return super().assimilate(batch)

    fields = {"olr": np.ones((1, *GRID.shape), "f4")}
    sample = dataclasses.replace(batch, modalities=fields, background_modalities=fields)
    cycle = Cycle(view, Watching())
    for states in batch.background.astype(float), np.repeat(batch.background, 3, axis=0):
        cycle.analyse(states, sample)
        assert (given[-1].modalities["olr"] == 1).all() and len(given[-1]) == len(states)
        assert np.isnan(given[-1].background_modalities["olr"]).all()


def test_equivalents_are_those_of_the_cycle_s_own_forecast(view, batch, training):
    """For one state, for members analysed each for itself, and for those of an ensemble method."""
    given = []

    class Watching(Background):
        def assimilate(self, batch, generator=None):
            given.append(batch)
            return super().assimilate(batch)

    class WatchingEnsemble(LETKF):
        def assimilate(self, batch, generator=None):
            given.append(batch)
            return super().assimilate(batch)

    sample = dataclasses.replace(batch, modalities={"olr": np.ones((1, *GRID.shape), "f4")})
    states = np.repeat(batch.background.astype(float), 3, axis=0)
    olr = np.arange(3, dtype="f4")[:, None, None] * np.ones(GRID.shape, "f4")
    equivalents = {"olr": olr, "precipitation": olr}
    cycle = Cycle(view, Watching())
    cycle.analyse(states[:1], sample, equivalents={"olr": olr[:1]})
    cycle.analyse(states, sample, equivalents=equivalents)
    Cycle(view, WatchingEnsemble.fit(training)).analyse(states, sample, equivalents=equivalents)
    one, each, ensemble = given
    np.testing.assert_array_equal(one.background_modalities["olr"], olr[:1])
    np.testing.assert_array_equal(each.departures["olr"], 1 - olr)
    np.testing.assert_array_equal(ensemble.background_modalities["olr"], olr[1:2])
    np.testing.assert_array_equal(ensemble.background_members_modalities["olr"], olr[None])


def test_an_ensemble_method_gets_the_members(view, batch, training, rng):
    method = LETKF.fit(training)
    states = batch.background + 500 * rng.normal(size=(5, *view.model.state_shape))
    analysed = Cycle(view, method).analyse(states, batch)
    fields = view.see(analysed)
    seen = states.astype(np.float32)
    given = dataclasses.replace(
        batch, background=seen.mean(axis=0, keepdims=True), background_members=seen[None]
    )
    members = method.assimilate(given).members[0]
    np.testing.assert_allclose(fields, members, rtol=1e-5, atol=1e-3)
    assert analysed.shape == states.shape


def test_other_methods_analyse_each_member_with_perturbed_observations(view, batch, training):
    """So that its spread is as if each had seen observations of its own, and its mean is right."""
    method = OptimalInterpolation.fit(training)
    states = np.repeat(batch.background.astype(float), 200, axis=0)
    cycle = Cycle(view, method, seed=3)
    analysed = cycle.analyse(states, batch)
    fields = view.see(analysed)
    single = cycle.analyse(states[:1], batch)
    spread = fields.std(axis=0, ddof=1)
    y, x = np.divmod(batch.observation_index[0], GRID.longitudes)
    assert np.all(spread[:, y, x] > 0.3 * batch.observation_error_std[:, None])
    assert np.all(spread[:, y, x] < 1.1 * batch.observation_error_std[:, None])
    difference = np.abs(fields.mean(axis=0) - single[0])
    assert np.all(difference.max(axis=(1, 2)) < 0.02 * batch.observation_error_std)
    again = cycle.analyse(states, batch)
    np.testing.assert_array_equal(again, analysed)
    other = Cycle(view, method, seed=4).analyse(states, batch)
    assert np.any(other != analysed)


class Window(Assimilator):
    """Says what it was given."""

    name = "window"

    def __init__(self):
        self.calls = []

    def assimilate(self, batch, generator=None):
        raise AssertionError("a window was there")

    def analyse_states(self, state, start, batches):
        self.calls.append((state, start, batches))
        return state + 1


def test_a_method_with_a_window_gets_the_states_before(view, batch, rng):
    method = Window()
    states, before = rng.normal(size=(2, 3, *view.model.state_shape))
    start = batch.time[0] - np.timedelta64(24, "h")
    analysed = Cycle(view, method).analyse(states, batch, (before, start))
    fields = view.see(analysed)
    np.testing.assert_array_equal(analysed, before + 1)
    np.testing.assert_array_equal(fields, (before + 1).astype(np.float32))
    values = np.stack([batches[0].observation_values[0] for _, _, batches in method.calls])
    assert all(call[1] == start and call[2][0].time == batch.time for call in method.calls)
    assert not np.array_equal(values[0], values[1])
    np.testing.assert_allclose(values.mean(axis=0), batch.observation_values[0], rtol=1e-5)


def test_at_the_beginning_a_window_has_nothing_before_it(view, batch, rng):
    states = rng.normal(size=(1, *view.model.state_shape))
    analysed = Cycle(view, Window()).analyse(states, batch)
    np.testing.assert_array_equal(analysed, states)


def test_a_cycle_begins_with_the_background_and_members_about_it(view, batch, rng):
    background = batch.background[0]
    one = first_states(view, view.guess(batch.time[0], 0), background)
    np.testing.assert_array_equal(one, background[None])
    errors = rng.normal(size=(4, *background.shape))
    several = first_states(view, view.guess(batch.time[0], 0), background, errors)
    np.testing.assert_allclose(several, background + errors)
