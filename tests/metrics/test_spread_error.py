"""Spread and error: their sizes, and what of their changes belongs together."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.metrics.spread_error import SpreadError

GRID = Grid(33, 64)
CHANNELS = ("z500", "t850")
SHAPE = (len(CHANNELS), *GRID.shape)


def figures(spread, error, batch=7):
    score = SpreadError(CHANNELS, GRID)
    for start in range(0, len(spread), batch):
        score.update(spread[start : start + batch], error[start : start + batch])
    return score.compute()


def drawn(days, share, rng):
    """A spread that varies by `share` from day to day, and errors that have it."""
    spread = np.exp(share * rng.normal(size=(days, 1, 1, 1))) * np.ones((days, *SHAPE))
    return spread, spread * rng.normal(size=spread.shape)


def test_an_ensemble_that_knows_the_day_correlates_as_it_can(rng):
    found = figures(*drawn(400, 0.4, rng))
    c = np.sqrt(np.exp(0.4**2) - 1)
    perfect = np.sqrt(2 / np.pi) * c / np.sqrt(1 + c**2 - 2 / np.pi)
    for channel in CHANNELS:
        assert found["spread_error"][channel] == pytest.approx(1, abs=0.01)
        assert found["correlation"][channel] == pytest.approx(perfect, abs=0.06)
        assert found["bias_share"][channel] < 0.01


def test_what_is_the_same_every_day_is_no_knowledge_of_the_day(rng):
    """A network makes spread and error large in the same places; the correlation is not of that."""
    spread = np.broadcast_to(np.exp(rng.normal(size=SHAPE)), (200, *SHAPE))
    error = spread * rng.normal(size=spread.shape)
    varying = figures(spread * np.exp(0.3 * rng.normal(size=(200, 1, 1, 1))), error)
    for channel in CHANNELS:
        assert figures(spread, error)["correlation"][channel] == 0
        assert varying["correlation"][channel] == pytest.approx(0, abs=0.02)


def test_a_bias_is_found(rng):
    spread, error = drawn(300, 0.2, rng)
    found = figures(spread, error + np.sqrt(np.mean(error**2)))["bias_share"]["z500"]
    assert found == pytest.approx(0.5, abs=0.02)


def test_batches_and_parts_add_to_the_same(rng):
    spread, error = drawn(20, 0.3, rng)
    whole, small = figures(spread, error, 20), figures(spread, error, 3)
    first, second = SpreadError(CHANNELS, GRID), SpreadError(CHANNELS, GRID)
    first.update(spread[:8], error[:8])
    second.update(spread[8:], error[8:])
    for name, values in (first + second).compute().items():
        assert values == pytest.approx(whole[name])
        assert values == pytest.approx(small[name])


def test_rows_count_by_their_area(rng):
    spread, error = drawn(50, 0.2, rng)
    error[..., np.abs(GRID.latitude) > 60, :] *= 3
    polar = GRID.weights[np.abs(GRID.latitude) > 60].sum() / GRID.weights.sum()
    wanted = 1 / np.sqrt(1 + 8 * polar)
    assert figures(spread, error)["spread_error"]["t850"] == pytest.approx(wanted, rel=0.03)
