"""Forecasts against references: what persistence, climatology and a perfect model must score."""

from types import SimpleNamespace

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.errors import ScoreError
from dambench_hub.scoring.forecast_skill import SeasonalClimatology, forecast_skill

GRID, CHANNELS = Grid(5, 8), ("z500", "t850")


class Turn(ForecastModel):
    """Turns the fields by one column a day; `gain` makes them grow."""

    name = "turn"
    state_shape = (2, 5, 8)
    step_hours = 24.0

    def __init__(self, gain=1.0):
        self.gain = gain

    def advance(self, states, hours, start=None):
        days = self.steps(hours)
        return self.gain**days * np.roll(self.require_states(states), days, axis=-1)


def world(hours, rng, split="train"):
    """A data set of one split whose fields turn."""
    first = rng.normal(size=(2, 5, 8)).astype("f4")
    fields = [np.roll(first, hour // 24, axis=-1) for hour in hours]
    times = np.datetime64("2022-01-01", "h") + np.asarray(hours)
    return SimpleNamespace(
        channels=CHANNELS,
        grid=GRID,
        times=lambda split: times,
        reference=lambda split, index: fields[index],
    )


def nothing():
    return SeasonalClimatology(np.zeros((1, 2, 5, 8)))


def test_a_perfect_model_has_no_error_and_all_the_activity(rng):
    data = world([0, 24, 48, 96], rng)
    found = dict(forecast_skill(Turn(), data, "test", np.arange(4), 3, nothing()))
    assert {lead: errors.count for lead, errors in found.items()} == {1: 2, 2: 2, 3: 1}
    for errors in found.values():
        np.testing.assert_array_equal(errors.rmse("forecast"), 0)
        np.testing.assert_allclose(errors.activity, 1)
        assert np.all(errors.rmse("persistence") > 0.5)


def test_errors_are_root_mean_squares_over_the_area(rng):
    data = world([0, 24, 48], rng)
    ((_, errors),) = forecast_skill(Turn(2.0), data, "test", np.arange(3), 1, nothing())
    first = data.reference("test", 0).astype("f8")
    square = (first**2 * GRID.weights[:, None]).mean((-2, -1))
    change = ((np.roll(first, 1, -1) - first) ** 2 * GRID.weights[:, None]).mean((-2, -1))
    np.testing.assert_allclose(errors.rmse("forecast"), np.sqrt(square))
    np.testing.assert_allclose(errors.rmse("climatology"), np.sqrt(square))
    np.testing.assert_allclose(errors.rmse("persistence"), np.sqrt(change))
    np.testing.assert_allclose(errors.activity, 2)


def test_only_the_given_references_are_used(rng):
    data = world([0, 24, 48, 72, 96], rng)
    found = dict(forecast_skill(Turn(), data, "train", np.array([0, 3, 4]), 2, nothing()))
    assert {lead: errors.count for lead, errors in found.items()} == {1: 1}


def test_the_climatology_finds_a_seasonal_cycle(rng):
    hours = 48 * np.arange(180)
    data = world(hours, rng)
    angle = 2 * np.pi * (hours + 24 * 18_993) / 8766  # 1 January 2022 is day 18 993
    mean, cycle = rng.normal(size=(2, 2, 5, 8))
    data.reference = lambda split, n: mean + cycle * np.cos(angle[n] - 1)
    climatology = SeasonalClimatology.fit(data, np.arange(180))
    assert climatology.is_seasonal
    np.testing.assert_allclose(
        climatology.at(data.times("train")[77]), data.reference("train", 77), atol=1e-8
    )


def test_a_short_record_has_a_mean_only(rng):
    data = world(24 * np.arange(60), rng)
    climatology = SeasonalClimatology.fit(data, np.arange(10, 20))
    assert not climatology.is_seasonal
    mean = np.mean([data.reference("train", n) for n in range(10, 20)], axis=0)
    np.testing.assert_allclose(climatology.at(np.datetime64("2022-06-01")), mean, atol=1e-6)


def test_what_cannot_be_verified_says_why(rng):
    data = world([0, 120, 240], rng)
    with pytest.raises(ScoreError, match="No two references of test are 1 to 3 steps of 24 h"):
        list(forecast_skill(Turn(), data, "test", np.arange(3), 3, nothing()))
    data.channels = ("z500",)
    with pytest.raises(ScoreError, match=r"shape \(2, 5, 8\), the data set's have \(1, 5, 8\)"):
        list(forecast_skill(Turn(), data, "test", np.arange(3), 5, nothing()))
