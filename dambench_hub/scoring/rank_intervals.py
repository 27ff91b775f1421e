"""Ranks that pairwise tests leave possible."""

from __future__ import annotations

import numpy as np


def rank_intervals(order: np.ndarray) -> np.ndarray:
    """The best and the worst rank of each method: 1 + how many beat it, E − how many it beats.

    Where the tests tell no pair wrongly apart, in at least their `level` of experiments, all
    intervals together hold the true ranks.

    >>> rank_intervals(np.array([[0, 0, 1], [0, 0, 0], [-1, 0, 0]])).tolist()
    [[1, 2], [1, 3], [2, 3]]

    Args:
        order: What `pairwise_order` returns, (E, E).

    Returns:
        (E, 2) integers, from 1 to E.

    References:
        Mogstad, Romano, Shaikh & Wilhelm (2024), Rev. Econ. Stud. 91, 476-518.
    """
    beaten_by, beats = np.sum(order < 0, axis=1), np.sum(order > 0, axis=1)
    return np.stack([1 + beaten_by, len(order) - beats], axis=1)
