"""Schedules of the learning rate: its share of the highest, by the progress of the training."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]
"""From the progress p of a training, 0 (first step) … 1 (last step), to the share of the rate."""


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


def linear(progress: float) -> float:
    """1 → 0 in a straight line, over the steps."""
    return 1.0 - progress


def paper(progress: float) -> float:
    """0.1 → 1 in a straight line over the first sixth, then → 0.03 along a cosine.

    With a highest rate of 1e-4 this is 1e-5 → 1e-4 → 3e-6.
    """
    warm_up = 1 / 6
    if progress < warm_up:
        return 0.1 + 0.9 * progress / warm_up
    return _cosine(1.0, 0.03, (progress - warm_up) / (1 - warm_up))


def one_cycle(progress: float) -> float:
    """0.01 → 1 over the first tenth, then → 1e-5, both along cosines.

    With a highest rate of 1e-4 this is 1e-6 → 1e-4 → 1e-9.

    References:
        Smith & Topin (2019), Proc. SPIE 11006, in the form of torch's `OneCycleLR`.
    """
    warm_up = 0.1
    if progress < warm_up:
        return _cosine(0.01, 1.0, progress / warm_up)
    return _cosine(1.0, 1e-5, (progress - warm_up) / (1 - warm_up))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES: dict[str, Schedule] = {
    "paper": paper,
    "one-cycle": one_cycle,
    "linear": linear,
    "constant": constant,
}
"""Schedule of each name."""
