"""Means over blocks, and how methods get them at the blocks' centres."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import TaskError
from dambench_hub.observations import ObservationSettings, draw_observations
from dambench_hub.observations.blocks import Blocks, block_width
from dambench_hub.observations.operators import Coarsening

GRID = Grid(17, 32)
DAY = np.datetime64("2024-01-01")
BLOCKS = Blocks(GRID, 1 / 16)


def test_centres_are_the_points_of_a_coarser_grid():
    assert (BLOCKS.width, BLOCKS.grid) == (4, Grid(5, 8))
    latitude = np.repeat(GRID.latitude, GRID.longitudes)[BLOCKS.centres]
    np.testing.assert_allclose(latitude, np.repeat(BLOCKS.grid.latitude, 8))
    longitude = np.tile(GRID.longitude, GRID.latitudes)[BLOCKS.centres]
    np.testing.assert_allclose(longitude, np.tile(BLOCKS.grid.longitude, 5))


def test_means_are_those_of_the_operator(rng):
    state = rng.normal(size=(2, *GRID.shape))
    wanted = Coarsening(2, GRID, BLOCKS.grid)(state).reshape(2, -1)
    np.testing.assert_allclose(BLOCKS.means(state), wanted)
    np.testing.assert_allclose(BLOCKS.means(0 * state + 7), 7)


def test_departures_at_the_centres_are_those_of_the_means(rng):
    reference, background = rng.normal(size=(2, 3, *GRID.shape))
    values = BLOCKS.at_centres(BLOCKS.means(reference), background)
    departure = values - background.reshape(3, -1)[:, BLOCKS.centres]
    np.testing.assert_allclose(departure, BLOCKS.means(reference - background), atol=1e-5)


def test_a_draw_is_the_means_and_an_error(rng):
    settings = ObservationSettings("blocks", 1 / 16)
    state, std = rng.normal(size=(3, *GRID.shape)), np.array([0.0, 1.0, 3.0])
    index, values = draw_observations(settings, GRID, state, std, DAY)
    assert settings.points(GRID) == len(index) == BLOCKS.grid.size
    np.testing.assert_array_equal(index, BLOCKS.centres)
    errors = np.concatenate(
        [
            draw_observations(settings, GRID, state, std, DAY + day)[1] - BLOCKS.means(state)
            for day in range(40)
        ],
        axis=1,
    )
    np.testing.assert_allclose(errors.std(axis=1), std, rtol=0.1, atol=1e-6)


def test_r_knows_what_a_mean_does_not_say_of_a_point():
    settings = ObservationSettings("blocks", 1 / 16, error_scale=0.25)
    std = settings.observation_error_std(np.array([1.0, 2.0]), ("z500", "t850"), GRID)
    share = BLOCKS.representativeness
    np.testing.assert_allclose(std, np.hypot(0.25, share) * np.array([1.0, 2.0]))
    assert Blocks(GRID, 1 / 4).representativeness < share <= 1


@pytest.mark.parametrize("density", [1.0, 0.3, 0.05])
def test_densities_that_are_of_no_blocks_are_refused(density):
    with pytest.raises(TaskError, match="1 / r²"):
        ObservationSettings("blocks", density)
    with pytest.raises(TaskError, match="do not fit the grid 17x32"):
        Blocks(GRID, 1 / 9)


def test_the_width_follows_from_the_density():
    assert [block_width(density) for density in (0.25, 0.1111, 0.0625, 1 / 64)] == [2, 3, 4, 8]
