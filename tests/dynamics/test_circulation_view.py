"""What observers see of the circulation's states, and its adjoint."""

import numpy as np
import pytest

from dambench_hub.dynamics.circulation_view import circulation_view as circulation_view_of
from dambench_hub.errors import ForecastError


def test_channels_are_those_of_the_data_set(circulation_view, grown_states):
    """`PostProcessor` on jax gives what it gives on numpy."""
    seen = circulation_view.see(grown_states)
    assert seen.shape == (2, 69, 33, 64) and seen.dtype == np.float32
    fields = circulation_view.fields(grown_states[0].astype(np.float32))
    as_built = circulation_view.post_processor.channels(
        {name: np.asarray(field) for name, field in fields.items()}
    )
    difference = np.abs(seen[0] - as_built).max(axis=(1, 2))
    assert np.all(difference < 1e-3 * as_built.std(axis=(1, 2)))
    np.testing.assert_array_equal(circulation_view.see(grown_states[1]), seen[1])


def test_temperature_at_2_m_is_that_of_the_physics(circulation_view, grown_states, grown_at):
    """Whose first step still sees the state as it is."""
    model, state = circulation_view.model, grown_states[0]
    run = model.circulation.at(grown_at, model.unpack(state))
    run, _ = model.circulation.advance(run, model.step_hours / 24)
    diagnosed = np.asarray(circulation_view.fields(state.astype(np.float32))["t2m"])
    np.testing.assert_allclose(diagnosed, run.physics["_surface_flux"].t0, atol=2e-3)


def test_adjoint(circulation_view, grown_states, rng):
    import jax
    import jax.numpy as jnp

    state, other = grown_states
    perturbation = 0.1 * (other - state)
    point, move = jnp.float32(state), jnp.float32(perturbation)
    _, tangent = jax.jvp(lambda x: circulation_view._see(x), (point,), (move,))
    tangent = np.asarray(tangent, np.float64)
    std = circulation_view.see(state).std(axis=(1, 2), keepdims=True)
    weights = (1 + rng.standard_normal(tangent.shape)) * tangent / std**2
    seen, pullback = circulation_view.linearise(state)
    backward = np.vdot(pullback(weights), perturbation)
    np.testing.assert_allclose(backward, np.vdot(weights, tangent), rtol=1e-4)
    np.testing.assert_array_equal(seen, circulation_view.see(state))


def test_gradient_against_finite_differences(circulation_view, grown_states):
    """Of the distance from another state's channels, towards that state."""
    state, other = grown_states
    target = circulation_view.see(other).astype(np.float64)
    error = 0.1 * target.std(axis=(1, 2), keepdims=True)

    def cost(x):
        return 0.5 * np.sum(((circulation_view.see(x) - target) / error) ** 2)

    seen, pullback = circulation_view.linearise(state)
    gradient, step = pullback((seen - target) / error**2), 0.01 * (other - state)
    slope = (cost(state + step) - cost(state - step)) / 2
    np.testing.assert_allclose(slope, np.vdot(gradient, step), rtol=1e-2)


def test_states_of_another_model_are_refused(circulation_view, grown_states):
    with pytest.raises(ForecastError, match=r"has shape \(17391,\)"):
        circulation_view.see(grown_states[:, :-1])
    with pytest.raises(ForecastError, match=r"has shape \(17391,\)"):
        circulation_view.linearise(grown_states)


def test_a_guess_has_weather_of_its_season_and_seed(circulation_view, grown_at):
    guesses = [circulation_view.guess(grown_at, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(guesses[0], guesses[1])
    one, other = circulation_view.see(np.stack(guesses[1:]))
    z500 = circulation_view.channels.index("z500")
    assert np.abs(one[z500] - other[z500]).max() > 500
    assert 45_000 < one[z500].mean() < 60_000


def test_the_forecast_model_of_a_data_set(circulation_view):
    grid = circulation_view.grid
    settings = {"forecast": [21, 60], "forecast_parameters": {"convection.trcnv": 10.0}}
    view = circulation_view_of(settings, grid)
    assert view.model.step_hours == 1 and view.grid == grid
    assert float(view.model.circulation.near_surface_wind) == pytest.approx(
        circulation_view.model.circulation.near_surface_wind
    )
    with pytest.raises(ForecastError, match="not made by a circulation model"):
        circulation_view_of({"seed": 0}, grid)
