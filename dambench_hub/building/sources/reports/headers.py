"""Who reports, where and when: what all messages begin with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from dambench_hub.building.sources.reports.bufr import Subset
from dambench_hub.building.sources.reports.reading import Header

MASKED = ("SHIP", "MASKSTID", "BUOY", "PLAT", "RIGG")
"""Call signs that hide who reports; many share them."""


def headers(subsets: Sequence[Subset]) -> Header:
    """Who reported, where and when: of N reports."""
    return Header(
        station=np.array([station_of(subset) for subset in subsets], str),
        time=np.array([time_of(subset) for subset in subsets], "datetime64[ms]"),
        latitude=np.array([subset.first(5001, 5002) for subset in subsets], float),
        longitude=np.array([subset.first(6001, 6002) for subset in subsets], float),
        elevation=np.array([subset.first(7030, 7001) for subset in subsets], float),
    )


def station_of(subset: Subset) -> str:
    """The WMO number of five digits, or else a call sign, a buoy's number or the WIGOS identifier.

    Empty if there is none, or one that hides it.
    """
    block, number = subset.first(1001), subset.first(1002)
    if block == block and number == number:
        return f"{block:02.0f}{number:03.0f}"
    if call_sign := subset.texts.get(1011):
        return "" if call_sign in MASKED else call_sign
    buoy = subset.first(1087, 1005)
    if buoy == buoy:
        return f"{buoy:.0f}"
    wigos = [subset.first(descriptor) for descriptor in (1125, 1126, 1127)]
    if 1128 in subset.texts and not np.isnan(wigos).any():
        return "-".join([*(f"{part:.0f}" for part in wigos), subset.texts[1128]])
    return ""


def time_of(subset: Subset) -> np.datetime64:
    """When it was measured, UTC, datetime64[ms]; NaT if that is unknown or no time.

    Minutes and seconds that are absent are 0: the report is of the full hour.
    """
    parts = [subset.first(descriptor) for descriptor in (4001, 4002, 4003, 4004, 4005, 4006)]
    parts[4:] = np.nan_to_num(parts[4:])
    try:
        year, month, day, hour, minute, second = (int(part) for part in parts)
        return np.datetime64(datetime(year, month, day, hour, minute, second), "ms")
    except ValueError:  # of NaN, too
        return np.datetime64("NaT", "ms")
