"""Whether two analyses differ at the same stations by more than chance."""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import ScoreError
from dambench_hub.metrics.bootstrap_interval import bootstrap_interval
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.station_errors import StationErrors


def rmse_difference(
    one: StationErrors, other: StationErrors, channel: str, level: float = 0.95
) -> Interval:
    """RMSE of one analysis minus that of another, and how far other stations could have moved it.

    Stations are drawn anew for both at once, each with all of its errors, as in `station_scores`:
    what is hard for both does not count as chance.

    Args:
        one: Errors of the one.
        other: Of the other, at the same reports.
        channel: Name of the channel.
        level: Of the interval.

    Raises:
        ScoreError: When the reports differ.
    """
    its, others = one.of(channel), other.of(channel)
    if not np.array_equal(its.station, others.station):
        raise ScoreError("Errors are compared at the same reports; these are of other stations.")
    _, station = np.unique(its.station, return_inverse=True)
    weight, *squares = (
        np.bincount(station, weights=its.weight * values)
        for values in (np.ones(len(station)), its.analysis**2, others.analysis**2)
    )

    def difference(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        total = weight[drawn].sum(axis)
        first, second = (np.sqrt(values[drawn].sum(axis) / total) for values in squares)
        return first - second

    count = len(weight)
    whole = float(difference(np.arange(count)))
    return Interval(whole, *bootstrap_interval(difference, count, level))
