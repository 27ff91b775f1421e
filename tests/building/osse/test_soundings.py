"""The network that the cycled ensemble lives on."""

import numpy as np
import pytest

from dambench_hub.building.osse.soundings import sounding_network
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS

GRID = Grid.parse("61x120")


def network(land, seed=0, times=1.0):
    return sounding_network(GRID, np.full(GRID.shape, land), np.random.default_rng(seed), times)


def by_latitude(soundings, low, high):
    """Share of the grid points between two latitudes that have a station."""
    rows = soundings.stations // GRID.longitudes
    inside = (GRID.latitude >= low) & (GRID.latitude <= high)
    return np.isin(rows, np.flatnonzero(inside)).sum() / (inside.sum() * GRID.longitudes)


def test_lands_of_the_north_are_dense_and_southern_seas_are_empty():
    land, sea = network(1.0), network(0.0)
    assert by_latitude(land, 25, 45) > 1.5 * by_latitude(land, -45, -25) > 0
    assert by_latitude(land, -45, -25) > 1.5 * by_latitude(sea, 0, 45) > 0
    assert by_latitude(sea, 0, 45) > by_latitude(sea, -90, -40)


def test_the_network_is_keyed_by_its_generator_only():
    first, again, other = network(1.0), network(1.0), network(1.0, seed=1)
    np.testing.assert_array_equal(first.stations, again.stations)
    assert not np.array_equal(first.stations, other.stations)


def test_another_number_of_stations_is_of_the_same_draw():
    few, usual, many = (network(1.0, times=times).stations for times in (0.3, 1.0, 3.0))
    assert np.isin(few, usual).all() and np.isin(usual, many).all()
    assert len(few) / len(usual) == pytest.approx(0.3, rel=0.1)
    assert len(many) / len(usual) == pytest.approx(3.0, rel=0.1)


def test_stations_report_their_column_with_the_stated_errors():
    soundings = network(1.0)
    fields = np.random.default_rng(1).normal(size=(len(STANDARD_CHANNELS), *GRID.shape))
    seen = soundings.see(fields)
    u500 = STANDARD_CHANNELS.index("u500")
    row = soundings.channels.index(u500)
    np.testing.assert_array_equal(seen[row], fields[u500].ravel()[soundings.stations])
    draws = np.stack([soundings.observe(fields, np.random.default_rng(n)) for n in range(200)])
    errors = (draws - seen) / soundings.error_std[:, None]
    np.testing.assert_allclose(errors.std(axis=(0, 2)), 1, rtol=0.05)
    np.testing.assert_allclose(errors.mean(axis=(0, 2)), 0, atol=0.03)


def test_members_are_seen_as_single_states_are():
    soundings = network(1.0)
    members = np.random.default_rng(1).normal(size=(3, len(STANDARD_CHANNELS), *GRID.shape))
    np.testing.assert_array_equal(soundings.see(members)[2], soundings.see(members[2]))
