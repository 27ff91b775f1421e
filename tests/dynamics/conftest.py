"""The circulation model and two of its states, grown from rest once for all tests."""

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
