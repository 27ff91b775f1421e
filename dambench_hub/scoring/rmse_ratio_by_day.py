"""The ratio of two RMSEs as a mean over days, so that its uncertainty is that of any mean.

As for `skill_by_day`: to first order, a day with mean squares a and b moves r = √(ā / b̄) by

    r / 2 · (a / ā − b / b̄)
"""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import ScoreError


def rmse_ratio_by_day(error: np.ndarray, other: np.ndarray) -> np.ndarray:
    """RMSE over another's, pooled over days, linearised in the errors of each day.

    Args:
        error: Area-weighted mean square error at N days, (N,), any units squared.
        other: The other's at the same days, (N,), in the same units.

    Returns:
        (N,); its mean is the ratio. A single value is not the ratio of that day.

    Raises:
        ScoreError: When the days are not the same, or a mean is not above 0 and finite.

    References:
        Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, SIAM, chapter 6.
    """
    error, other = np.asarray(error, np.float64), np.asarray(other, np.float64)
    if error.shape != other.shape or error.ndim != 1 or len(error) == 0:
        raise ScoreError(
            "A ratio of errors wants both at the same days, (N,) each, got "
            f"{error.shape} and {other.shape}."
        )
    mean, other_mean = error.mean(), other.mean()
    if not (0 < mean < np.inf and 0 < other_mean < np.inf):
        raise ScoreError(
            f"A ratio of errors wants means above 0, got {mean} and {other_mean}; there is no "
            "ratio to what has no error."
        )
    ratio = np.sqrt(mean / other_mean)
    return ratio * (1 + (error / mean - other / other_mean) / 2)
