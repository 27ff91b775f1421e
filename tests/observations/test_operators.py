"""Observation operators: adjoints, and what each of them keeps."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError, GridError
from dambench_hub.observations.networks import ObservationSettings, draw_observations
from dambench_hub.observations.operators import Coarsening, GridSelection
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.table import ObservationTable

GRID = Grid(9, 16)
CHANNELS = 3
TIME = np.datetime64("2024-01-01")


def network(name: str) -> np.ndarray:
    settings = ObservationSettings(network=name, density=0.2)
    state = np.zeros((CHANNELS, *GRID.shape), np.float32)
    return draw_observations(settings, GRID, state, np.zeros(CHANNELS), TIME)[0]


def reports(rows: int) -> ObservationTable:
    """Of the surface and of levels, also of such as are not those of the state."""
    rng = np.random.default_rng(2)
    variable = rng.choice(["t2m", "t", "msl"], rows)
    return ObservationTable.from_columns(
        time=TIME,
        latitude=rng.uniform(-90, 90, rows),
        longitude=rng.uniform(0, 360, rows),
        pressure=np.where(variable == "t", rng.uniform(4e4, 9e4, rows), np.nan),
        variable=variable,
        value=0.0,
        error_std=1.0,
        station="A",
        report="temp",
    )


SEEN = np.random.default_rng(1).random((CHANNELS, round(0.2 * GRID.size))) < 0.5
OPERATORS = [
    GridSelection(CHANNELS, GRID, network("column")),
    GridSelection(CHANNELS, GRID, network("stations")),
    GridSelection(CHANNELS, GRID, network("iid")),
    Coarsening(CHANNELS, GRID, Grid(5, 8)),
    Coarsening(CHANNELS, GRID, Grid(4, 7)),
    GridSelection(CHANNELS, Grid(5, 8), np.array([0, 3, 17]))
    @ Coarsening(CHANNELS, GRID, Grid(5, 8)),
    PointInterpolation(("t2m", "t400", "t900", "msl"), GRID, reports(50)),
    PointInterpolation(("t2m", "t400", "t900", "msl"), Grid(5, 8), reports(20))
    @ Coarsening(4, GRID, Grid(5, 8)),
]
UNSEEN = [
    PointInterpolation(("t2m", "t500", "t850"), GRID, reports(50)),
    PointInterpolation(("t2m",), GRID, ObservationTable.empty()),
]
"""Of some reports they know nothing, or have none."""
BLIND = [
    GridSelection(CHANNELS, GRID, network("stations"), SEEN),
    GridSelection(CHANNELS, GRID, network("iid"), SEEN),
]
"""They do not see all channels at all points."""


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
@pytest.mark.parametrize("H", OPERATORS + BLIND + UNSEEN, ids=repr)
def test_adjoint(H, leading, rng):
    x = rng.normal(size=(*leading, *H.state_shape))
    y = rng.normal(size=(*leading, *H.observation_shape))
    np.testing.assert_allclose(np.vdot(H(x), y), np.vdot(x, H.adjoint(y)), rtol=1e-10)


@pytest.mark.parametrize("H", OPERATORS + BLIND + UNSEEN, ids=repr)
def test_linear_and_same_for_each_sample(H, rng):
    x = rng.normal(size=(2, *H.state_shape))
    np.testing.assert_allclose(H(2 * x[0] - x[1]), 2 * H(x[0]) - H(x[1]), atol=1e-12)
    np.testing.assert_allclose(H(x)[1], H(x[1]), atol=1e-12)


@pytest.mark.parametrize("H", OPERATORS, ids=repr)
def test_constants_stay(H):
    np.testing.assert_allclose(H(np.full(H.state_shape, 7.0)), 7.0)


@pytest.mark.parametrize("name", ["column", "stations", "iid"])
def test_selection_agrees_with_drawn_observations(name, rng):
    state = rng.normal(size=(CHANNELS, *GRID.shape)).astype(np.float32)
    settings = ObservationSettings(network=name, density=0.2, error_scale=0)
    index, values = draw_observations(settings, GRID, state, np.zeros(CHANNELS), TIME)
    np.testing.assert_array_equal(GridSelection(CHANNELS, GRID, index)(state), values)


@pytest.mark.parametrize("H", BLIND, ids=repr)
def test_what_is_not_seen_is_zero_whatever_is_there(H, rng):
    complete = GridSelection(CHANNELS, GRID, H.index)
    state = rng.normal(size=H.state_shape)
    np.testing.assert_array_equal(H(state), np.where(SEEN, complete(state), 0))
    told = np.where(SEEN, complete(state), np.nan)
    assert np.isfinite(H.adjoint(told)).all()
    with pytest.raises(DataError, match="seen at points"):
        GridSelection(CHANNELS, GRID, H.index, SEEN[:2])


def test_selecting_what_was_put_there_gives_it_back(rng):
    H = OPERATORS[2]
    y = rng.normal(size=H.observation_shape)
    np.testing.assert_array_equal(H(H.adjoint(y)), y)


@pytest.mark.parametrize("coarse", [GRID, Grid(5, 8), Grid(4, 7), Grid(3, 2)], ids=str)
def test_coarsening_keeps_the_mean_over_the_sphere(coarse, rng):
    def area(grid):
        edges = np.concatenate([[90], (grid.latitude[1:] + grid.latitude[:-1]) / 2, [-90]])
        return -np.diff(np.sin(np.deg2rad(edges)))[:, None] / (2 * grid.longitudes)

    x = rng.normal(size=(1, *GRID.shape))
    y = Coarsening(1, GRID, coarse)(x)
    np.testing.assert_allclose((y * area(coarse)).sum(), (x * area(GRID)).sum(), atol=1e-12)


def test_coarsening_to_the_same_grid_is_the_identity(rng):
    x = rng.normal(size=(1, *GRID.shape))
    np.testing.assert_allclose(Coarsening(1, GRID, GRID)(x), x, atol=1e-12)


@pytest.mark.parametrize("bad", [[-1, 3], [3, GRID.size], [4, 4], [[1, 2]]])
def test_impossible_points_are_refused(bad):
    with pytest.raises(DataError):
        GridSelection(CHANNELS, GRID, np.array(bad))


def test_wrong_shapes_are_refused():
    with pytest.raises(DataError, match="state"):
        OPERATORS[0](np.zeros((CHANNELS, 3, 4)))
    with pytest.raises(DataError, match="cannot follow"):
        OPERATORS[0] @ OPERATORS[3]
    with pytest.raises(GridError, match="finer"):
        Coarsening(CHANNELS, Grid(5, 8), GRID)
