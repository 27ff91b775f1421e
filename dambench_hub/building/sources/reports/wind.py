"""Wind as reports give it: where from, and how fast."""

from __future__ import annotations

import numpy as np


def wind_components(direction: np.ndarray, speed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eastward and northward, u = −s sin d and v = −s cos d, of a wind from d; m/s, (*) each.

    Args:
        direction: d, degrees clockwise from north, (*). NaN if it is unknown or varies; beyond 360,
            as codes of a missing or variable direction are, it counts as NaN.
        speed: s, m/s, (*). A calm, 0, needs no direction.
    """
    known = np.where((direction >= 0) & (direction <= 360), direction, np.nan)
    angle = np.deg2rad(np.where(speed == 0, 0.0, known))
    return -speed * np.sin(angle), -speed * np.cos(angle)
