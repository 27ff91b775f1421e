"""The states of a spectral model as flat vectors, which is how assimilation handles them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dambench_hub.coordinates.spherical_harmonics import kept_coefficients

UPPER_AIR = ("vorticity", "divergence", "temperature_variation", "specific_humidity")
"""Variables with levels, from the top down; ln p_s comes after them."""


@dataclass(frozen=True)
class StateVector:
    """Where each coefficient stands; those with l < m are zero always, and left out.

    Both ways work on arrays of numpy and of jax, and keep every bit.

    Attributes:
        levels: K.
        orders: 2M − 1; orders and degrees as in `spherical_harmonics`.
        degrees: L.
    """

    levels: int
    orders: int
    degrees: int

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self._rows * len(self._kept)

    def pack(self, fields: Mapping[str, Any]) -> Any:
        """The vector of a state, (size,).

        Args:
            fields: Coefficients of `vorticity`, `divergence` (s⁻¹), `temperature_variation` (K) and
                `specific_humidity` (kg kg⁻¹), (K, orders, degrees), and of `log_surface_pressure`,
                ln(p_s / 1000 hPa), (1, orders, degrees).
        """
        upper = [fields[name] for name in UPPER_AIR]
        xp = upper[0].__array_namespace__()
        rows = xp.concatenate([*upper, fields["log_surface_pressure"]])
        return rows.reshape(self._rows, -1)[:, self._kept].reshape(-1)

    def unpack(self, vector: Any) -> dict[str, Any]:
        """The fields of a vector, as `pack` takes them."""
        xp = vector.__array_namespace__()
        rows = vector.reshape(self._rows, -1)
        with_zero = xp.concatenate([rows, xp.zeros_like(rows[:, :1])], axis=1)
        rows = with_zero[:, self._source].reshape(self._rows, self.orders, self.degrees)
        upper = rows[:-1].reshape(len(UPPER_AIR), self.levels, self.orders, self.degrees)
        fields = dict(zip(UPPER_AIR, upper, strict=True))
        return fields | {"log_surface_pressure": rows[-1:]}

    @property
    def _rows(self) -> int:
        return len(UPPER_AIR) * self.levels + 1

    @cached_property
    def _kept(self) -> np.ndarray:
        return kept_coefficients(self.orders, self.degrees)

    @cached_property
    def _source(self) -> np.ndarray:
        """For each coefficient of a field its place among those kept; the last is the zero."""
        source = np.full(self.orders * self.degrees, len(self._kept))
        source[self._kept] = np.arange(len(self._kept))
        return source
