"""Means of innovations in cells: what one row, equal rows and a wide range of rows give."""

import numpy as np
import pytest

from dambench_hub.coordinates.bilinear import nearest_points
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.superobservations import superobservations
from dambench_hub.observations.table import ObservationTable

GRID = Grid(17, 32)
CHANNELS = ("t2m", "t500", "t850", "t1000")
HERE = {"latitude": 45.0, "longitude": 90.0}
"""A grid point, (4, 8)."""


def operator(variable="t2m", pressure=np.nan, **columns):
    given = {"value": 285.0, "error_std": 1.0, "station": "A", "report": "synop"} | HERE
    table = ObservationTable.from_columns(
        time=np.datetime64("2020-01-01"), variable=variable, pressure=pressure, **given | columns
    )
    return PointInterpolation(CHANNELS, GRID, table)


@pytest.fixture
def background(rng):
    return rng.normal(280, 5, size=(len(CHANNELS), *GRID.shape)).astype(np.float32)


def test_one_row_is_that_row(background):
    found = superobservations(operator(error_std=0.7), background)
    np.testing.assert_array_equal(np.argwhere(found.observed), [[0, 4, 8]])
    assert found.values[0, 4, 8] == 285.0 and found.error_std[0, 4, 8] == np.float32(0.7)
    np.testing.assert_array_equal(np.isfinite(found.values), found.observed)
    np.testing.assert_array_equal(np.isfinite(found.error_std), found.observed)
    assert found.left_out == {}


def test_equal_rows_halve_the_variance(background):
    H = operator(value=[285.0, 285.0], error_std=[2.0, 2.0])
    found = superobservations(H, background)
    assert found.count[0, 4, 8] == 2
    np.testing.assert_allclose(found.values[0, 4, 8], 285)
    np.testing.assert_allclose(found.error_std[0, 4, 8] ** 2, 2.0)
    for correlation, variance in ((1.0, 4.0), (0.25, 2.5)):
        found = superobservations(H, background, correlation)
        np.testing.assert_allclose(found.error_std[0, 4, 8] ** 2, variance)


def test_the_mean_is_the_best_one(background):
    """Of independent errors: weights ∝ 1/σ², and no other weights have less variance."""
    H = operator(value=[284.0, 287.0], error_std=[1.0, 2.0])
    found = superobservations(H, background)
    np.testing.assert_allclose(found.values[0, 4, 8], (284 + 287 / 4) / 1.25, rtol=1e-6)
    shares = np.linspace(0, 1, 101)
    least = (shares**2 + (1 - shares) ** 2 * 4).min()
    np.testing.assert_allclose(found.error_std[0, 4, 8] ** 2, least, rtol=1e-6)


def test_departures_are_those_at_the_stations(background, rng):
    latitude, longitude = rng.uniform(-90, 90, 80), rng.uniform(0, 360, 80)
    H = operator(latitude=latitude, longitude=longitude, value=rng.normal(280, 9, 80))
    found = superobservations(H, background)
    innovation = H.table.value - H(background.astype(float))
    points = nearest_points(GRID, latitude, longitude)
    departure = (found.values - background)[0].ravel()
    for point in np.unique(points):
        its = innovation[points == point]
        np.testing.assert_allclose(departure[point], its.mean(), atol=1e-4)
        assert its.min() - 1e-4 <= departure[point] <= its.max() + 1e-4
    assert found.count.sum() == 80


def test_a_perfect_background_is_found_wherever_stations_stand(background, rng):
    """Means of raw values would not pass: stations see the slopes of the field."""
    where = {"latitude": rng.uniform(-90, 90, 300), "longitude": rng.uniform(0, 360, 300)}
    value = operator(value=np.zeros(300), **where)(background)
    found = superobservations(operator(value=value, **where), background)
    np.testing.assert_allclose(found.values[found.observed], background[found.observed], rtol=1e-6)


def test_levels_are_the_nearest_in_ln_p(background):
    pressure = [50_000, 52_000, 60_000, 90_000, 95_000, 100_000, 10_000]
    found = superobservations(operator("t", pressure, value=280 + np.arange(7.0)), background)
    assert found.count[:, 4, 8].tolist() == [0, 2, 1, 2]
    assert found.left_out == {"beyond_levels": 1, "far_from_levels": 1}


def test_every_row_is_used_or_counted(background, rng):
    rows = 500
    variable = rng.choice(["t2m", "t", "u10"], rows)
    pressure = np.where(variable == "t", rng.uniform(2e4, 1.1e5, rows), np.nan)
    H = operator(variable, pressure, latitude=rng.uniform(-90, 90, rows), value=np.zeros(rows))
    found = superobservations(H, background)
    assert found.count.sum() + sum(found.left_out.values()) == rows
    assert set(found.left_out) == {"beyond_levels", "far_from_levels", "no_channel"}


def test_the_height_of_stations_is_taken_off(background):
    H = operator(elevation=1_000.0)
    aware = PointInterpolation(CHANNELS, GRID, H.table, np.zeros(GRID.shape))
    found = superobservations(aware, background)
    np.testing.assert_allclose(found.values[0, 4, 8], 285 + 6.5, rtol=1e-6)


def test_no_rows_are_no_observations(background):
    H = PointInterpolation(CHANNELS, GRID, ObservationTable.empty())
    found = superobservations(H, background)
    assert not found.observed.any() and np.isnan(found.values).all()


def test_impossible_input_is_refused(background):
    with pytest.raises(DataError, match="from 0 to 1 here, got 1.5"):
        superobservations(operator(), background, 1.5)
    with pytest.raises(DataError, match="state must have shape"):
        superobservations(operator(), background[:2])
