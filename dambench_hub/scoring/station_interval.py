"""How sure a score at stations is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dambench_hub.scoring.interval import Interval


def station_interval(scores: Mapping[str, Any]) -> Interval | None:
    """The 95 % interval of `station_rmse`, from the bootstrap over stations.

    Args:
        scores: As `StationJudge` gives them.

    Returns:
        None for scores of fields, and where the reference is not public, which tells no interval.
    """
    if "station_rmse" not in scores or "rmse_low" not in scores:
        return None
    (low,), (high,) = (scores[end].values() for end in ("rmse_low", "rmse_high"))
    return Interval(scores["station_rmse"], low, high)
