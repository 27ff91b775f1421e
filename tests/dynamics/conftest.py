"""The circulation model and two of its states, grown from rest once for all tests."""

from functools import partial

import numpy as np
import pytest

from dambench_hub.dynamics.jax_setup import prepare_jax

prepare_jax()  # before a test module imports jax

from dambench_hub.coordinates.grids import Grid  # noqa: E402
from dambench_hub.dynamics.circulation_model import CirculationModel  # noqa: E402
from dambench_hub.dynamics.circulation_view import CirculationView  # noqa: E402

DAYS = 20


@pytest.fixture(scope="session")
def circulation_model() -> CirculationModel:
    pytest.importorskip("jcm")
    from dambench_hub.dynamics.circulation import Circulation

    return CirculationModel(Circulation(21, 60, {}))


@pytest.fixture(scope="session")
def circulation_view(circulation_model) -> CirculationView:
    """The states' channels on 33×64."""
    return CirculationView(circulation_model, Grid(33, 64))


@pytest.fixture(scope="session")
def grown_at() -> np.datetime64:
    """Valid time of the first of the grown states."""
    return np.datetime64("2022-01-01T00") + np.timedelta64(DAYS, "D")


@pytest.fixture(scope="session")
def grown_states(circulation_model, grown_at) -> np.ndarray:
    """Two states with weather, 5 days apart, (2, N)."""
    circulation = circulation_model.circulation
    begin = grown_at - np.timedelta64(DAYS, "D")
    rest = circulation_model.pack(circulation.start(begin, np.random.default_rng(0)).dynamics)
    first = circulation_model.advance(rest, 24 * DAYS, begin)
    return np.stack([first, circulation_model.advance(first, 120, grown_at)])


@pytest.fixture(scope="session")
def tangent_with_means(circulation_model):
    """The model linearised, by forward mode: (state, its change, hours, start) to the changes.

    Those of the end and, by name, of the means.
    """
    import jax

    circulation = circulation_model.circulation

    @partial(jax.jit, static_argnums=2)
    def push(run, change, hours):
        def forecast(dynamics):
            end, means = circulation.run(run.replace(dynamics=dynamics), hours / 24)
            return end.dynamics, means

        return jax.jvp(forecast, (run.dynamics,), (change,))[1]

    def tangent(state, change, hours, start):
        run = circulation.at(start, circulation_model.unpack(state))
        end, means = push(run, circulation_model.unpack(change), hours)
        means = {name: np.asarray(mean, np.float64) for name, mean in means.items()}
        return circulation_model.pack(end), means

    return tangent


@pytest.fixture(scope="session")
def tangent_forecast(tangent_with_means):
    """The same of the end alone."""
    return lambda *args: tangent_with_means(*args)[0]
