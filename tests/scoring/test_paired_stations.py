"""Differences at the same stations: what is hard for both is no chance."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.metrics.station_scores import station_scores
from dambench_hub.scoring.paired_stations import rmse_difference
from dambench_hub.scoring.station_errors import StationErrors


@pytest.fixture
def errors(rng):
    """Errors of 80 stations with two reports each."""
    count = 160
    analysis = rng.normal(size=count) * rng.choice([1, 5], count)
    station = np.repeat(np.arange(80), 2)
    return StationErrors(
        channels=("t2m", "msl"),
        station=np.char.add("S", station.astype(str)),
        time=np.tile([0, 1], 80),
        channel=np.zeros(count, int),
        latitude=station / 2.0,
        longitude=station * 1.0,
        analysis=analysis,
        background=2 * analysis,
        weight=1 / (1 + station % 3),
    )


def rmse(errors):
    return np.sqrt(np.average(errors.analysis**2, weights=errors.weight))


def test_the_difference_is_that_of_the_scores(errors):
    worse = replace(errors, analysis=1.2 * errors.analysis)
    found = rmse_difference(errors, worse, "t2m")
    assert found.mean == pytest.approx(rmse(errors) - rmse(worse))
    assert found.low < found.mean < found.high < 0
    back = rmse_difference(worse, errors, "t2m")
    assert back.mean == -found.mean and back.low > 0


def test_what_both_find_hard_does_not_count(errors):
    """The pair is told apart, though each alone is far from certain."""
    worse = replace(errors, analysis=1.05 * errors.analysis)
    codes = np.unique(errors.station, return_inverse=True)[1]
    alone = [station_scores(e.analysis, e.weight, codes) for e in (errors, worse)]
    assert alone[0].rmse_high > alone[1].rmse_low
    assert not rmse_difference(errors, worse, "t2m").holds_zero


def test_the_same_errors_differ_by_nothing_and_surer_intervals_are_wider(errors, rng):
    assert rmse_difference(errors, errors, "t2m").high == 0.0
    other = replace(errors, analysis=rng.permutation(errors.analysis))
    narrow, wide = (rmse_difference(errors, other, "t2m", level) for level in (0.9, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_difference_that_is_the_same_everywhere_is_certain(errors):
    ones, twos = (replace(errors, analysis=np.full(160, value)) for value in (1.0, 2.0))
    found = rmse_difference(ones, twos, "t2m")
    assert (found.low, found.mean, found.high) == pytest.approx((-1.0, -1.0, -1.0))


def test_other_stations_are_refused(errors):
    with pytest.raises(ScoreError, match="the same reports"):
        rmse_difference(errors, replace(errors, station=errors.station[::-1]), "t2m")
