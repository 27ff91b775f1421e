"""A ranking claims what its days and seeds say, and no more."""

import numpy as np
import pytest

from dambench_hub.errors import TaskError
from dambench_hub.scoring.block_mean import block_mean
from dambench_hub.scoring.seed_variance import SeedVariance
from dambench_hub.scoring.standings import standings

TIME = np.datetime64("2024-01-01", "D") + 3 * np.arange(120)


def test_plain_differences_leave_one_rank_each(rng):
    scores = rng.normal(size=(4, 120)) + 9.0 * np.arange(4)[::-1, None]
    found = standings(scores, TIME)
    assert [(row.best_rank, row.worst_rank) for row in found.rows] == [(n, n) for n in (1, 2, 3, 4)]
    assert found.groups == tuple(range(n, n + 1) for n in range(4))
    assert found.seed_error is None


def test_equal_methods_share_a_group_and_all_ranks(rng):
    scores = rng.normal(size=120) + 1e-3 * rng.normal(size=(3, 120))
    found = standings(scores, TIME, between_seeds=SeedVariance(0.25, 4))
    assert [(row.best_rank, row.worst_rank) for row in found.rows] == [(1, 3)] * 3
    assert found.groups == (range(0, 3),)
    assert found.seed_error == 0.5


def test_an_interval_is_of_days_and_of_the_seeds_of_its_row(rng):
    scores = rng.normal(size=(3, 120))
    found = standings(
        scores, TIME, between_seeds=SeedVariance(0.25, 4), seeds=[np.inf, 3, 1], methods="abc"
    )
    days = [block_mean(values, TIME) for values in scores]
    assert found.rows[0].interval == days[0].interval()
    for row, n, mean in zip(found.rows[1:], (3, 1), days[1:], strict=True):
        assert row.interval == mean.with_variance(0.25 / n, 4).interval()


def test_seeds_of_one_method_are_never_told_apart(rng):
    scores = np.array([2.0, 1.0, 0.0])[:, None] + 0.01 * rng.normal(size=(3, 120))
    apart = standings(scores, TIME)
    assert apart.groups == (range(0, 1), range(1, 2), range(2, 3))
    one = standings(scores, TIME, methods=["a", "b", "a"])
    assert one.groups == (range(0, 3),)


def test_too_few_days_are_told():
    with pytest.raises(TaskError, match="Score more days"):
        standings(np.zeros((2, 60)), TIME[0] + np.arange(60))
    assert standings(np.zeros((0, 60)), TIME[:60]).rows == ()
