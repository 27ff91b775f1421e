"""The circulation as a forecast model: its rules, and its adjoint."""

import numpy as np
import pytest

from dambench_hub.dynamics.state_vector import UPPER_AIR, StateVector
from dambench_hub.errors import ForecastError


def variables(model, states):
    """The five variables of states, by name, (*, K, coefficients)."""
    rows = states.reshape(*states.shape[:-1], 4 * model.vector.levels + 1, -1)
    upper = np.split(rows[..., :-1, :], len(UPPER_AIR), axis=-2)
    return dict(zip([*UPPER_AIR, "ln p_s"], [*upper, rows[..., -1:, :]], strict=True))


def scale(model, states):
    """Standard deviation of the difference of two states for each variable and level, (N,)."""
    rows = (states[1] - states[0]).reshape(4 * model.vector.levels + 1, -1)
    return np.repeat(rows.std(axis=1), rows.shape[1])


def test_vectors_keep_every_bit_of_a_state(rng):
    vector = StateVector(levels=3, orders=9, degrees=6)
    order = np.arange(1, 10) // 2
    mask = np.arange(6) >= order[:, None]
    fields = {name: rng.normal(size=(3, 9, 6)) * mask for name in UPPER_AIR}
    fields["log_surface_pressure"] = rng.normal(size=(1, 9, 6)) * mask
    packed = vector.pack(fields)
    assert packed.shape == (vector.size,) == (13 * mask.sum(),)
    for name, field in vector.unpack(packed).items():
        np.testing.assert_array_equal(field, fields[name])


def test_a_state_of_the_model_comes_back(circulation_model, grown_states):
    state = grown_states[0]
    np.testing.assert_array_equal(circulation_model.pack(circulation_model.unpack(state)), state)
    assert state.dtype == np.float64 and state.size == 17391


def test_a_forecast_is_that_of_the_builder(circulation_model, grown_states, grown_at):
    """In pieces that hand on what the physics carries, as `Circulation.advance` does."""
    circulation, state = circulation_model.circulation, grown_states[0]
    run = circulation.at(grown_at, circulation_model.unpack(state))
    precipitation = []
    for _ in range(2):
        run, means = circulation.advance(run, 0.25)
        precipitation.append(means["precipitation"])
    end, means = circulation_model.advance_with_means(state, 12, grown_at)
    np.testing.assert_array_equal(end, circulation_model.pack(run.dynamics))
    np.testing.assert_allclose(means["precipitation"], np.mean(precipitation, axis=0), rtol=1e-6)
    assert means["olr"].min() > 50 and means["olr"].max() < 400


def test_members_do_not_know_of_one_another(circulation_model, grown_states, grown_at):
    both = circulation_model.advance(grown_states, 6, grown_at)
    alone = circulation_model.advance(grown_states[1], 6, grown_at)
    np.testing.assert_array_equal(both[1], alone)


def test_two_forecasts_in_a_row_are_nearly_one(circulation_model, grown_states, grown_at):
    """The physics starts afresh with each: convection switches elsewhere, balance does not."""
    model, state = circulation_model, grown_states[0]
    once = model.advance(state, 24, grown_at)
    half = model.advance(state, 12, grown_at)
    twice = model.advance(half, 12, grown_at + np.timedelta64(12, "h"))
    change = variables(model, once - state)
    for name, difference in variables(model, twice - once).items():
        share = difference.std() / change[name].std()
        assert 0 < share < {"vorticity": 0.03, "divergence": 0.4}.get(name, 0.15), name


def test_no_hours_change_nothing(circulation_model, grown_states, grown_at):
    end, means = circulation_model.advance_with_means(grown_states, 0, grown_at)
    np.testing.assert_array_equal(end, grown_states)
    assert np.isnan(means["olr"]).all() and means["olr"].shape == (2, 64, 32)
    end, pullback = circulation_model.linearise(grown_states[0], 0, grown_at)
    np.testing.assert_array_equal(pullback(end), grown_states[0])


def test_seasons_matter(circulation_model, grown_states, grown_at):
    winter = circulation_model.advance(grown_states[0], 6, grown_at)
    summer = circulation_model.advance(grown_states[0], 6, grown_at + np.timedelta64(180, "D"))
    assert not np.allclose(winter, summer, rtol=1e-3)


def test_bad_input_is_refused(circulation_model, grown_states, grown_at):
    state = grown_states[0]
    with pytest.raises(ForecastError, match="needs the valid time of its states"):
        circulation_model.advance(state, 6)
    with pytest.raises(ForecastError, match="needs the valid time of its states"):
        circulation_model.linearise(state, 6)
    with pytest.raises(ForecastError, match="steps of 1 h"):
        circulation_model.advance(state, 2.5, grown_at)
    with pytest.raises(ForecastError, match=r"has shape \(17391,\)"):
        circulation_model.advance(state[:-1], 6, grown_at)
    with pytest.raises(ForecastError, match=r"has shape \(17391,\)"):
        circulation_model.linearise(grown_states, 6, grown_at)


def test_adjoint(circulation_model, grown_states, grown_at, tangent_forecast, rng):
    """⟨v, M δx⟩ = ⟨Mᵀ v, δx⟩, with the tangent by forward mode."""
    model, (state, other) = circulation_model, grown_states
    perturbation = 0.1 * (other - state)
    end, pullback = model.linearise(state, 6, grown_at)
    tangent = tangent_forecast(state, perturbation, 6, grown_at)
    weights = (1 + rng.standard_normal(tangent.size)) * tangent / scale(model, grown_states) ** 2
    forward, backward = np.vdot(weights, tangent), np.vdot(pullback(weights), perturbation)
    assert abs(forward - backward) < 1e-4 * abs(forward)
    np.testing.assert_array_equal(end, model.advance(state, 6, grown_at))


def test_means_beside_an_adjoint_are_those_of_the_forecast(
    circulation_model, grown_states, grown_at
):
    end, means, _ = circulation_model.linearise_with_means(grown_states[0], 12, grown_at)
    same, wanted = circulation_model.advance_with_means(grown_states[0], 12, grown_at)
    np.testing.assert_array_equal(end, same)
    for name in circulation_model.mean_names:
        np.testing.assert_allclose(means[name], wanted[name], rtol=1e-6)


@pytest.mark.parametrize("hours", [6, 24])
def test_gradient_against_finite_differences(circulation_model, grown_states, grown_at, hours):
    """Of the distance of a forecast's rotation from another state's, along its gradient.

    In vorticity: where other variables have their share, convection that switches on or off makes
    the cost jump, by per cents of its slope.
    """
    model, (state, other) = circulation_model, grown_states
    s = scale(model, grown_states)
    rotation = np.arange(s.size) < s.size * model.vector.levels // (4 * model.vector.levels + 1)

    def cost(x):
        return 0.5 * np.sum(((model.advance(x, hours, grown_at) - other) / s)[rotation] ** 2)

    end, pullback = model.linearise(state, hours, grown_at)
    gradient = pullback(np.where(rotation, (end - other) / s**2, 0))
    direction = np.where(rotation, -(s**2) * gradient, 0)
    step = 0.03 * direction / np.sqrt(np.mean((direction / s) ** 2))
    slope = (cost(state + step) - cost(state - step)) / 2
    np.testing.assert_allclose(slope, np.vdot(gradient, step), rtol=1e-2)
