"""Holm's correction against its definition, step by step, and the errors that it controls."""

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.holm import holm


def rejected_step_by_step(p_values, level):
    """Reject the smallest while it is at most level over the number of those left."""
    left = sorted(range(len(p_values)), key=lambda n: p_values[n])
    rejected = np.zeros(len(p_values), bool)
    while left and p_values[left[0]] <= level / len(left):
        rejected[left.pop(0)] = True
    return rejected


@pytest.mark.parametrize("level", [0.01, 0.05, 0.3])
def test_it_rejects_what_the_definition_rejects(level, rng):
    for _ in range(200):
        p_values = rng.uniform(size=8) ** 3
        expected = rejected_step_by_step(p_values, level)
        np.testing.assert_array_equal(holm(p_values) <= level, expected)


def test_it_lies_between_no_correction_and_that_of_bonferroni(rng):
    p_values = rng.uniform(size=20)
    adjusted = holm(p_values)
    assert np.all((p_values <= adjusted) & (adjusted <= np.minimum(1, 20 * p_values)))
    assert adjusted.min() == pytest.approx(min(1, 20 * p_values.min()))


def test_one_test_needs_no_correction_and_none_is_fine():
    assert holm(np.array([0.04])) == 0.04
    assert holm(np.array([])).shape == (0,)


def test_order_follows_the_input(rng):
    p_values, order = rng.uniform(size=9), rng.permutation(9)
    np.testing.assert_allclose(holm(p_values[order]), holm(p_values)[order])


def test_a_true_hypothesis_is_rarely_rejected_beside_false_ones(rng):
    wrong = 0
    for _ in range(4000):
        p_values = np.append(rng.uniform(size=10), 1e-9 * rng.uniform(size=5))
        wrong += np.any(holm(p_values)[:10] <= 0.05)
    assert 0.035 < wrong / 4000 < 0.06


@pytest.mark.parametrize("p_values", [[0.1, np.nan], [-0.1], [1.1], [[0.1]]])
def test_what_cannot_be_is_told(p_values):
    with pytest.raises(ScoreError, match="from 0 to 1"):
        holm(p_values)
