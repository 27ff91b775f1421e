"""Interpolation of reports where there is no training split."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models import load_method
from dambench_hub.models.registry import untrained_class
from dambench_hub.models.station_interpolation import StationInterpolation
from dambench_hub.observations.table import ObservationTable

GRID = Grid(61, 120)


def wave(latitude, longitude):
    """An error of the background that is smooth over hundreds of kilometres, K."""
    return 3 * np.sin(np.deg2rad(9 * longitude)) * np.cos(np.deg2rad(7 * latitude))


def reports(count=300, seed=0, elevation=np.nan):
    rng = np.random.default_rng(seed)
    latitude, longitude = rng.uniform(30, 70, count), rng.uniform(340, 400, count) % 360
    lower = 0.0 if np.isnan(elevation) else 0.0065 * elevation
    return ObservationTable.from_columns(
        time=np.datetime64("2018-11-20T12:00"),
        latitude=latitude,
        longitude=longitude,
        elevation=elevation,
        variable="t2m",
        value=280 + wave(latitude, longitude) - lower + 0.1 * rng.normal(size=count),
        error_std=0.1,
        station=[str(n) for n in range(count)],
        report="synop",
    )


def batch(table, channels=("t2m",), elevation=None):
    return Batch(
        channels=channels,
        grid=GRID,
        time=np.array(["2018-11-20T12"], "datetime64[h]"),
        background=np.full((1, len(channels), *GRID.shape), 280, np.float32),
        observation_index=np.zeros((1, 0), np.int32),
        observation_values=np.zeros((1, len(channels), 0), np.float32),
        observation_error_std=np.ones(len(channels)),
        reports=None if table is None else (table,),
        elevation=elevation,
    )


@pytest.fixture(scope="module")
def analysis():
    return StationInterpolation().assimilate(batch(reports())).mean[0, 0]


def test_errors_that_reports_show_are_taken_away(analysis):
    north, east = np.meshgrid(GRID.latitude, GRID.longitude, indexing="ij")
    among = (north > 32) & (north < 68) & ((east < 38) | (east > 342))
    truth = 280 + wave(north, east)
    left = np.sqrt(np.mean((analysis - truth)[among] ** 2) / np.mean((280 - truth)[among] ** 2))
    assert left < 0.3
    far = analysis[GRID.latitude < -30]
    assert np.abs(far - 280).max() < 0.1 * np.abs(analysis - 280).max()


def test_order_of_rows_does_not_matter(analysis):
    table = reports()
    shuffled = ObservationTable.from_pandas(table.to_pandas().sample(frac=1, random_state=1))
    other = StationInterpolation().assimilate(batch(shuffled)).mean[0, 0]
    np.testing.assert_allclose(other, analysis, atol=2e-3)


def test_temperatures_are_compared_at_the_height_of_the_station(analysis):
    high = batch(reports(elevation=1_000.0), elevation=np.zeros(GRID.shape, np.float32))
    np.testing.assert_allclose(StationInterpolation().assimilate(high).mean[0, 0], analysis, 2e-5)


def test_what_has_too_few_reports_stays_as_it_is():
    for table in (reports(19), ObservationTable.empty()):
        np.testing.assert_array_equal(StationInterpolation().assimilate(batch(table)).mean, 280)
    both = StationInterpolation().assimilate(batch(reports(), ("t2m", "msl"))).mean[0]
    assert np.ptp(both[0]) > 1 and np.ptp(both[1]) == 0


def test_what_it_cannot_do_is_said():
    with pytest.raises(DataError, match="has no reports"):
        StationInterpolation().assimilate(batch(None))
    with pytest.raises(DataError, match="There are 10001 reports of t2m.*10000 at most"):
        StationInterpolation().assimilate(batch(reports(10_001)))
    with pytest.raises(TaskError, match="channels at the surface only, got z500"):
        StationInterpolation().assimilate(batch(reports(), ("t2m", "z500")))


def test_methods_are_found_for_data_without_a_training_split():
    assert isinstance(load_method("optimal_interpolation", None), StationInterpolation)
    assert load_method("background", None).name == "background"
    for learns in "var3d", "letkf", "fnp":
        with pytest.raises(TaskError, match=f"{learns} learns from a training split.*background, "):
            untrained_class(learns)
