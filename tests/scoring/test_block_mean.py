"""Means over days hold the truth as often as they say, and follow the calendar."""

import numpy as np
import pytest

from dambench_hub.errors import ScoreError, TaskError
from dambench_hub.scoring.block_mean import block_mean

START = np.datetime64("2024-01-01", "h")


def days(count, apart=1.0):
    return START + np.timedelta64(int(24 * apart), "h") * np.arange(count)


def autoregressive(shape, memory, rng):
    """Series of variance 1 along the last axis that keep a share from each sample to the next."""
    series = rng.standard_normal(shape)
    for n in range(1, shape[-1]):
        series[..., n] = memory * series[..., n - 1] + np.sqrt(1 - memory**2) * series[..., n]
    return series


def coverage(experiments, truth, time, **options):
    intervals = [block_mean(values, time, **options).interval() for values in experiments]
    return np.mean([i.low <= truth <= i.high for i in intervals])


@pytest.mark.parametrize(("count", "apart"), [(60, 6), (120, 6), (60, 3), (120, 3)])
def test_coverage(count, apart, rng):
    series = autoregressive((8000, count), 0.4, rng)
    assert 0.93 <= coverage(series, 0, days(count, apart)) <= 0.97


def test_coverage_of_skewed_errors(rng):
    series = np.exp(autoregressive((2000, 120), 0.4, rng) / 2)
    assert 0.92 <= coverage(series, np.exp(1 / 8), days(120, 6)) <= 0.97


def test_many_short_blocks_hold_the_truth_less_often(rng):
    series, time = autoregressive((2000, 120), 0.6, rng), days(120, 6)
    short = coverage(series, 0, time, most_blocks=24)
    assert short < coverage(series, 0, time) - 0.02


def test_blocks_of_one_size_make_the_t_of_their_means(rng):
    values = rng.normal(size=60)
    means = values.reshape(6, 10).mean(axis=1)
    found = block_mean(values, days(60, 6))
    assert found.mean == pytest.approx(values.mean())
    assert found.variance == pytest.approx(means.var(ddof=1) / 6)
    assert found.degrees_of_freedom == 5


@pytest.mark.parametrize(
    ("count", "apart", "blocks"),
    [(60, 6, 6), (61, 6, 6), (60, 3, 6), (30, 3, 3), (15, 6, 3), (366, 1, 6), (488, 0.25, 4)],
)
def test_a_block_has_thirty_days_of_the_calendar(count, apart, blocks, rng):
    found = block_mean(rng.normal(size=count), days(count, apart))
    assert found.degrees_of_freedom == blocks - 1


def test_a_gap_is_no_block(rng):
    time = days(180)
    kept = (time < time[60]) | (time >= time[120])
    found = block_mean(rng.normal(size=120), time[kept])
    assert found.degrees_of_freedom == 4 - 1


def test_blocks_of_unequal_size_count_by_their_samples(rng):
    """A block with one stray sample hardly matters, however wrong that is alone."""
    values, time = rng.normal(size=150), days(150)
    full = block_mean(values, time)
    stray = block_mean(np.append(values, 5.0), np.append(time, time[-1] + np.timedelta64(720, "h")))
    assert stray.degrees_of_freedom == full.degrees_of_freedom + 1
    assert stray.standard_error == pytest.approx(full.standard_error, rel=0.2)


def test_units_shifts_and_order_do_not_matter(rng):
    values, time, order = rng.normal(size=60), days(60, 6), rng.permutation(60)
    plain, other = block_mean(values, time), block_mean(3 - 2 * values[order], time[order])
    assert other.mean == pytest.approx(3 - 2 * plain.mean)
    assert other.variance == pytest.approx(4 * plain.variance)


def test_samples_of_a_day_stay_together(rng):
    """Four equal samples a day know no more than one."""
    values = rng.normal(size=180)
    daily, four = block_mean(values, days(180)), block_mean(np.repeat(values, 4), days(720, 0.25))
    assert (four.mean, four.variance) == pytest.approx((daily.mean, daily.variance))


@pytest.mark.parametrize(
    ("count", "options", "words"),
    [
        (89, {}, "89 samples lie in 2 blocks of 30 days or more, an interval needs at least 3"),
        (0, {}, "0 samples lie in 0 blocks"),
        (90, {"block_days": 0}, "at least 1 day"),
        (90, {"most_blocks": 2}, "3 or more"),
    ],
)
def test_what_cannot_be_is_told(count, options, words):
    with pytest.raises(TaskError, match=words):
        block_mean(np.zeros(count), days(count), **options)


def test_wrong_values_stop_at_the_door():
    with pytest.raises(ScoreError, match=r"shapes \(3,\) and \(4,\)"):
        block_mean(np.zeros(3), days(4))
    with pytest.raises(ScoreError, match="1 not finite"):
        block_mean(np.where(np.arange(90) == 7, np.nan, 0.0), days(90))
