"""Neighbours in a ranking that cannot be told apart."""

from __future__ import annotations

import numpy as np


def rank_groups(order: np.ndarray) -> list[range]:
    """Runs of rows, the fewest with which any two rows that are not told apart share one.

    Groups may overlap: the first and the last of three can differ beyond doubt though neither
    differs from the one between. Rows of a ranking that share no group are told apart.

    >>> rank_groups(np.array([[0, 0, 1], [0, 0, 0], [-1, 0, 0]]))
    [range(0, 2), range(1, 3)]

    Args:
        order: What `pairwise_order` returns, (E, E), methods from the best to the worst.

    Returns:
        Ranges of rows from 0, none within another, together all rows.

    References:
        Letters for overlapping groups: Piepho (2004), J. Comput. Graph. Stat. 13, 456-466.
    """
    groups: list[range] = []
    for first, row in enumerate(np.asarray(order)):
        stop = int(np.flatnonzero(row == 0)[-1]) + 1
        if not groups or stop > groups[-1].stop:
            groups.append(range(first, stop))
    return groups
