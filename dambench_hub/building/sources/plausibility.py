"""Which values the atmosphere can have, and which ones only stand for values that are missing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from dambench_hub.coordinates.constants import GRAVITY
from dambench_hub.coordinates.missing import FILL
from dambench_hub.errors import BuildError

LEVELS = (1, 10, 50, 100, 200, 300, 500, 700, 850, 925, 1000)
"""Pressures (hPa) of the limits below; between them limits are linear in the logarithm."""

LIMITS: dict[str, tuple[Sequence[float], Sequence[float]]] = {
    # Heights of the standard atmosphere, 14 % less and 1300 m, or 6 % more and 700 m.
    "z": (
        (390e3, 249e3, 161e3, 124e3, 86e3, 64e3, 34e3, 12e3, -500, -6300, -11800),
        (504e3, 330e3, 221e3, 175e3, 130e3, 103e3, 65e3, 39e3, 22e3, 15e3, 8e3),
    ),
    "q": ((-1e-3,) * 11, (5e-4, 5e-4, 5e-4, 5e-4, 1.5e-3, 5e-3, 0.015, 0.025, 0.035, 0.045, 0.05)),
    "t": (
        (150, 150, 150, 150, 165, 175, 185, 185, 180, 175, 170),
        (350, 320, 290, 270, 270, 280, 300, 320, 335, 340, 350),
    ),
    "u": ((-250, *(-200,) * 6, -150, -130, -130, -120), (250, *(200,) * 6, 150, 130, 130, 120)),
    "u10": ((-100,), (100,)),
    "t2m": ((170,), (345,)),
    "msl": ((8.5e4,), (1.12e5,)),
}
"""Lowest and highest values, beyond the extremes of the atmosphere: one outside has another unit,
or is damaged. What models extrapolate below the ground lies inside."""

LIMITS |= {"v": LIMITS["u"], "v10": LIMITS["u10"]}

HINTS = {
    "q": "Wanted kg kg-1; g kg-1 is 1000 times larger.",
    "t": "Wanted K, not degrees Celsius.",
    "t2m": "Wanted K, not degrees Celsius.",
    "msl": "Wanted Pa, not hPa.",
}

SENTINELS = np.array(
    [0, *(sign * x for x in (99, 99.9, 99.99, 999, 999.9, 9999, 32767, 99999) for sign in (1, -1))],
    np.float32,
)
"""What files write for missing values without saying so, and 0, which memory holds at first."""

STEPS = {"z": 2000.0, "u": 40.0, "v": 40.0, "u10": 25.0, "v10": 25.0, "msl": 3000.0}
"""No grid point differs so much from all of its neighbours, in the units of the variable. Those
that are not here have no fill value within their limits, or, as moisture, may truly be 0."""

BLOCK = 3
"""Nowhere are so many by so many neighbours exactly the same round number."""


@cache
def limits(name: str, level: int | None = None) -> tuple[float, float]:
    """The lowest and highest value that a variable can have at a level (hPa), if it has levels."""
    low, high = LIMITS[name]
    if level is None:
        return low[0], high[0]
    pressures = np.log(LEVELS)
    return (
        float(np.interp(np.log(level), pressures, low)),
        float(np.interp(np.log(level), pressures, high)),
    )


def why_missing(name: str, levels: Sequence[int], values: np.ndarray) -> str | None:
    """Why a variable is missing at one time; None if it is there.

    It is missing where it is NaN, or where values stand that are no weather but mean that there is
    none: fill values beyond the limits, and within them such as fill a block, or differ from all
    of their neighbours as no weather does.

    Args:
        name: Of the variable.
        levels: L pressures, hPa; empty for a single-level variable.
        values: (L, Y, X), or (1, Y, X).

    Raises:
        BuildError: When a value is impossible, and is no fill value.
    """
    smallest, largest = values.min(axis=(1, 2)), values.max(axis=(1, 2))
    if np.isnan(smallest).any():
        holes = np.isnan(values).sum()
        return f"{name} has {holes} missing values{_at(levels, np.isnan(smallest))}"
    _refuse_heights(name, levels, values)
    low, high = np.array([limits(name, level) for level in levels] or [limits(name)]).T
    for n in np.flatnonzero((smallest < low) | (largest > high)):
        outside = (values[n] < low[n]) | (values[n] > high[n])
        at = _at(levels, np.arange(len(values)) == n)
        if np.any(outside & ~_is_fill(values[n])):
            raise BuildError(
                f"{name} runs from {smallest[n]:.6g} to {largest[n]:.6g}{at}, allowed is "
                f"{low[n]:g} to {high[n]:g}. "
                + HINTS.get(name, "The source has another unit, or is damaged.")
            )
        return _counted(name, values[n][outside]) + at
    if name not in STEPS:
        return None
    # Few fill values lie between the smallest and the largest of a level, so few are looked for.
    for n, k in np.argwhere((smallest[:, None] <= SENTINELS) & (largest[:, None] >= SENTINELS)):
        hits = values[n] == SENTINELS[k]
        if hits.any() and (_has_block(hits) or _is_apart(values[n], hits, STEPS[name])):
            return _counted(name, values[n][hits]) + _at(levels, np.arange(len(values)) == n)
    return None


def _is_fill(values: np.ndarray) -> np.ndarray:
    return np.isin(values, SENTINELS) | (np.isfinite(values) & (np.abs(values) >= FILL))


def _has_block(hits: np.ndarray) -> bool:
    if hits.sum() < BLOCK * BLOCK or min(hits.shape) < BLOCK:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(hits, (BLOCK, BLOCK))
    return bool(windows.all(axis=(-2, -1)).any())


def _is_apart(field: np.ndarray, hits: np.ndarray, step: float) -> bool:
    """Whether a hit differs by more than a step from all neighbours that are none, (Y, X)."""
    wide = np.pad(np.pad(field, ((0, 0), (1, 1)), mode="wrap"), ((1, 1), (0, 0)), mode="edge")
    y, x = np.nonzero(hits)
    around = np.stack([wide[y, x + 1], wide[y + 2, x + 1], wide[y + 1, x], wide[y + 1, x + 2]])
    differences = np.abs(around - field[y, x])
    others = differences > 0
    return bool(np.any(others.any(axis=0) & np.all(~others | (differences > step), axis=0)))


def _counted(name: str, fills: np.ndarray) -> str:
    return (
        f"{name} has {fills.size} values of exactly {fills[0]:.7g}, which stands for missing ones"
    )


def _at(levels: Sequence[int], which: np.ndarray) -> str:
    chosen = [f"{level} hPa" for level, here in zip(levels, which, strict=bool(levels)) if here]
    return f" on {', '.join(chosen)}" if chosen else ""


def _refuse_heights(name: str, levels: Sequence[int], values: np.ndarray) -> None:
    """Refuse values nearer to Z than to g Z, on the highest level above the ground."""
    if name != "z" or min(levels) > 850:
        return
    top = int(np.argmin(levels))
    typical = GRAVITY * 7000 * np.log(1013 / levels[top])  # g times a scale height of 7 km
    mean = values[top].mean(dtype=np.float64)
    if typical / 40 < mean < 0.4 * typical:
        raise BuildError(
            f"z is about {mean:.0f} at {levels[top]} hPa, a geopotential height in m. Wanted is "
            "geopotential in m2 s-2, 9.80665 times as large."
        )
