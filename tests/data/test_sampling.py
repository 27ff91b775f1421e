"""The order of samples is a partition over processes, and a function of its arguments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.data.sampling import sample_order
from dambench_hub.errors import TaskError


@given(
    examples=st.integers(0, 60),
    world=st.integers(1, 9),
    seed=st.none() | st.integers(0, 5),
    epoch=st.integers(0, 3),
)
def test_ranks_share_the_samples(examples, world, seed, epoch):
    parts = [
        sample_order(examples, seed=seed, epoch=epoch, rank=rank, world_size=world)
        for rank in range(world)
    ]
    assert sorted(np.concatenate(parts).tolist()) == list(range(examples))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    # One process sees the same order as many do together.
    common = np.empty(examples, int)
    for rank, part in enumerate(parts):
        common[rank::world] = part
    np.testing.assert_array_equal(common, sample_order(examples, seed=seed, epoch=epoch))


def test_epochs_and_seeds_differ_and_repeat():
    orders = {
        (seed, epoch): tuple(sample_order(50, seed=seed, epoch=epoch))
        for seed in (0, 1)
        for epoch in (0, 1, 2)
    }
    assert len(set(orders.values())) == 6
    assert orders[1, 2] == tuple(sample_order(50, seed=1, epoch=2))
    np.testing.assert_array_equal(sample_order(5, epoch=3), np.arange(5))


@pytest.mark.parametrize(("rank", "world_size"), [(2, 2), (-1, 2), (0, 0)])
def test_a_rank_outside_the_world_is_refused(rank, world_size):
    with pytest.raises(TaskError, match=f"rank {rank} of {world_size}"):
        sample_order(4, rank=rank, world_size=world_size)
