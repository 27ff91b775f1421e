"""Intervals hold the truth as often as they say, and are defined where draws are all alike."""

import pytest

from dambench_hub.metrics.bootstrap_interval import bootstrap_interval


def interval_of_mean(values, level=0.95):
    return bootstrap_interval(lambda drawn, axis=-1: values[drawn].mean(axis), len(values), level)


def test_a_mean_is_as_uncertain_as_its_standard_error_says(rng):
    values = rng.normal(size=400)
    low, high = interval_of_mean(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_a_surer_interval_is_wider_and_draws_are_the_same_each_time(rng):
    values = rng.exponential(size=50)
    narrow, wide, again = (interval_of_mean(values, level) for level in (0.8, 0.99, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert again == wide


@pytest.mark.parametrize("noise", [0.0, 1e-17])
def test_where_all_draws_are_alike_the_interval_is_a_point(rng, noise):
    low, high = interval_of_mean(0.1 + noise * rng.normal(size=7))
    assert low == pytest.approx(0.1, abs=1e-15) and high == pytest.approx(0.1, abs=1e-15)
