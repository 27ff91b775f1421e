"""Which samples a step takes: the same for any number of processes and micro-batches."""

import numpy as np
import pytest

from dambench_hub.errors import TrainingError
from dambench_hub.training.config import TrainConfig
from dambench_hub.training.plan import TrainingPlan, epoch_key


def plan(samples=23, **changes):
    where = {name: changes.pop(name) for name in ("rank", "world_size") if name in changes}
    values = {"method": "conv_cnp", "epochs": 3, "batch_size": 8, **changes}
    return TrainingPlan(TrainConfig(**values), samples, **where)


def test_an_epoch_has_full_batches_of_different_samples():
    assert (plan().steps_per_epoch, plan().steps) == (2, 6)
    epoch = plan().epoch(0)
    assert epoch.shape == (2, 8)
    assert len(set(epoch.flat)) == 16
    assert set(epoch.flat) <= set(range(23))
    assert not np.array_equal(epoch, plan().epoch(1))
    assert not np.array_equal(epoch, plan(seed=1).epoch(0))


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("micro_batch_size", [1, 2, None])
def test_processes_share_each_batch(world_size, micro_batch_size):
    ranks = [
        plan(rank=rank, world_size=world_size, micro_batch_size=micro_batch_size)
        for rank in range(world_size)
    ]
    for epoch in range(3):
        shares = [rank.share(epoch).reshape(2, -1) for rank in ranks]
        for position in range(2):
            seen = sorted(np.concatenate([share[position] for share in shares]))
            assert seen == sorted(plan().batch(2 * epoch + position))
            assert len(shares[0][position]) == ranks[0].accumulation * ranks[0].micro_batch_size


def test_an_epoch_can_begin_in_its_middle():
    whole = plan(rank=1, world_size=2)
    np.testing.assert_array_equal(whole.share(1, 1), whole.share(1)[4:])


def test_epochs_and_seeds_have_keys_of_their_own():
    keys = {epoch_key(seed, epoch) for seed in range(20) for epoch in range(50)}
    assert len(keys) == 1000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"world_size": 3},
            "3 processes x micro_batch_size 1. These fit: 1, 2, 4, 8 processes",
        ),
        (
            {"world_size": 2, "micro_batch_size": 8},
            "2 processes x micro_batch_size 8. These fit: 1 processes",
        ),
        ({"world_size": 16}, "not a multiple of 16 processes"),
        ({"micro_batch_size": 9}, "Use a smaller micro_batch_size, or train anew"),
        ({"samples": 7}, "has 7 samples, batch_size is 8"),
    ],
)
def test_what_does_not_divide_is_refused(changes, words):
    with pytest.raises(TrainingError, match=words):
        plan(**changes)
