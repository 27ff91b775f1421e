"""The standard atmosphere below 11 km: temperature falls evenly with height.

References:
    ICAO (1993), Manual of the ICAO Standard Atmosphere, Doc 7488/3.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.constants import GAS_CONSTANT, GRAVITY

LAPSE_RATE = 0.0065
"""Γ, K m⁻¹."""
SEA_LEVEL_TEMPERATURE = 288.15
"""T_0, K."""
SEA_LEVEL_PRESSURE = 101_325.0
"""p_0, Pa."""


def standard_pressure(height: np.ndarray) -> np.ndarray:
    """Pressure at a height, p = p_0 (1 − Γ h / T_0)^(g / R Γ).

    Args:
        height: h above sea level, m, (*), below 11 km.

    Returns:
        Pa, float64, (*); NaN where the height is.

    >>> float(standard_pressure(5_000.0).round(-1))
    54020.0
    """
    share = 1 - LAPSE_RATE / SEA_LEVEL_TEMPERATURE * np.asarray(height, np.float64)
    return SEA_LEVEL_PRESSURE * share ** (GRAVITY / (GAS_CONSTANT * LAPSE_RATE))
