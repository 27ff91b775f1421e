"""One number over all channels for each score that tables and pages show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SINGLE = ("station_rmse", "skill", "mse", "mae", "specdiv")
"""Scores that are one number as they are."""


def overall_scores(scores: Mapping[str, Any], std: Mapping[str, float]) -> dict[str, float]:
    """Those of `SINGLE`, and means over channels of `crps` and `spread_skill`, where there are any.

    Args:
        scores: As `Scorer.compute` or `StationJudge` gives them.
        std: Standard deviation of each channel, in its units: `crps` is in units of it.
    """
    values = {name: scores[name] for name in SINGLE if scores.get(name) is not None}
    if crps := scores.get("crps"):
        values["crps"] = sum(value / std[name] for name, value in crps.items()) / len(crps)
    if ratios := scores.get("spread_skill"):
        values["spread_skill"] = sum(ratios.values()) / len(ratios)
    return values
