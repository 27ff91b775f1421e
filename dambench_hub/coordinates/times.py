"""Valid times as whole hours since 1970-01-01 00 UTC, which also key every random draw."""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import DataError

HOURS_PER_YEAR = 8766.0
"""Of 365.25 days, for seasons."""


def hours_since_epoch(time: np.ndarray | np.datetime64) -> np.ndarray:
    """Whole hours since 1970-01-01 00 UTC, int64, in the shape of `time`.

    Raises:
        DataError: When a time is missing, lies before 1970 or between two whole hours.

    >>> int(hours_since_epoch(np.datetime64("1970-01-02")))
    24
    """
    exact = np.asarray(time, "datetime64")
    hours = exact.astype("datetime64[h]").astype(np.int64)
    wrong = np.isnat(exact) | (hours < 0) | (from_hours(hours) != exact)
    if np.any(wrong):
        first = np.atleast_1d(exact)[np.atleast_1d(wrong)][0]
        raise DataError(f"Valid times are whole hours from 1970 on (UTC), got {first}.")
    return hours


def from_hours(hours: np.ndarray | list[int]) -> np.ndarray:
    """The inverse of `hours_since_epoch`, as datetime64[h]."""
    return np.asarray(hours, np.int64).astype("datetime64[h]")
