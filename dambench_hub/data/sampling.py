"""The order in which samples are visited, and which of them each process visits."""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import TaskError


def sample_order(
    examples: int, *, seed: int | None = None, epoch: int = 0, rank: int = 0, world_size: int = 1
) -> np.ndarray:
    """Indices that one process visits in one epoch, a function of its arguments alone.

    Args:
        examples: N, how many there are.
        seed: Shuffles them, differently in each epoch; None keeps their order.
        epoch: Counts the passes from 0.
        rank: This process, 0 … world_size − 1.
        world_size: Number of processes. Every index is visited by exactly one of them; their
            numbers of indices differ by at most one.

    Returns:
        int64 indices, every `world_size`-th of the common order from `rank` on.

    Raises:
        TaskError: When `rank` is not one of `world_size` processes.
    """
    if not 0 <= rank < world_size:
        raise TaskError(f"rank must be 0 … world_size - 1, got rank {rank} of {world_size}.")
    order = np.arange(examples)
    if seed is not None:
        order = np.random.default_rng([seed, epoch]).permutation(examples)
    return order[rank::world_size]
