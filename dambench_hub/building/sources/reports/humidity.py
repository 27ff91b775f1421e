"""Specific humidity of a dew point."""

from __future__ import annotations

import numpy as np

EPSILON = 0.62198
"""Ratio of the molar masses of water and dry air."""


def specific_humidity(dew_point: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Of a dew point: q = ε e / (p − (1 − ε) e), where e saturates at T_d.

    Args:
        dew_point: T_d, K, (*). That of the air itself gives q at saturation.
        pressure: p, Pa, (*).

    Returns:
        kg/kg, (*); NaN where e would reach p, as no air is.

    References:
        WMO-No. 8 (2018), Guide to Instruments and Methods of Observation, annex 4.B: e over water
        by the Magnus formula. Radiosondes report dew points with respect to water at all
        temperatures.
    """
    celsius = np.maximum(np.asarray(dew_point, float) - 273.15, -150.0)
    vapour = 611.2 * np.exp(17.62 * celsius / (243.12 + celsius))
    possible = np.where(vapour < pressure, vapour, np.nan)
    return EPSILON * possible / (pressure - (1 - EPSILON) * possible)
