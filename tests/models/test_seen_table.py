"""A table without units: at grid points the state itself, elsewhere H, with its gradient."""

import numpy as np
import pytest
import torch
from models.test_point_observations_tables import at_grid_points, between_grid_points

from dambench_hub.models.seen_table import see_table
from dambench_hub.observations.point_interpolation import PointInterpolation


@pytest.fixture
def batch(small_world):
    return small_world.batch(size=2, first=60, density=0.15)


@pytest.fixture
def scale(small_world):
    return torch.from_numpy(small_world.statistics.std).float()


def see(batch, table, scale, least=0.0):
    origin = torch.from_numpy(batch.background[1])
    H = PointInterpolation(batch.channels, batch.grid, table)
    return see_table(H, origin, scale[:, None, None], least * scale)


def test_at_grid_points_it_is_the_state(batch, scale, rng):
    table = see(batch, at_grid_points(batch)[1], scale)
    state = torch.from_numpy(rng.normal(size=batch.background.shape[1:])).float()
    there = state.flatten(1)[:, torch.from_numpy(batch.observation_index[1]).long()]
    torch.testing.assert_close(table(state), there.flatten())
    origin = batch.background[1].reshape(len(scale), -1)[:, batch.observation_index[1]]
    wanted = (batch.observation_values[1] - origin) / scale.numpy()[:, None]
    torch.testing.assert_close(table.values, torch.from_numpy(wanted).flatten())
    std = torch.from_numpy(batch.observation_error_std / scale.numpy()).float()
    torch.testing.assert_close(table.error_std, std.repeat_interleave(there.shape[1]))


def test_departures_are_those_in_physical_units(batch, scale, rng):
    """Between levels, too, where two of z500 and z850 with scales of their own are mixed."""
    reports = between_grid_points(batch, rng, shift=0.8)[1]
    H = PointInterpolation(batch.channels, batch.grid, reports)
    table = see(batch, reports, scale)
    state = rng.normal(size=batch.background.shape[1:])
    physical = batch.background[1] + scale.numpy()[:, None, None] * state
    wanted = ((reports.value - H(physical)) / reports.error_std)[H.seen]
    found = (table.values - table(torch.from_numpy(state))) / table.error_std
    assert 0 < H.seen.sum() < len(reports)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-2)


def test_errors_are_raised_to_the_least(batch, scale):
    reports = at_grid_points(batch)[1]
    exact = reports.replace(error_std=reports.error_std / 1e6)
    torch.testing.assert_close(
        see(batch, exact, scale, 0.1).error_std, torch.full((len(exact),), 0.1)
    )


def test_gradients_reach_the_four_grid_points_around(batch, scale, rng):
    table = see(batch, between_grid_points(batch, rng, rows=1)[1], scale)
    state = torch.zeros(batch.background.shape[1:], requires_grad=True)
    (gradient,) = torch.autograd.grad(table(state)[0], state)
    assert (gradient != 0).sum() == 4 and gradient.sum() == pytest.approx(1, abs=1e-5)
