"""Stations off the grid: exact, keyed, nested, with the error that was asked for."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.errors import DataError, TaskError
from dambench_hub.observations.off_grid_network import OffGridNetwork
from dambench_hub.observations.point_interpolation import PointInterpolation

GRID = Grid(17, 32)
CHANNELS = ("t2m", "z500", "u850")
STD = np.array([0.5, 100.0, 2.0])
DAY = np.datetime64("2020-02-29T12")


@pytest.fixture
def reference(rng):
    """Fields of degrees up to 10."""
    c = rng.normal(size=(3, 21, 11)) * (np.arange(11) >= (np.arange(1, 22) // 2)[:, None])
    fields = 10 * STD[:, None, None] * Synthesis(GRID, 21, 11, np.float64).scalar(c)
    return fields + np.array([280.0, 55_000.0, 0.0])[:, None, None]


def observe(network, reference, std=STD, time=DAY, redraw=None):
    return network.observe(reference, CHANNELS, GRID, std, time, redraw)


def test_rows_are_all_channels_at_all_stations(reference):
    network = OffGridNetwork(30)
    table = observe(network, reference)
    assert len(table) == 90 and len(table.names("station")) == 30
    np.testing.assert_array_equal(table.labels("variable"), np.tile(["t2m", "z", "u"], 30))
    np.testing.assert_array_equal(table.pressure, np.tile([np.nan, 50_000, 85_000], 30))
    np.testing.assert_array_equal(table.labels("report"), np.tile(["synop", "temp", "temp"], 30))
    np.testing.assert_allclose(table.latitude[::3], network.latitude)
    np.testing.assert_array_equal(table.error_std.reshape(30, 3), np.float32([STD] * 30))
    assert np.all(table.time == DAY)
    assert PointInterpolation(CHANNELS, GRID, table).seen.all()


def test_values_are_the_field_there_and_not_what_h_makes_of_it(reference):
    network = OffGridNetwork(200)
    table = observe(network, reference, STD / 1e6)
    fine = Grid(721, 1440)
    c = np.zeros((21, 11))
    c[3, 5], c[4, 8] = 1, -2
    field, wanted = (Synthesis(g, 21, 11, np.float64).scalar(c) for g in (GRID, fine))
    found = network.exact(np.stack([field] * 2), ("t2m", "z500"), GRID)
    near = PointInterpolation(("t2m",), fine, table.where(table.is_of("variable", "t2m")))
    np.testing.assert_allclose(found[0], near(wanted[None]), atol=3e-4)
    H = PointInterpolation(CHANNELS, GRID, table)
    error = (table.value - H(reference)).reshape(-1, 3).std(axis=0)
    assert np.all(error > 0.02 * reference.std(axis=(1, 2)))


def test_stations_cover_the_sphere_evenly_and_stay():
    network = OffGridNetwork(20_000)
    sine = np.sin(np.deg2rad(network.latitude))
    counts = np.histogram2d(sine, network.longitude, bins=(4, 4), range=((-1, 1), (0, 360)))[0]
    assert np.all(np.abs(counts - 1_250) < 5 * np.sqrt(1_250))
    np.testing.assert_array_equal(network.latitude, OffGridNetwork(20_000).latitude)
    assert not np.array_equal(network.latitude, OffGridNetwork(20_000, seed=1).latitude)


def test_errors_are_those_that_were_asked_for_and_new_each_time(reference):
    network = OffGridNetwork(5_000)
    exact = network.exact(reference, CHANNELS, GRID)
    errors = [
        (observe(network, reference, time=DAY + day).value.reshape(-1, 3) - exact.T) / STD
        for day in range(2)
    ]
    np.testing.assert_allclose(np.cov(*errors[0].T[:2]), np.eye(2), atol=5 / np.sqrt(5_000))
    np.testing.assert_allclose(np.std(errors, axis=1), 1, atol=0.05)
    assert np.all(np.abs((errors[0] * errors[1]).mean(axis=0)) < 5 / np.sqrt(5_000))


def test_the_draw_is_a_function_of_seed_time_and_redraw(reference):
    network = OffGridNetwork(10)
    first = observe(network, reference)
    assert first.to_pandas().equals(observe(OffGridNetwork(10), reference).to_pandas())
    for other in (
        observe(OffGridNetwork(10, seed=1), reference),
        observe(network, reference, time=DAY + np.timedelta64(1, "h")),
        observe(network, reference, redraw=0),
        observe(network, reference, redraw=1),
    ):
        assert not np.array_equal(other.value, first.value)


def test_a_larger_network_holds_the_smaller(reference):
    few, many = (observe(OffGridNetwork(n), reference) for n in (10, 25))
    np.testing.assert_array_equal(many.latitude[:30], few.latitude)
    np.testing.assert_allclose(many.value[:30], few.value, rtol=1e-6)


@pytest.mark.parametrize("values", [{"points": 0}, {"points": 2.5}, {"points": 3, "seed": -1}])
def test_impossible_networks_are_refused(values):
    with pytest.raises(TaskError, match="got"):
        OffGridNetwork(**values)


def test_impossible_times_and_errors_are_refused(reference):
    with pytest.raises(DataError, match="whole hours"):
        observe(OffGridNetwork(3), reference, time=np.datetime64("2020-01-01T00:30"))
    with pytest.raises(DataError, match="error_std is positive"):
        observe(OffGridNetwork(3), reference, np.zeros(3))
