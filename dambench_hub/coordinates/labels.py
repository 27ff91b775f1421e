"""Labelled arrays, such as xarray's: do their labels say what is assumed of their axes?

They are known by their attributes `dims` and `coords`, so that xarray is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

ALIASES = {
    "time": ("time", "valid_time", "sample"),
    "member": ("member", "ensemble", "realization", "number"),
    "channel": ("channel", "variable"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
}
AXES = {alias: axis for axis, aliases in ALIASES.items() for alias in aliases}
"""By the name of a dimension, which axis it is. Other names say nothing."""

TOLERANCE = 1e-3
"""Degrees."""


def is_labelled(values: Any) -> bool:
    """Does an array carry the names and coordinates of its axes?"""
    return hasattr(values, "dims") and hasattr(values, "coords")


def labels(values: Any) -> dict[str, np.ndarray]:
    """The coordinates of a labelled array by axis, as far as it has them."""
    if not is_labelled(values):
        return {}
    found = {AXES[name]: name for name in values.dims if name in AXES and name in values.coords}
    return {axis: np.asarray(values.coords[name]) for axis, name in found.items()}


def label_problem(values: Any, wanted: Mapping[str, Any]) -> str | None:
    """What the labels of an array say against how it will be taken.

    Args:
        values: An array; only a labelled one has problems.
        wanted: For each of its axes, in order, the coordinate; None where any will do.

    Returns:
        The end of a sentence about the array, or None.
    """
    if not is_labelled(values) or len(values.dims) != len(wanted):
        return None
    if any(AXES.get(name, axis) != axis for name, axis in zip(values.dims, wanted, strict=True)):
        found = ", ".join(str(name) for name in values.dims)
        return f"has the dimensions ({found}), wanted ({', '.join(wanted)}): transpose it."
    for name, (axis, coordinate) in zip(values.dims, wanted.items(), strict=True):
        if coordinate is None or name not in values.coords:
            continue
        own, right = np.asarray(values.coords[name]), np.asarray(coordinate)
        if not (_is_count(own) or _same(own, right, 360.0 if axis == "longitude" else None)):
            return f"has the {name} {_shown(own)}, wanted {_shown(right)}: {_advice(own, right)}"
    return None


def _is_count(coordinate: np.ndarray) -> bool:
    """Whether it only counts from 0 on, as an axis without labels does: then it says nothing."""
    return coordinate.dtype.kind in "iu" and np.array_equal(coordinate, np.arange(coordinate.size))


def _same(found: np.ndarray, right: np.ndarray, period: float | None) -> bool:
    """Equal coordinates? Numbers cannot be compared with times, and are not."""
    kinds = {found.dtype.kind, right.dtype.kind}
    if found.shape != right.shape:
        return False
    if kinds <= set("fiu"):
        apart = found.astype(np.float64) - right
        if period:  # 270 and -90 degrees east are one place
            apart -= period * np.round(apart / period)
        return bool(np.all(np.abs(apart) <= TOLERANCE))
    if "M" in kinds:
        return kinds != {"M"} or np.array_equal(found, right)
    return [str(one) for one in found.tolist()] == [str(one) for one in right.tolist()]


def _advice(found: np.ndarray, right: np.ndarray) -> str:
    if sorted(map(str, found.tolist())) == sorted(map(str, right.tolist())):
        return "bring it into this order, for example with its method `reindex`."
    if found.dtype.kind in "fiu" and right.dtype.kind in "fiu":
        return "bring it to these places in this order."
    return "name and order them like this."


def _shown(coordinate: np.ndarray) -> str:
    if len(coordinate) <= 4:
        return ", ".join(str(one) for one in coordinate)
    return f"{coordinate[0]}, {coordinate[1]} … {coordinate[-1]}"
