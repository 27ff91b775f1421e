"""What stands for a value that is not there."""

from __future__ import annotations

from typing import Any

import numpy as np

FILL = 1e20
"""No state of an atmosphere has values so large; fill values are (1e20, in netCDF 9.97e36)."""


def is_masked(values: Any) -> bool:
    """Is a value masked, in an array or in lists of arrays? Making one array of them drops masks.

    >>> is_masked([[1.0, 2.0], np.ma.array([1.0, 2.0], mask=[False, True])])
    True
    """
    if isinstance(values, list | tuple):
        return any(is_masked(part) for part in values if not isinstance(part, int | float))
    return bool(np.ma.is_masked(values))
