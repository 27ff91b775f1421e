"""Rows that belong together because they agree in some columns."""

from __future__ import annotations

import numpy as np


def row_groups(*columns: np.ndarray) -> np.ndarray:
    """The number of the group of each row, int, (R,): rows of a group agree in all columns.

    Args:
        columns: (R,) each; NaN agrees with NaN.
    """
    groups = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, positions = np.unique(column, return_inverse=True)
        _, groups = np.unique(groups * len(values) + positions, return_inverse=True)
    return groups


def repetitions(groups: np.ndarray) -> np.ndarray:
    """How many earlier rows are of the same group, int, (R,)."""
    order = np.argsort(groups, kind="stable")
    begins = np.flatnonzero(np.diff(groups[order], prepend=-1))
    counts = np.empty(len(groups), np.int64)
    counts[order] = np.arange(len(groups)) - np.repeat(begins, np.diff(begins, append=len(groups)))
    return counts
