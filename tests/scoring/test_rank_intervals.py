"""Intervals of ranks: their limits, and that together they hold the true ranks."""

import numpy as np
from scipy.stats import rankdata

from dambench_hub.scoring.pairwise_order import pairwise_order
from dambench_hub.scoring.rank_intervals import rank_intervals

TIME = np.datetime64("2024-01-01", "D") + 6 * np.arange(60)


def test_a_full_order_leaves_one_rank_each(rng):
    quality = rng.permutation(7)
    order = np.sign(quality[:, None] - quality)
    np.testing.assert_array_equal(rank_intervals(order), np.repeat(7 - quality[:, None], 2, axis=1))


def test_without_any_order_all_ranks_are_possible():
    np.testing.assert_array_equal(rank_intervals(np.zeros((4, 4), int)), [[1, 4]] * 4)
    assert rank_intervals(np.zeros((0, 0), int)).shape == (0, 2)


def test_each_sure_pair_takes_one_rank_from_both():
    order = np.zeros((4, 4), int)
    order[2, 0], order[0, 2] = 1, -1
    assert rank_intervals(order).tolist() == [[2, 4], [1, 4], [1, 3], [1, 4]]


def test_together_they_hold_the_true_ranks(rng):
    quality = np.array([0.0, 0.3, 0.6, 2.0, 2.3])
    true_rank, held = rankdata(-quality), 0
    for _ in range(400):
        scores = quality[:, None] + rng.normal(size=(5, 60))
        low, high = rank_intervals(pairwise_order(scores, TIME)).T
        held += np.all((low <= true_rank) & (true_rank <= high))
    assert held / 400 >= 0.94
