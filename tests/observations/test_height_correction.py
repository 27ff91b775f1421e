"""Temperatures at the height of stations."""

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.observations.height_correction import height_offset
from dambench_hub.observations.table import ObservationTable

GRID = Grid(17, 32)


def offset(variable, elevation, ground, **columns):
    given = {"latitude": 46.0, "longitude": 8.0, "value": 280.0, "error_std": 1.0} | columns
    table = ObservationTable.from_columns(
        time=np.datetime64("2020-01-01"),
        variable=variable,
        elevation=elevation,
        station="A",
        report="synop",
        **given,
    )
    return height_offset(table, GRID, ground)


def test_a_valley_is_warmer_by_the_lapse_rate():
    ground = np.full(GRID.shape, 1_500.0)
    np.testing.assert_allclose(offset("t2m", [500.0, 1_500.0, 2_500.0], ground), [6.5, 0, -6.5])


def test_a_model_atmosphere_of_that_lapse_rate_is_seen_exactly(rng):
    """Ground of any slope: t at the model's ground is 288 K − Γ h, and so it is at the station."""
    latitude, longitude = rng.uniform(-90, 90, (2, 50))
    ground = np.tile(20 * (90 - GRID.latitude)[:, None], GRID.longitudes)
    height = rng.uniform(0, 4_000, 50).astype(np.float32)
    added = offset("t2m", height, ground, latitude=latitude, longitude=longitude)
    at_ground = 288 - 0.0065 * 20 * (90 - latitude)
    np.testing.assert_allclose(at_ground + added, 288 - 0.0065 * height.astype(float), rtol=1e-6)


def test_unknown_heights_and_other_variables_are_left():
    ground = np.full(GRID.shape, 1_500.0)
    added = offset(["t2m", "msl", "u10"], [np.nan, 10.0, 10.0], ground)
    np.testing.assert_array_equal(added, 0)
