"""Groups of rows: any two that are not told apart share one, and there are no more than needed."""

import numpy as np
import pytest

from dambench_hub.scoring.pairwise_order import pairwise_order
from dambench_hub.scoring.rank_groups import rank_groups
from dambench_hub.scoring.seed_variance import seed_variance

TIME = np.datetime64("2024-01-01", "D") + 6 * np.arange(60)


def random_order(rows, rng):
    """Signs of a ranking in which any pair may be unsure."""
    sure = np.triu(rng.random((rows, rows)) < 0.6, 1)
    return sure.astype(int) - sure.T


def shared(groups, rows):
    return {(i, j) for group in groups for i in group for j in group if i < j < rows}


@pytest.mark.parametrize("rows", [1, 2, 5, 12])
def test_laws(rows, rng):
    for _ in range(50):
        order = random_order(rows, rng)
        groups = rank_groups(order)
        unsure = {(i, j) for i in range(rows) for j in range(i + 1, rows) if not order[i, j]}
        assert unsure <= shared(groups, rows)
        assert set().union(*groups) == set(range(rows))
        starts, stops = ([getattr(group, end) for group in groups] for end in ("start", "stop"))
        assert np.all(np.diff(starts) > 0)
        assert np.all(np.diff(stops) > 0)  # none lies within another
        for group in groups:  # the ends of each are why it is there
            assert order[group[0], group[-1]] == 0


def test_limits():
    assert rank_groups(np.zeros((4, 4), int)) == [range(4)]
    full = np.sign(np.arange(4)[None] - np.arange(4)[:, None])
    assert rank_groups(full) == [range(n, n + 1) for n in range(4)]
    assert rank_groups(np.zeros((0, 0), int)) == []


def test_neighbours_share_groups_though_the_ends_of_the_ranking_differ():
    order = np.zeros((4, 4), int)
    for i, j in ((0, 2), (0, 3), (1, 3)):
        order[i, j], order[j, i] = 1, -1
    assert rank_groups(order) == [range(2), range(1, 3), range(2, 4)]


def test_two_seeds_of_a_method_share_a_group(rng):
    """On a board of methods that differ much, each trained three times, each training a row."""
    separated = 0
    for _ in range(40):
        quality = 15.0 * np.arange(4)[:, None, None]
        trained = quality + rng.normal(size=(4, 3, 1)) + rng.normal(size=(4, 3, 60))
        between_seeds = seed_variance(trained.mean(axis=-1))
        best_first = np.argsort(-trained.mean(axis=-1).ravel())
        board = trained.reshape(12, 60)[best_first]
        groups = rank_groups(pairwise_order(board, TIME, between_seeds=between_seeds))
        together, method = shared(groups, 12), best_first // 3
        separated += sum(
            method[i] == method[j] and (i, j) not in together
            for i in range(12)
            for j in range(i + 1, 12)
        )
        assert len(groups) >= 2
    assert separated / (40 * 4 * 3) <= 0.05
