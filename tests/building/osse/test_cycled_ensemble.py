"""The filter that makes the backgrounds, on states of the circulation model."""

from importlib.util import find_spec

import numpy as np
import pytest

from dambench_hub.building.osse.cycled_ensemble import NAMES, CycledEnsemble
from dambench_hub.building.osse.soundings import Soundings
from dambench_hub.coordinates.grids import Grid

pytestmark = pytest.mark.skipif(find_spec("jcm") is None, reason="needs jcm")

GRID = Grid.parse("33x64")
STATIONS = np.array([8 * 64 + 10, 9 * 64 + 12])
MEMBERS = 8


@pytest.fixture(scope="module")
def ensemble():
    from dambench_hub.dynamics.circulation import Circulation
    from dambench_hub.dynamics.circulation_model import CirculationModel
    from dambench_hub.dynamics.jax_setup import prepare_jax

    prepare_jax()
    return CycledEnsemble(CirculationModel(Circulation(21, 60, {})), Soundings(GRID, STATIONS))


@pytest.fixture(scope="module")
def members(ensemble):
    """States of red noise."""
    rng, vector = np.random.default_rng(0), ensemble.model.vector
    degree = np.arange(vector.degrees)
    small = {"vorticity": 1e-5, "divergence": 1e-6, "specific_humidity": 1e-3}

    def field(name):
        levels = 1 if name == "log_surface_pressure" else vector.levels
        noise = rng.normal(size=(levels, vector.orders, vector.degrees))
        noise[..., -1] = noise[..., 0] = 0
        return small.get(name, 0.1) * noise / (1 + degree)

    return np.stack([vector.pack({n: field(n) for n in NAMES}) for _ in range(MEMBERS)])


def seen(ensemble, size=1.0):
    shape = (MEMBERS, len(ensemble.soundings.channels), len(STATIONS))
    std = ensemble.soundings.error_std[:, None]
    return size * std * np.random.default_rng(1).normal(size=shape)


def test_the_grid_and_back_keeps_a_state(ensemble, members):
    again = ensemble._from_grid(ensemble._to_grid(members))
    for one, other in zip(members, again, strict=True):
        before, after = (ensemble.model.vector.unpack(x) for x in (one, other))
        for name in NAMES:
            # Wind of the last degrees leaks into divergence, which is small beside vorticity.
            allowed = 0.05 if name == "divergence" else 0.003
            error = np.sqrt(np.mean((after[name] - before[name]) ** 2))
            assert error < allowed * np.sqrt(np.mean(before[name] ** 2)), name


def test_columns_out_of_reach_keep_their_values(ensemble, members):
    """On the grid: back in coefficients, a bounded increment rings a little."""
    analysis = ensemble.analyse(members, seen(ensemble), seen(ensemble)[0] + 1)
    assert np.abs(analysis - members).max() > 0
    change = np.abs(ensemble._to_grid(analysis) - ensemble._to_grid(members))
    near = ensemble._columns @ GRID.unit_vectors()[STATIONS].T
    far = near.max(axis=1) < np.cos(6000 / 6371)
    assert change[..., far].mean() < 0.05 * change[..., ~far].max()


def test_weights_are_those_of_the_observations(ensemble, members):
    """An observation that all members agree with changes no mean; a departure draws it."""
    of_members = seen(ensemble)
    mean = of_members.mean(axis=0)
    still = ensemble.analyse(members, of_members, mean).mean(axis=0)
    drawn = ensemble.analyse(members, of_members, of_members[3]).mean(axis=0)
    scale = np.abs(members).std(axis=0).max()
    np.testing.assert_allclose(still, members.mean(axis=0), atol=1e-5 * scale)
    toward, change = members[3] - members.mean(axis=0), drawn - members.mean(axis=0)
    assert toward @ change > 0.05 * np.linalg.norm(toward) * np.linalg.norm(change)
