"""Several like things in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NAMED = 3
"""How many of several like things a message names."""


def listed(items: Sequence[object] | np.ndarray) -> str:
    """The first few of the items, in words; of times, the hour.

    >>> listed(["u10", "v10", "t2m", "msl"])
    'u10, v10, t2m and 1 more'
    """
    named = ", ".join(str(item).removesuffix(":00:00.000") for item in items[:NAMED])
    return named if len(items) <= NAMED else f"{named} and {len(items) - NAMED} more"
