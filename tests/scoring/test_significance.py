"""Intervals of paired differences hold the truth as often as they say."""

import numpy as np
import pytest

from dambench_hub.errors import TaskError
from dambench_hub.scoring.significance import paired_interval

START = np.datetime64("2024-01-01", "h")


def days(count, hours=24):
    return START + hours * np.arange(count)


def autoregressive(count, memory, rng):
    """A series with mean 0 and variance 1 that remembers the share `memory` of the day before."""
    series = np.empty(count)
    series[0] = rng.normal()
    for day in range(1, count):
        series[day] = memory * series[day - 1] + np.sqrt(1 - memory**2) * rng.normal()
    return series


def coverage(memory, block_days, rng, experiments=300):
    """Share of experiments whose interval holds the true mean, 0.3."""
    hits = 0
    for _ in range(experiments):
        series = 0.3 + autoregressive(200, memory, rng)
        interval = paired_interval(series, days(200), block_days=block_days, resamples=300)
        hits += interval.low <= 0.3 <= interval.high
    return hits / experiments


def test_coverage_of_independent_days(rng):
    assert 0.91 <= coverage(0.0, 1, rng) <= 0.98


def test_coverage_of_days_that_resemble_each_other(rng):
    assert 0.86 <= coverage(0.5, 10, rng) <= 0.98
    assert coverage(0.5, 1, rng) < 0.80  # days alone pretend to know too much


def test_the_mean_is_that_of_the_samples(rng):
    difference = rng.normal(size=60)
    interval = paired_interval(difference, days(60))
    assert interval.mean == pytest.approx(difference.mean())
    assert interval.low < interval.mean < interval.high


def test_what_methods_share_cancels(rng):
    shared = 100 * autoregressive(100, 0.9, rng)
    better = paired_interval((shared + 1) - shared, days(100))
    assert (better.low, better.high) == pytest.approx((1, 1))


def test_samples_of_a_day_stay_together(rng):
    """Four equal samples a day know no more than one."""
    difference = rng.normal(size=50)
    daily = paired_interval(difference, days(50))
    four = paired_interval(np.repeat(difference, 4), days(200, hours=6))
    assert (four.low, four.high) == pytest.approx((daily.low, daily.high))


def test_samples_days_apart_make_shorter_blocks(rng):
    """Blocks of 7 days hold one sample each where samples are 6 days apart."""
    difference = rng.normal(size=60)
    apart = paired_interval(difference, days(60, hours=144), block_days=7)
    assert apart == paired_interval(difference, days(60), block_days=1)


def test_the_order_of_the_samples_is_free(rng):
    difference, time = rng.normal(size=60), days(60)
    order = rng.permutation(60)
    shuffled, plain = (
        paired_interval(difference[order], time[order]),
        paired_interval(difference, time),
    )
    assert (shuffled.low, shuffled.high) == pytest.approx((plain.low, plain.high))


def test_the_seed_decides(rng):
    difference = rng.normal(size=60)
    first, again, other = (paired_interval(difference, days(60), seed=s) for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("count", "options", "words"),
    [
        (34, {}, "There are 34 days with samples, an interval needs at least 5 blocks of 7"),
        (4, {"block_days": 1}, "more samples"),
        (0, {}, "There are 0 days"),
        (60, {"block_days": 0}, "at least 1 day"),
        (60, {"resamples": 0}, "at least 1 resample"),
        (60, {"level": 1.0}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_is_told(count, options, words):
    with pytest.raises(TaskError, match=words):
        paired_interval(np.zeros(count), days(count), **options)
