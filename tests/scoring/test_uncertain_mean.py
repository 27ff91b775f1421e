"""Student's t from an estimate and its variance, and how variances add."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.uncertain_mean import UncertainMean


def of_sample(sample):
    """The mean of independent values."""
    return UncertainMean(sample.mean(), sample.var(ddof=1) / len(sample), len(sample) - 1)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_of_independent_values_it_is_the_t_test(level, rng):
    sample = rng.normal(0.3, 2, size=9)
    expected = ttest_1samp(sample, 0)
    interval = of_sample(sample).interval(level)
    assert (interval.low, interval.high) == pytest.approx(
        tuple(expected.confidence_interval(level))
    )
    assert of_sample(sample).p_value == pytest.approx(expected.pvalue)


def test_the_difference_of_two_samples_is_the_test_of_welch(rng):
    one, other = rng.normal(size=7), rng.normal(0.5, 3, size=20)
    first, second = of_sample(one), of_sample(other)
    difference = UncertainMean(
        first.mean - second.mean, first.variance, first.degrees_of_freedom
    ).with_variance(second.variance, second.degrees_of_freedom)
    expected = ttest_ind(one, other, equal_var=False)
    assert difference.degrees_of_freedom == pytest.approx(expected.df)
    assert difference.p_value == pytest.approx(expected.pvalue)


def test_an_end_of_the_interval_is_as_probable_as_its_level_says():
    mean = UncertainMean(2.0, 0.5, 5)
    at_its_end = UncertainMean(mean.mean - mean.interval(0.9).low, 0.5, 5)
    assert at_its_end.p_value == pytest.approx(0.1)


def test_another_source_without_variance_changes_nothing():
    mean = UncertainMean(2.0, 0.5, 5)
    assert mean.with_variance(0, 3) == mean
    certain = UncertainMean(2.0, 0.0, 5)
    assert certain.with_variance(0, 3) == certain


def test_without_variance_only_zero_is_compatible_with_zero():
    assert UncertainMean(0.0, 0.0, 5).p_value == 1
    assert UncertainMean(1e-9, 0.0, 5).p_value == 0


@pytest.mark.parametrize("numbers", [(np.nan, 1, 1), (0, -1, 1), (0, np.inf, 1), (0, 1, 0)])
def test_what_cannot_be_is_told(numbers):
    with pytest.raises(ScoreError, match="finite variance from 0 on"):
        UncertainMean(*numbers)


def test_a_level_that_cannot_be_is_told():
    with pytest.raises(ScoreError, match="between 0 and 1, got 95"):
        UncertainMean(0, 1, 1).interval(95)
