"""Which neighbours in a ranking cannot be told apart."""

from __future__ import annotations

import numpy as np

from dambench_hub.bootstrap import paired_intervals
from dambench_hub.errors import TaskError


def neighbour_groups(errors: np.ndarray, time: np.ndarray) -> tuple[int, ...] | None:
    """A number for each method, the same as its neighbour's if their difference may be chance.

    Only neighbours are compared: the first and the last of a long group can differ beyond doubt.

    Args:
        errors: Score of each method at each time, best method first, (E, N).
        time: Valid times, datetime64, (N,).

    Returns:
        Numbers from 1 upwards, (E,); None where the days are too few to say.
    """
    if len(errors) < 2:
        return (1,) * len(errors)
    try:
        intervals = paired_intervals(np.diff(errors, axis=0), time)
    except TaskError:
        return None
    apart = [not interval.low <= 0 <= interval.high for interval in intervals]
    return (1, *(1 + np.cumsum(apart)).tolist())
