"""Drawn observations: keyed, nested, unbiased, with the error that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError, TaskError
from dambench_hub.observations import ObservationSettings, draw_observations

GRID = Grid(9, 16)
STD = np.array([0.5, 2.0, 1000.0])
DAY = np.datetime64("2020-02-29T12")
NETWORKS = ("column", "stations", "iid", "network")
CHANNELS = ("t2m", "msl", "z500")


@pytest.fixture
def reference(rng):
    return rng.normal([[[0.0]], [[10.0]], [[50_000.0]]], 1, (3, *GRID.shape)).astype("f4")


def draw(reference, time=DAY, std=STD, redraw=None, **changes):
    settings = ObservationSettings(**{"density": 0.2, **changes})
    return draw_observations(settings, GRID, reference, std, time, redraw, CHANNELS)


def at(index, values):
    """{(channel, point): value} of what is seen."""
    index = np.broadcast_to(index, values.shape)
    return {
        (channel, int(point)): values[channel, row]
        for channel in range(len(values))
        for row, point in enumerate(index[channel])
        if np.isfinite(values[channel, row])
    }


@pytest.mark.parametrize("network", NETWORKS)
def test_shapes_types_and_order(network, reference):
    index, values = draw(reference, network=network)
    assert index.shape == ((3, 29) if network == "iid" else (29,))
    assert values.shape == (3, 29)
    assert (index.dtype, values.dtype) == (np.int32, np.float32)
    assert np.all(np.diff(index, axis=-1) > 0)  # ascending, each point once
    assert index.min() >= 0 and index.max() < GRID.size


@pytest.mark.parametrize("network", NETWORKS)
def test_the_draw_is_a_function_of_seed_and_time(network, reference):
    first = draw(reference, network=network)
    draw(reference, time=DAY + 24, network=network)  # what else was drawn changes nothing
    again = draw(reference, time=DAY.astype("M8[ns]"), network=network)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    for other in (
        draw(reference, network=network, seed=1),
        draw(reference, network=network, time=DAY + np.timedelta64(1, "h")),
        draw(reference, network=network, redraw=0),
        draw(reference, network=network, redraw=1),
    ):
        assert at(*other) != at(*first)


def test_every_redraw_is_another(reference):
    draws = [draw(reference, redraw=redraw) for redraw in (None, 0, 1, 2)]
    assert len({tuple(index) for index, _ in draws}) == len(draws)
    np.testing.assert_array_equal(draws[2][1], draw(reference, redraw=1)[1])


@pytest.mark.parametrize("network", NETWORKS)
@settings(max_examples=20, deadline=None)
@given(sparse=st.floats(0.01, 1), dense=st.floats(0.01, 1), redraw=st.none() | st.integers(0, 3))
def test_a_denser_network_holds_the_sparser(network, sparse, dense, redraw):
    sparse, dense = sorted((sparse, dense))
    state = np.random.default_rng(3).normal(size=(3, *GRID.shape)).astype("f4")
    few = at(*draw(state, network=network, density=sparse, redraw=redraw))
    many = at(*draw(state, network=network, density=dense, redraw=redraw))
    assert few.items() <= many.items()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("density", [0.05, 1.0])
def test_without_error_observations_are_the_reference(network, density, reference):
    index, values = draw(reference, std=np.zeros(3), network=network, density=density)
    flat, seen = reference.reshape(3, -1), np.isfinite(values)
    wanted = np.take_along_axis(flat, np.broadcast_to(index, values.shape), 1)
    np.testing.assert_array_equal(values[seen], wanted[seen])
    assert seen.all() or network == "network"
    if density == 1:
        np.testing.assert_array_equal(np.broadcast_to(index, (3, GRID.size))[2], range(GRID.size))


@pytest.mark.parametrize("network", ["column", "stations", "iid"])
def test_errors_are_unbiased_gaussian_and_independent(network):
    grid, state = Grid(19, 36), np.zeros((3, 19, 36), "f4")
    wanted = ObservationSettings(network, density=1)
    errors = np.concatenate(
        [draw_observations(wanted, grid, state, STD, DAY + 24 * day)[1] for day in range(30)], 1
    )
    errors = errors / STD[:, None]
    n = errors.shape[1]
    assert np.all(np.abs(errors.mean(1)) < 4 / np.sqrt(n))
    np.testing.assert_allclose(errors.std(1), 1, atol=4 / np.sqrt(2 * n))
    np.testing.assert_allclose((errors**4).mean(1), 3, atol=4 * np.sqrt(96 / n))
    np.testing.assert_allclose(np.cov(errors), np.eye(3), atol=5 / np.sqrt(n))
    lag = (errors[:, 1:] * errors[:, :-1]).mean(1)
    assert np.all(np.abs(lag) < 4 / np.sqrt(n))


def test_column_points_cover_the_grid_evenly():
    counts = np.zeros(GRID.size)
    state = np.zeros((1, *GRID.shape), "f4")
    days, share = 400, 0.25
    for day in range(days):
        index, _ = draw(state, DAY + 24 * day, np.zeros(1), density=share)
        counts[index] += 1
    assert np.all(np.abs(counts / days - share) < 5 * np.sqrt(share * (1 - share) / days))


def test_stations_stay_and_columns_move(reference):
    stations = [draw(reference, DAY + 24 * day, network="stations")[0] for day in range(4)]
    assert all(np.array_equal(stations[0], other) for other in stations)
    assert not np.array_equal(stations[0], draw(reference, network="stations", seed=1)[0])
    columns = [draw(reference, DAY + 24 * day)[0] for day in range(4)]
    assert len({tuple(index) for index in columns}) == 4
    values = [draw(reference, DAY + 24 * day, network="stations")[1] for day in range(2)]
    assert not np.array_equal(*values)  # their errors are new each time


def test_stations_crowd_and_avoid_poles():
    grid = Grid(61, 120)
    index, _ = draw_observations(
        ObservationSettings("stations", 0.05), grid, np.zeros((1, *grid.shape)), np.zeros(1), DAY
    )
    rows = index // grid.longitudes
    assert np.mean((rows == 0) | (rows == 60)) < 2 / 61 / 4
    xyz = grid.unit_vectors()[index]
    chords = np.linalg.norm(xyz[:, None] - xyz, axis=-1)
    nearest = np.sort(chords, axis=1)[:, 1]
    assert np.quantile(nearest, 0.95) > 2.5 * np.median(nearest)


def test_stations_see_the_surface_and_radiosondes_the_rest(reference):
    index, values = draw(reference, network="network")
    np.testing.assert_array_equal(index, draw(reference, network="stations")[0])
    seen = np.isfinite(values)
    assert seen[:2].all() and seen[2].sum() == 7  # of 29 points a quarter
    for day in range(2):
        again = draw(reference, DAY + 24 * day, network="network")[1]
        np.testing.assert_array_equal(np.isfinite(again), seen)


def test_a_station_errs_twice_as_much_as_a_radiosonde():
    settings = ObservationSettings("network", error_scale=0.5)
    std = settings.instrument_error_std(np.array([1.0, 10.0, 100.0]), CHANNELS)
    np.testing.assert_array_equal(std, [1.0, 10.0, 50.0])
    column = ObservationSettings(error_scale=0.5)
    std = column.instrument_error_std(np.array([1.0, 10.0, 100.0]), CHANNELS)
    np.testing.assert_array_equal(std, [0.5, 5.0, 50.0])


@pytest.mark.parametrize("channels", [None, ("t2m",)])
def test_a_network_of_instruments_needs_the_names_of_all_channels(reference, channels):
    with pytest.raises(TaskError, match="names of all 3 channels"):
        draw_observations(
            ObservationSettings("network"), GRID, reference, STD, DAY, channels=channels
        )


def test_iid_points_differ_between_channels(reference):
    index, _ = draw(reference, network="iid")
    assert len({tuple(row) for row in index}) == 3


@pytest.mark.parametrize(
    ("density", "points"), [(0.05, 7), (1, 144), (1e-9, 1), (10.6 / 144, 11), (10.4 / 144, 10)]
)
def test_points_are_the_rounded_share(density, points):
    assert ObservationSettings(density=density).points(GRID) == points


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": "colum"}, "Unknown network 'colum'. Did you mean 'column'"),
        ({"network": None}, "Unknown network None"),
        ({"density": 0}, "0 < density <= 1, got 0"),
        ({"density": 1.01}, "0 < density <= 1"),
        ({"density": float("nan")}, "0 < density <= 1"),
        ({"error_scale": -0.1}, "error_scale is a number from 0 on"),
        ({"error_scale": float("inf")}, "error_scale is a number from 0 on"),
        ({"error_scale": float("nan")}, "error_scale is a number from 0 on"),
        ({"seed": -1}, "seed is a whole number from 0 on"),
        ({"seed": 1.5}, "seed is a whole number from 0 on"),
        ({"seed": float("nan")}, "seed is a whole number from 0 on"),
        ({"error_sacle": 1}, "observations: unknown key 'error_sacle'. Did you mean"),
    ],
)
def test_bad_settings_are_named(values, message):
    with pytest.raises(TaskError) as caught:
        ObservationSettings.from_dict(values)
    assert message in str(caught.value)


def test_a_time_between_hours_is_refused(reference):
    with pytest.raises(DataError, match="whole hours"):
        draw(reference, time=np.datetime64("2020-01-01T00:30"))
