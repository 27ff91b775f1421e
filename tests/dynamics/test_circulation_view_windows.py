"""4D-Var through the circulation: root, way back, model and view have one gradient."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.dynamics.circulation_view import CirculationView
from dambench_hub.estimation.zonal_covariance import fit_zonal_covariance
from dambench_hub.models.var4d import Var4D
from dambench_hub.models.weak_var4d import WeakVar4D
from dambench_hub.observations import ObservationSettings, draw_observations

HOURS = (6, 12)
NETWORK = ObservationSettings(density=0.05)


@pytest.fixture(scope="module")
def view(circulation_model):
    """On a coarse grid, where B is small."""
    return CirculationView(circulation_model, Grid(17, 32))


@pytest.fixture(scope="module")
def covariance(view, grown_states):
    """B of differences of weather, turned about the pole against one another."""
    one, other = view.see(grown_states).astype(np.float64)
    errors = [np.roll(other, 16 + n, axis=-1) - np.roll(one, 2 * n, axis=-1) for n in range(6)]
    return fit_zonal_covariance(0.3 * (errors - np.mean(errors, axis=0)), view.grid)


@pytest.fixture(scope="module", params=[Var4D, WeakVar4D])
def method(request, view, covariance):
    method = request.param(
        view.channels, covariance, 0.2 * covariance.draw(1, np.random.default_rng(1))[0]
    )
    method.view = view
    return method


@pytest.fixture(scope="module")
def batches(view, covariance, grown_states, grown_at):
    """Observations of a forecast from the first grown state with an error, 6 and 12 h later."""
    error = 0.5 * covariance.draw(1, np.random.default_rng(0))[0]
    truth, std = view.add(grown_states[0], error), 0.25 * covariance.std.mean(axis=1)
    return [observe(view, truth, grown_at, hours, std) for hours in HOURS]


def observe(view, truth, start, hours, std):
    time, seen = later(start, hours), view.see(view.model.advance(truth, hours, start))
    index, values = draw_observations(NETWORK, view.grid, seen, std, time)
    return Batch(
        channels=view.channels,
        grid=view.grid,
        time=np.array([time]),
        background=np.zeros_like(seen)[None],
        observation_index=index[None],
        observation_values=values[None],
        observation_error_std=std,
    )


def later(time, hours):
    return time + np.timedelta64(hours, "h")


def test_gradient_against_finite_differences(method, batches, grown_states, grown_at):
    """Along itself, of J of observed wind from 100 to 500 hPa; a slope fitted to some steps.

    Convection that switches on or off makes J jump, most of all that of humidity between 50 and
    300 hPa; single steps are up to 2 % off even with wind.
    """
    aloft = [f"{wind}{level}" for wind in "uv" for level in (100, 150, 200, 250, 300, 400, 500)]
    unseen = np.where(np.isin(method.channels, aloft), 1, 1e6)
    batches = [
        replace(one, observation_error_std=unseen * one.observation_error_std) for one in batches
    ]
    cost = method.cost(grown_states[0], grown_at, batches)
    _, gradient = cost(np.zeros(cost.controls))
    sizes, along = np.array([1.0, 2.0, 3.0]), gradient / np.linalg.norm(gradient)
    changes = [(cost(size * along)[0] - cost(-size * along)[0]) / 2 for size in sizes]
    slope = sizes @ changes / (sizes @ sizes)
    np.testing.assert_allclose(slope, gradient @ along, rtol=1e-2)


def test_adjoint(method, batches, grown_states, grown_at, tangent_forecast, rng):
    """⟨λ, H M G U v⟩ = ⟨Uᵀ Gᵀ Mᵀ Hᵀ λ, v⟩, with λ = R⁻¹ (H(x) − y) of all channels and times.

    The right side is from the gradient of J; tangents are by forward mode.
    """
    cost = method.cost(grown_states[0], grown_at, batches)
    control = 0.1 * rng.standard_normal(cost.controls)
    gradient = cost(control)[1] - control
    direction = (1 + rng.standard_normal(cost.controls)) * gradient
    v, *w = direction.reshape(-1, *cost.root.control_shape)
    x, change, forward = cost.trajectory(control), cost.root(v), 0.0
    for step, observed in enumerate(cost.observations, 1):
        change = tangent_forecast(x[step - 1], change, 6, later(grown_at, 6 * (step - 1)))
        if cost.model_error_root:
            change = change + cost.model_error_root(w[step - 1])
        index = batches[step - 1].observation_index[0]
        seen = tangent_seen(method.view, x[step], change).reshape(len(method.channels), -1)
        sensitivity = (observed.operator(x[step])[0] - observed.values) / observed.std**2
        forward += np.vdot(sensitivity, seen[:, index])
    assert abs(forward - gradient @ direction) < 1e-4 * abs(forward)


def tangent_seen(view, state, change):
    """What is seen of a state, linearised, by forward mode."""
    import jax

    point, move = state.astype(np.float32), change.astype(np.float32)
    return np.asarray(jax.jvp(view._see, (point,), (move,))[1], np.float64)
