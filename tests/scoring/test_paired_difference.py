"""Differences over the same days: what is shared cancels, and seeds widen them."""

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.block_mean import block_mean
from dambench_hub.scoring.paired_difference import paired_difference
from dambench_hub.scoring.seed_variance import SeedVariance, seed_variance

TIME = np.datetime64("2024-01-01", "D") + 6 * np.arange(60)
NOISY = SeedVariance(variance=0.5, degrees_of_freedom=4)


def test_what_methods_share_cancels(rng):
    shared, one, other = rng.normal(size=(3, 60))
    found = paired_difference(one + 100 * shared, other + 100 * shared, TIME)
    expected = block_mean(one - other, TIME)
    assert found.mean == pytest.approx(expected.mean)
    assert found.variance == pytest.approx(expected.variance)


def test_the_other_way_round_only_the_sign_changes(rng):
    one, other = rng.normal(size=(2, 60))
    forth = paired_difference(one, other, TIME, between_seeds=NOISY, seeds=(1, 3))
    back = paired_difference(other, one, TIME, between_seeds=NOISY, seeds=(3, 1))
    assert (forth.mean, forth.p_value) == pytest.approx((-back.mean, back.p_value))


@pytest.mark.parametrize(
    ("seeds", "share"), [((1, 1), 2), ((3, 3), 2 / 3), ((1, np.inf), 1), ((np.inf, np.inf), 0)]
)
def test_variance_over_seeds_is_added(seeds, share, rng):
    one, other = rng.normal(size=(2, 60))
    days = paired_difference(one, other, TIME)
    found = paired_difference(one, other, TIME, between_seeds=NOISY, seeds=seeds)
    assert found.variance == pytest.approx(days.variance + share * NOISY.variance)
    assert found.mean == days.mean


def test_two_seeds_of_one_method_are_told_apart_in_one_of_twenty_at_most(rng):
    """Days alone tell them apart most of the time."""
    with_seeds = with_days = 0
    for _ in range(500):
        training = rng.normal(size=(5, 3, 1)) * rng.uniform(0.4, 1.5, (5, 1, 1))
        scores = training + rng.normal(size=(5, 3, 60))
        found = seed_variance(scores.mean(axis=-1))
        one, other = scores[0, :2]
        with_days += paired_difference(one, other, TIME).p_value <= 0.05
        with_seeds += paired_difference(one, other, TIME, between_seeds=found).p_value <= 0.05
    assert with_seeds / 500 <= 0.05
    assert with_days / 500 > 0.5


def test_no_training_is_told():
    with pytest.raises(ScoreError, match="at least 1 training"):
        paired_difference(np.zeros(60), np.ones(60), TIME, seeds=(1, 0))
