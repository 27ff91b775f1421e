"""Skill by day: its mean is the skill, its spread that of skill, and what must not matter."""

import numpy as np
import pytest

from dambench_hub.errors import ChannelError, ScoreError
from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.scoring.block_mean import block_mean
from dambench_hub.scoring.skill_by_day import skill_by_day

CHANNELS = ("u10", "t2m", "z500", "z850", "q700")
SHARE = np.array([0.2, 0.4, 0.5, 0.6, 0.9])
STD = np.ones(5)


def errors(rng, days=120):
    """Mean squares of analysis and background, (N, C) each, of which skewed weather is shared."""
    weather = rng.normal(size=(days, 1))
    analysis, background = np.exp(0.5 * (weather + rng.normal(size=(2, days, 5))))
    return SHARE * analysis, background


def skill_of(error, background_error):
    rmse = np.sqrt(error.mean(axis=0)), np.sqrt(background_error.mean(axis=0))
    return rmse_skill(CHANNELS, *rmse, STD)["skill"]


def test_the_mean_is_the_skill(rng):
    both = errors(rng)
    assert skill_by_day(CHANNELS, *both, STD).mean() == pytest.approx(skill_of(*both), rel=1e-12)


def test_a_day_counts_as_much_as_skill_moves_when_it_weighs_more(rng):
    """The derivative along one more share of a day, by finite differences."""
    error, background = errors(rng, days=40)
    by_day = skill_by_day(CHANNELS, error, background, STD)
    step = 1e-6
    for day in (0, 17):
        weight = np.ones(40)
        weight[day] += step
        rmse = (np.sqrt(np.average(e, axis=0, weights=weight)) for e in (error, background))
        moved = rmse_skill(CHANNELS, *rmse, STD)["skill"] - by_day.mean()
        assert 40 * moved / step == pytest.approx(by_day[day] - by_day.mean(), rel=1e-3)


def test_intervals_hold_the_true_skill(rng):
    truth = 100 * (1 - np.mean([*np.sqrt(SHARE[[0, 1, 4]]), np.sqrt(SHARE[2:4]).mean()]))
    time = np.datetime64("2024-01-01", "D") + 6 * np.arange(120)
    held = 0
    for _ in range(400):
        interval = block_mean(skill_by_day(CHANNELS, *errors(rng), STD), time).interval()
        held += interval.low <= truth <= interval.high
    assert 0.92 <= held / 400 <= 0.975


def test_the_background_has_no_skill_on_any_day(rng):
    _, background = errors(rng)
    assert np.all(skill_by_day(CHANNELS, background, background, STD) == 0)
    assert np.all(skill_by_day(CHANNELS, 0 * background, background, STD) == 100)


def test_errors_in_proportion_have_the_same_skill_every_day(rng):
    _, background = errors(rng)
    np.testing.assert_allclose(skill_by_day(CHANNELS, background / 4, background, STD), 50)


def test_units_do_not_matter(rng):
    error, background = errors(rng)
    scale = rng.uniform(0.01, 100, 5)
    scaled = skill_by_day(CHANNELS, error * scale**2, background * scale**2, STD * scale)
    np.testing.assert_allclose(scaled, skill_by_day(CHANNELS, error, background, STD))


def test_a_channel_that_is_left_out_does_not_count(rng):
    error, background = errors(rng)
    rest = [0, 1, 3, 4]
    kept = skill_by_day([CHANNELS[n] for n in rest], error[:, rest], background[:, rest], STD[rest])
    background[:, 2] = 0
    np.testing.assert_allclose(skill_by_day(CHANNELS, error, background, STD), kept)


def test_wrong_input_stops_at_the_door(rng):
    error, background = errors(rng)
    with pytest.raises(ScoreError, match=r"got \(120, 5\) and \(119, 5\)"):
        skill_by_day(CHANNELS, error, background[1:], STD)
    with pytest.raises(ScoreError, match="negative or NaN"):
        skill_by_day(CHANNELS, -error, background, STD)
    with pytest.raises(ScoreError, match="no skill"):
        skill_by_day(CHANNELS, error, 0 * background, STD)
    with pytest.raises(ScoreError, match="rmse must be 4 finite numbers"):
        skill_by_day(CHANNELS[1:], error, background, STD)
    with pytest.raises(ChannelError, match="c0"):
        skill_by_day(["c0", *CHANNELS[1:]], error, background, STD)
