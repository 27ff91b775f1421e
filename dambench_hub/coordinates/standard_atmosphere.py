"""The ICAO standard atmosphere: pressure and temperature that depend on height alone.

References:
    ICAO (1993), Manual of the ICAO Standard Atmosphere, Doc 7488; ISO 2533:1975.
"""

from __future__ import annotations

import numpy as np

SEA_LEVEL_PRESSURE = 101_325.0
"""Pa."""
SEA_LEVEL_TEMPERATURE = 288.15
"""K."""
LAPSE_RATE = 0.0065
"""Γ, K m⁻¹, below the tropopause."""
EXPONENT = 5.255880
"""g / (R Γ)."""
TROPOPAUSE = 11_000.0
"""m; above it, to 20 km, 216.65 K throughout."""
SCALE_HEIGHT = 6_341.62
"""R T / g there, m."""


def pressure_at(altitude: np.ndarray) -> np.ndarray:
    """Pa, (*), at a pressure altitude in m, (*), up to 20 km; NaN above and below -5 km.

    >>> float(pressure_at(5_000.0).round(-1))
    54020.0
    """
    altitude = np.asarray(altitude, float)
    warmth = 1 - LAPSE_RATE * np.minimum(altitude, TROPOPAUSE) / SEA_LEVEL_TEMPERATURE
    above = np.maximum(altitude - TROPOPAUSE, 0.0)
    pressure = SEA_LEVEL_PRESSURE * warmth**EXPONENT * np.exp(-above / SCALE_HEIGHT)
    return np.where((altitude >= -5_000) & (altitude <= 20_000), pressure, np.nan)


def altitude_at(pressure: np.ndarray) -> np.ndarray:
    """Pressure altitude, m, (*), of a pressure in Pa, (*): the inverse below the tropopause."""
    warmth = (np.asarray(pressure, float) / SEA_LEVEL_PRESSURE) ** (1 / EXPONENT)
    return SEA_LEVEL_TEMPERATURE / LAPSE_RATE * (1 - warmth)


def station_pressure(altimeter_setting: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Pressure at an aerodrome, Pa, (*), of its QNH in Pa, (*), and its height in m, (*).

    QNH is the setting with which an altimeter on the ground shows the elevation.
    """
    return pressure_at(elevation + altitude_at(altimeter_setting))
