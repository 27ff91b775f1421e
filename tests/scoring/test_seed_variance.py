"""Variance over training seeds, and how often it tells two seeds of one method apart."""

import numpy as np
import pytest
from scipy.stats import t

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.seed_variance import seed_variance


def test_of_one_method_it_is_the_sample_variance(rng):
    scores = rng.normal(size=5)
    assert seed_variance([scores]).variance == pytest.approx(scores.var(ddof=1))


def test_methods_with_as_many_seeds_count_alike(rng):
    scores = rng.normal(size=(4, 3))
    found = seed_variance(scores)
    assert found.variance == pytest.approx(scores.var(axis=1, ddof=1).mean())
    assert found.degrees_of_freedom == 4


def test_how_good_a_method_is_does_not_matter(rng):
    scores = rng.normal(size=(4, 3))
    assert seed_variance(scores + 10 * rng.normal(size=(4, 1))).variance == pytest.approx(
        seed_variance(scores).variance
    )


def test_units_square(rng):
    scores = rng.normal(size=(4, 3))
    assert seed_variance(10 * scores).variance == pytest.approx(
        100 * seed_variance(scores).variance
    )


def test_it_estimates_the_variance_without_bias(rng):
    found = [
        seed_variance([2 * rng.normal(size=2), 2 * rng.normal(size=4)]).variance
        for _ in range(4000)
    ]
    assert np.mean(found) == pytest.approx(4, rel=0.06)


def test_two_seeds_of_equally_noisy_methods_are_hardly_told_apart(rng):
    told = 0
    for _ in range(4000):
        found = seed_variance(rng.normal(size=(4, 3)))
        reach = t.ppf(0.975, found.degrees_of_freedom) * np.sqrt(2 * found.variance)
        told += abs(rng.normal() - rng.normal()) > reach
    assert 0.01 < told / 4000 < 0.05


@pytest.mark.parametrize("scores", [[], [[1.0, 2.0], [3.0]], [[1.0, np.nan]]])
def test_what_cannot_be_is_told(scores):
    with pytest.raises(ScoreError, match="at least two seeds each and finite scores"):
        seed_variance(scores)
