"""Errors by region: a partition of the sphere, each with the error that was put there."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.regions import RegionErrors, region_rows

GRIDS = [Grid(33, 64), Grid(61, 120), Grid(121, 240)]
CHANNELS = ("z500", "t850")


def region_errors(analysis, reference, grid=GRIDS[0]):
    score = RegionErrors(CHANNELS, grid)
    score.update(analysis, reference)
    return score.compute()


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_every_row_has_one_region(grid):
    rows = region_rows(grid)
    assert (sum(mask.astype(int) for mask in rows.values()) == 1).all()
    np.testing.assert_array_equal(rows["north"], rows["south"][::-1])
    assert np.abs(grid.latitude[rows["tropics"]]).max() <= 20
    assert np.abs(grid.latitude[rows["poles"]]).min() >= 65
    share = {name: grid.weights[mask].sum() / grid.latitudes for name, mask in rows.items()}
    assert share["tropics"] == pytest.approx(np.sin(np.deg2rad(20)), abs=0.05)
    assert share["poles"] == pytest.approx(1 - np.sin(np.deg2rad(65)), abs=0.05)


def test_borders_belong_to_tropics_and_poles():
    rows = region_rows(Grid(37, 4))  # every 5 degrees
    assert Grid(37, 4).latitude[rows["tropics"]].max() == 20
    assert Grid(37, 4).latitude[rows["north"]].tolist() == list(range(60, 20, -5))


def test_each_region_has_the_error_that_was_put_there():
    latitude = GRIDS[0].latitude[:, None] * np.ones(64)
    error = np.select([abs(latitude) <= 20, abs(latitude) >= 65, latitude > 0], [1.0, 2.0, 3.0], 4)
    found = region_errors(np.stack([error, -5 * error])[None], np.zeros((1, 2, 33, 64)))
    expected = {"tropics": 1, "poles": 2, "north": 3, "south": 4}
    assert {name: values["z500"] for name, values in found.items()} == pytest.approx(expected)
    assert found["south"]["t850"] == pytest.approx(20)


def test_regions_add_to_the_sphere(rng):
    analysis, reference = rng.normal(size=(2, 3, 2, 33, 64)) * rng.uniform(1, 3, (33, 1))
    scorer = Scorer(CHANNELS)
    scorer.update(analysis, reference)
    found, weights = region_errors(analysis, reference), GRIDS[0].weights
    for channel, rmse in scorer.compute()["rmse_pooled"].items():
        squares = [
            weights[rows].sum() * found[name][channel] ** 2
            for name, rows in region_rows(GRIDS[0]).items()
        ]
        assert sum(squares) / 33 == pytest.approx(rmse**2, rel=1e-12)


def test_a_coarse_grid_leaves_empty_regions_out():
    grid = Grid(3, 4)
    found = region_errors(np.ones((1, 2, 3, 4)), np.zeros((1, 2, 3, 4)), grid)
    assert set(found) == {"tropics", "poles"}
