"""Fields of the circulation model as rows of numbers, in units in which equal steps do equal harm.

    vorticity, divergence   a / √(l (l + 1)) times the coefficient, m s⁻¹: its share of the wind
    precipitation           asinh(0.2 P / 0.1) / 0.2, so that a gauge's error is 1 at any rain P
    olr                     ln(olr) / 0.02, so that the satellite's error is 1
    t, q, log_pressure      the coefficients themselves
    t2m                     K

A row is what one level has: the coefficients with l ≥ m, or the points of the model's own grid.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.building.osse.instruments import GAUGE_FLOOR, GAUGE_SHARE, OLR_SHARE
from dambench_hub.building.osse.simulation import MEANS, STATE
from dambench_hub.coordinates.constants import EARTH_RADIUS
from dambench_hub.coordinates.spherical_harmonics import kept_coefficients

NAMES = (*STATE, *MEANS)
WINDS = ("vorticity", "divergence")
SPECTRAL = (*WINDS, "t", "q", "log_pressure")


def to_numbers(name: str, field: np.ndarray) -> np.ndarray:
    """The rows of a field, float64.

    Args:
        name: One of `NAMES`.
        field: (*, K, orders, degrees) if spectral, (*, columns, rows) if on the model's grid.

    Returns:
        (*, K, N) with N coefficients, or (*, 1, N) with N grid points.
    """
    field = np.asarray(field, np.float64)
    if name in SPECTRAL:
        shape = field.shape[-2:]
        numbers = _flat(field)[..., kept_coefficients(*shape)]
        return numbers / _per_wind(shape) if name in WINDS else numbers
    numbers = _flat(field)[..., None, :]
    if name == "precipitation":
        return np.arcsinh(GAUGE_SHARE / GAUGE_FLOOR * numbers) / GAUGE_SHARE
    return np.log(numbers) / OLR_SHARE if name == "olr" else numbers


def from_numbers(name: str, numbers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `to_numbers`, float64.

    Args:
        name: One of `NAMES`.
        numbers: (*, K, N).
        shape: Of one field: (K, orders, degrees), or (columns, rows).
    """
    leading = numbers.shape[:-2]
    if name in SPECTRAL:
        field = np.zeros((*numbers.shape[:-1], shape[1] * shape[2]))
        if name in WINDS:
            numbers = numbers * _per_wind(shape[1:])
        field[..., kept_coefficients(*shape[1:])] = numbers
        return field.reshape(*leading, *shape)
    field = numbers.reshape(*leading, *shape)
    if name == "precipitation":
        return np.sinh(GAUGE_SHARE * field) * (GAUGE_FLOOR / GAUGE_SHARE)
    return np.exp(OLR_SHARE * field) if name == "olr" else field


def _flat(field: np.ndarray) -> np.ndarray:
    """The field with its last two axes as one."""
    return field.reshape(*field.shape[:-2], -1)


def _per_wind(shape: tuple[int, ...]) -> np.ndarray:
    """√(l (l + 1)) / a of the coefficients that are kept, s⁻¹ per m s⁻¹; for l = 0 as for l = 1."""
    degree = np.broadcast_to(np.maximum(np.arange(shape[1]), 1.0), shape)
    return (np.sqrt(degree * (degree + 1)) / EARTH_RADIUS).reshape(-1)[kept_coefficients(*shape)]
