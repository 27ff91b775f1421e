"""Which times belong to an analysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.errors import DataError


@dataclass(frozen=True)
class Window:
    """The times after `start_hours` and up to `end_hours`, both relative to the valid time.

    It is half-open, so that consecutive windows share nothing.

    Raises:
        DataError: When it is empty or endless.
    """

    start_hours: float = -3.0
    end_hours: float = 0.0

    def __post_init__(self) -> None:
        if not -np.inf < self.start_hours < self.end_hours < np.inf:
            raise DataError(f"A window starts before it ends, and ends; got {self}.")

    def __str__(self) -> str:
        return f"({self.start_hours:g} h, {self.end_hours:g} h]"

    def bounds(self, valid_time: np.datetime64) -> tuple[np.datetime64, np.datetime64]:
        """After the first, up to the second, datetime64[ms]."""
        time = valid_time.astype("datetime64[ms]")
        start, end = (
            np.timedelta64(round(hours * 3_600_000), "ms")
            for hours in (self.start_hours, self.end_hours)
        )
        return time + start, time + end
