"""The share of negative humidity: of area, of samples, and of no other variable."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.negative_humidity import NegativeHumidity

GRID = Grid(33, 64)
CHANNELS = ("u10", "q500", "q850")


def negative_humidity(*batches):
    score = NegativeHumidity(CHANNELS, GRID)
    for batch in batches:
        score.update(batch)
    return score.compute()


def test_a_hemisphere_in_half_of_the_samples_is_a_quarter():
    state = np.zeros((2, 3, *GRID.shape), np.float32)
    state[:, 0] = -1  # wind may be negative
    state[0, 1, :, :32] = -1e-9
    found = negative_humidity(state)
    assert found["negative_humidity_by_channel"] == pytest.approx({"q500": 0.25, "q850": 0})
    assert found["negative_humidity"] == pytest.approx(0.125)
    assert negative_humidity(state[:1], state[1:]) == found


def test_rows_count_by_their_area():
    state = np.zeros((1, 3, *GRID.shape))
    state[:, 1, np.abs(GRID.latitude) > 60] = -1
    found = negative_humidity(state)["negative_humidity_by_channel"]["q500"]
    weights = np.cos(np.deg2rad(GRID.latitude))
    assert found == pytest.approx(weights[np.abs(GRID.latitude) > 60].sum() / weights.sum())


def test_zero_is_not_negative():
    assert negative_humidity(np.zeros((1, 3, *GRID.shape)))["negative_humidity"] == 0


def test_without_humidity_there_is_no_score():
    with pytest.raises(ScoreError, match=r"u10, t850 is humidity; give one of q\."):
        NegativeHumidity(("u10", "t850"), GRID)
