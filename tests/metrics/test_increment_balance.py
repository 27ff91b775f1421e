"""Balance of increments: one for geostrophic ones, none for independent ones, a sum of both."""

import numpy as np
import pytest

from dambench_hub.coordinates.geostrophic_wind import GeostrophicWind
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.increment_balance import IncrementBalance

GRID = Grid(33, 64)
CHANNELS = ("u850", "z500", "t500", "u500", "v500", "v10", "z850")


def balance(*batches, channels=CHANNELS):
    score = IncrementBalance(channels, GRID)
    for batch in batches:
        score.update(*batch)
    return score.compute()


def geopotential(rng, samples):
    degree, order = np.arange(11), np.arange(1, 22)[:, None] // 2
    coefficients = 100 * rng.normal(size=(samples, 21, 11)) * (degree >= order)
    return Synthesis(GRID, 21, 11, np.float64).scalar(coefficients)


def balanced(rng, samples=4):
    """Increments whose wind at 500 hPa is geostrophic, and at random elsewhere; no NaN."""
    increment = rng.normal(size=(samples, len(CHANNELS), *GRID.shape))
    increment[:, 1] = geopotential(rng, samples)
    increment[:, 3], increment[:, 4] = np.nan_to_num(GeostrophicWind(GRID)(increment[:, 1]))
    return increment


def test_geostrophic_increments_are_in_balance(rng):
    background = rng.normal(size=(4, len(CHANNELS), *GRID.shape))
    increment = balanced(rng)
    assert balance((background + increment, background)) == pytest.approx({"u500": 1, "v500": 1})
    increment[:, 3] *= -2
    assert balance((background + increment, background)) == pytest.approx({"u500": -1, "v500": 1})


def test_tropics_and_poles_do_not_count(rng):
    increment = balanced(rng)
    outside = (np.abs(GRID.latitude) < 20) | (np.abs(GRID.latitude) > 80)
    increment[:, 3:5, outside] = 1e3
    found = balance((increment, np.zeros_like(increment)))
    assert found == pytest.approx({"u500": 1, "v500": 1})


def test_it_is_the_plain_correlation(rng):
    """With noise in wind, and geopotential's slope by closed form."""
    increment = balanced(rng) + 3 * rng.normal(size=(4, len(CHANNELS), *GRID.shape))
    rows = (np.abs(GRID.latitude) >= 20) & (np.abs(GRID.latitude) <= 80)
    area = np.broadcast_to(np.cos(np.deg2rad(GRID.latitude[rows]))[:, None], (4, rows.sum(), 64))
    u_g = GeostrophicWind(GRID)(increment[:, 1])[0][:, rows]
    u = increment[:, 3, rows]
    expected = (area * u * u_g).sum() / np.sqrt((area * u**2).sum() * (area * u_g**2).sum())
    found = balance((increment, np.zeros_like(increment)))["u500"]
    assert 0.1 < found < 0.99
    assert found == pytest.approx(expected, rel=1e-12)


def test_independent_increments_are_in_none(rng):
    increment = rng.normal(size=(20, len(CHANNELS), *GRID.shape))
    found = balance((increment, np.zeros_like(increment)))
    assert found == pytest.approx({"u500": 0, "v500": 0}, abs=0.05)


def test_without_increments_there_is_no_balance(rng):
    analysis = balanced(rng)
    background = analysis.copy()
    assert balance((analysis, background)) == {}
    background[:, 1] += 1
    background[:, 3] += 1
    assert "v500" not in balance((analysis, background))


def test_balance_needs_wind_and_geopotential():
    with pytest.raises(ScoreError, match="No level has z, u and v among the channels z500, u850"):
        IncrementBalance(("z500", "u850", "v850"), GRID)
