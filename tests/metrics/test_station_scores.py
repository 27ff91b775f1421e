"""Errors at stations: weights, intervals, and their laws."""

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.metrics.station_scores import station_scores, thinning_weights


@pytest.fixture
def errors():
    return np.random.default_rng(0).normal(0.5, 2.0, 300)


def test_equal_weights_give_the_plain_scores(errors):
    scores = station_scores(errors, np.full(300, 7.0), np.arange(300))
    assert scores.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert scores.bias == pytest.approx(errors.mean())
    assert scores.mae == pytest.approx(np.abs(errors).mean())
    assert scores.stations == 300
    assert scores.rmse_low < scores.rmse < scores.rmse_high


def test_what_has_no_weight_does_not_count(errors):
    weight = np.where(np.arange(300) < 200, 1.0, 0.0)
    spoilt = np.where(weight, errors, 1e3)
    scores = station_scores(spoilt, weight, np.arange(300))
    assert scores.rmse == pytest.approx(np.sqrt(np.mean(errors[:200] ** 2)))


def test_many_reports_of_a_station_are_no_more_certain_than_one(errors):
    one = station_scores(errors, np.ones(300), np.arange(300))
    ten = station_scores(np.repeat(errors, 10), np.ones(3000), np.repeat(np.arange(300), 10))
    assert (ten.rmse, ten.stations) == (pytest.approx(one.rmse), 300)
    assert ten.rmse_low == pytest.approx(one.rmse_low)
    alone = station_scores(np.repeat(errors, 10), np.ones(3000), np.arange(3000))
    assert alone.rmse_high - alone.rmse_low < 0.5 * (one.rmse_high - one.rmse_low)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng, held = np.random.default_rng(1), 0
    for _ in range(60):
        scores = station_scores(rng.normal(size=80), np.ones(80), np.arange(80))
        held += scores.rmse_low <= 1 <= scores.rmse_high
    assert held >= 50


def test_numbers_of_stations_are_names(errors):
    shuffled = np.random.default_rng(2).permutation(300) * 17
    assert station_scores(errors, np.ones(300), shuffled).rmse == pytest.approx(
        station_scores(errors, np.ones(300), np.arange(300)).rmse
    )


def test_where_all_draws_are_alike_the_interval_is_a_point():
    for error in (np.full(5, 2.0), np.zeros(5)):
        scores = station_scores(error, np.arange(1.0, 6.0), np.arange(5))
        assert scores.rmse_low == scores.rmse_high == scores.rmse == error[0]
    errors, weights = np.array([0.1, -0.1, 0.1, 0.1, 0.1]), np.array([1 / 3, 0.7, 0.2, 0.11, 0.3])
    scores = station_scores(errors, weights, np.arange(5))  # alike but for rounding
    assert (scores.rmse_low, scores.rmse_high) == pytest.approx((0.1, 0.1))


def test_without_weights_there_is_no_score():
    with pytest.raises(ScoreError, match="has a weight"):
        station_scores(np.ones(3), np.zeros(3), np.arange(3))


def test_values_of_one_place_share_its_weight():
    """Three reports of one station, and one of its neighbour, count as much as each other."""
    latitude = np.array([50.0, 50.0, 50.0, 50.4, 10.0])
    weights = thinning_weights(latitude, np.full(5, 7.0))
    np.testing.assert_allclose(weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2, 1])


@pytest.mark.parametrize(
    ("error", "station", "said"),
    [([1.0, np.nan], [0, 1], "1 errors .* not finite"), ([1.0, 2.0], [3, 3], "two .* got 1")],
)
def test_what_has_no_score(error, station, said):
    with pytest.raises(ScoreError, match=said):
        station_scores(np.array(error), np.ones(2), np.array(station))


def test_neighbours_share_the_weight_of_one():
    latitude = np.array([0.0, 0.1, 0.0, 60.0, 89.9, 89.9])
    longitude = np.array([359.9, 0.1, 90.0, 0.0, 0.0, 180.0])
    weights = thinning_weights(latitude, longitude)
    np.testing.assert_allclose(weights, [0.5, 0.5, 1, 1, 0.5, 0.5])
    assert thinning_weights(latitude, longitude, radius_km=1.0).tolist() == [1] * 6
