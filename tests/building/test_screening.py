"""Reports against a forecast: what is withheld knows nothing of it."""

import numpy as np
import pytest

from dambench_hub.building.screening import screen
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import BuildError
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable

GRID, CHANNELS = Grid(33, 64), ("t2m",)
SIGMA_B, SIGMA_O = 2.0, 1.0


@pytest.fixture
def background():
    return np.full((1, *GRID.shape), 280.0, np.float32)


def reports(count=400, error=None, elevation=0.0):
    """Temperatures at stations all over the world, 280 K and an error of both kinds."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(scale=np.hypot(SIGMA_B, SIGMA_O), size=count)
    return ObservationTable.from_columns(
        time=np.datetime64("2018-11-20T12:00"),
        latitude=rng.uniform(-85, 85, count),
        longitude=rng.uniform(0, 360, count),
        elevation=elevation,
        variable="t2m",
        value=280.0 + (drawn if error is None else error),
        error_std=SIGMA_O,
        station=[f"{n:05d}" for n in range(count)],
        report="synop",
    )


def test_the_background_error_is_what_the_observation_error_leaves(background):
    table, std = screen(reports(4_000), background, CHANNELS, GRID, None)
    assert std == pytest.approx([SIGMA_B], rel=0.07)
    assert 0.17 < table.withheld.mean() < 0.23 and len(table) == 4_000


def test_withheld_stations_are_not_compared_with_the_forecast(background):
    wild = np.where(np.arange(400) % 7 == 0, 30.0, 0.5)
    table, _ = screen(reports(error=wild), background, CHANNELS, GRID, None)
    far = table.value > 300
    assert (table.quality[far & ~table.withheld] == Quality.BACKGROUND).all()
    assert (table.quality[far & table.withheld] == Quality.GOOD).all()
    assert np.any(far & table.withheld) and (table.quality[~far] == Quality.GOOD).all()


def test_nothing_is_estimated_from_withheld_stations(background):
    first, std = screen(reports(), background, CHANNELS, GRID, None)
    spoilt = first.value + np.where(first.withheld, 15.0, 0.0)
    again, same = screen(first.replace(value=spoilt), background, CHANNELS, GRID, None)
    np.testing.assert_array_equal(std, same)
    np.testing.assert_array_equal(first.quality, again.quality)


def test_heights_are_taken_into_account(background):
    high = reports(elevation=2_000.0)
    lowered = high.replace(value=high.value - 13.0)  # 6.5 K per km
    _, std = screen(lowered, background, CHANNELS, GRID, np.zeros(GRID.shape))
    _, of_sea = screen(reports(), background, CHANNELS, GRID, None)
    assert std == pytest.approx(of_sea, rel=1e-5)


def test_other_seeds_withhold_other_stations(background):
    chosen = [screen(reports(), background, CHANNELS, GRID, None, 0.3, n)[0] for n in (0, 0, 1)]
    np.testing.assert_array_equal(chosen[0].withheld, chosen[1].withheld)
    assert np.any(chosen[0].withheld != chosen[2].withheld)


def test_too_few_reports_are_refused(background):
    with pytest.raises(BuildError, match="reports of t2m can be assimilated; at least 20"):
        screen(reports(20), background, CHANNELS, GRID, None)
