import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.metrics.accumulate import Sums


def sums(*values):
    total = Sums((1, 3, 2), None, np.ones(3))
    for value in values:
        total.include({"square": np.array([value])})
    return total


def test_the_mean_of_a_sum_is_not_the_mean_of_means():
    total = sums(1.0) + sums(2.0, 6.0)
    assert total.mean("square") == 3.0
    assert np.array_equal(total.by_sample("square"), [[1.0], [2.0], [6.0]])


def test_an_empty_sum_is_neutral():
    for total in sums() + sums(1.0, 2.0), sums(1.0, 2.0) + sums():
        assert total.mean("square") == 1.5
    with pytest.raises(ScoreError, match="nothing to score yet"):
        (sums() + sums()).mean("square")
