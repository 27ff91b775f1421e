"""Why a measured value is not to be trusted: the column `quality` of a table."""

from __future__ import annotations

from enum import IntEnum


class Quality(IntEnum):
    """What was found of a value; everything but `GOOD` is kept, counted and not assimilated.

    Attributes:
        GOOD: Passed all checks that were made.
        GROSS: Outside what nature has, see `ObservedVariable.possible`.
        DUPLICATE: The same place, time and variable as an earlier row.
        MOVED: A fixed station that reports from elsewhere than it did before.
        BACKGROUND: Farther from the background than its errors explain.
        BLACKLISTED: Of a station that is known to be wrong.
        PROVIDER: Marked as wrong by those who collected it.
    """

    GOOD = 0
    GROSS = 1
    DUPLICATE = 2
    MOVED = 3
    BACKGROUND = 4
    BLACKLISTED = 5
    PROVIDER = 6
