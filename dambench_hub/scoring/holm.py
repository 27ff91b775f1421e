"""Holm's correction: p-values of many tests, so that one wrong rejection among all stays rare."""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import ScoreError


def holm(p_values: np.ndarray) -> np.ndarray:
    """Adjusted p-values, p̃_(i) = max_{j ≤ i} min(1, (m − j + 1) p_(j)), with p_(1) ≤ … ≤ p_(m).

    Rejecting where p̃ ≤ α rejects any true hypothesis in at most the share α of experiments, however
    the tests depend on each other.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]

    Args:
        p_values: Of m tests, (m,), from 0 to 1.

    Returns:
        Adjusted, (m,), in the same order, from 0 to 1.

    Raises:
        ScoreError: When a p-value does not lie between 0 and 1.

    References:
        Holm (1979), Scand. J. Statist. 6, 65-70.
    """
    p_values = np.asarray(p_values, np.float64)
    if p_values.ndim != 1 or not np.all((p_values >= 0) & (p_values <= 1)):
        raise ScoreError(f"p-values are numbers from 0 to 1 in one row, got {p_values}.")
    order = np.argsort(p_values, kind="stable")
    raised = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(raised))
    return adjusted
