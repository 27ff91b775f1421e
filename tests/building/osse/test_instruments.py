import numpy as np
import pytest

from dambench_hub.building.osse.instruments import gauge_network, measure_olr, measure_precipitation
from dambench_hub.coordinates.grids import Grid

GRID = Grid(61, 120)


@pytest.fixture
def land():
    """Every second block of 30 degrees of longitude."""
    return np.broadcast_to(((GRID.longitude // 30) % 2)[None], GRID.shape)


def rng(*key):
    return np.random.default_rng([1, *key])


def test_gauges_stand_on_land_and_are_densest_in_the_northern_middle(land):
    network = gauge_network(GRID, land, rng())
    assert not network[land == 0].any()
    assert not network[(GRID.latitude >= 70) | (GRID.latitude <= -60)].any()
    share = network[:, land[0] == 1].mean(axis=1)
    north = (GRID.latitude > 35) & (GRID.latitude < 55)
    south = (GRID.latitude < -20) & (GRID.latitude > -60)
    assert share[north].mean() > 2 * share[south].mean() > 0


def test_a_speck_of_land_has_a_gauge_and_the_open_sea_none():
    speck = np.zeros(GRID.shape)
    speck[40, 7] = 1
    for seed in range(5):
        np.testing.assert_array_equal(gauge_network(GRID, speck, rng(seed)), speck == 1)
    assert not gauge_network(GRID, np.zeros(GRID.shape), rng()).any()


def test_precipitation_reports(land):
    network = gauge_network(GRID, land, rng())
    rain = np.full(GRID.shape, 10.0)
    reports = np.stack([measure_precipitation(rain, network, rng(day)) for day in range(40)])
    assert reports.dtype == np.float32
    assert np.isnan(reports[:, ~network]).all()
    at_gauges = reports[:, network]
    assert np.isnan(at_gauges).mean() == pytest.approx(0.05, abs=0.01)
    assert np.nanmean(at_gauges) == pytest.approx(10, rel=0.02)
    assert np.nanstd(at_gauges) == pytest.approx(2.0, rel=0.1)
    dry = measure_precipitation(np.zeros(GRID.shape), network, rng())
    assert np.nanmin(dry) == 0


def test_olr_has_a_small_error_and_lost_swaths():
    true = np.full(GRID.shape, 250.0)
    days = np.stack([measure_olr(GRID, true, rng(day)) for day in range(40)])
    assert np.isnan(days).mean() == pytest.approx(0.15, abs=0.05)
    assert np.nanmean(days) == pytest.approx(250, rel=0.001)
    assert np.nanstd(days) == pytest.approx(5, rel=0.05)
    lost = np.isnan(days)
    assert not np.array_equal(lost[0], lost[1])
    # What is lost hangs together: most missing points have missing neighbours in their column.
    assert (lost[:, 1:] & lost[:, :-1]).sum() > 0.8 * lost[:, 1:].sum()


def test_the_same_key_gives_the_same_measurement():
    true = np.linspace(100, 300, GRID.size).reshape(GRID.shape)
    np.testing.assert_array_equal(measure_olr(GRID, true, rng(3)), measure_olr(GRID, true, rng(3)))
