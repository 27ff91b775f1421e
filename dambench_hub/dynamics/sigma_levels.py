"""Columns on sigma levels: pressure levels, geopotential and sea-level pressure.

One temperature profile serves every quantity, so temperature, geopotential and sea-level pressure
agree with one another. With T_v = T (1 + 0.608 q) the virtual temperature,

    above the top level      T_v(p) = T_v1                        isothermal
    between two levels       T_v(p) linear in ln p
    below the lowest level   T_v(p) = T_vK (p / p_K)^(R Γ / g)    lapse rate Γ = 6.5 K/km

and Φ(p) = Φ_s + R ∫_p^{p_s} T_v d ln p integrates exactly that profile. The last line also holds
below ground. Wind and humidity are linear in ln p between the levels and constant beyond them.

Fields are arrays of numpy or of jax: functions come from the namespace of the arrays, `xp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.constants import GAS_CONSTANT, GRAVITY

LAPSE_RATE = 0.0065
"""Γ of the standard atmosphere, K m⁻¹."""
EXPONENT = GAS_CONSTANT * LAPSE_RATE / GRAVITY
"""R Γ / g, about 0.19."""


@dataclass(frozen=True)
class SigmaColumns:
    """Atmospheric columns on sigma = p / p_s levels, from top to bottom.

    Attributes:
        sigma: Full levels, increasing, (K,).
        surface_pressure: p_s, Pa, (*).
        surface_geopotential: Φ_s, m² s⁻², (*).
        temperature: T, K, (K, *).
        specific_humidity: q, kg kg⁻¹, (K, *).

    Raises:
        ValueError: When sigma does not increase within (0, 1], or shapes disagree.
    """

    sigma: np.ndarray
    surface_pressure: np.ndarray
    surface_geopotential: np.ndarray
    temperature: np.ndarray
    specific_humidity: np.ndarray

    def __post_init__(self) -> None:
        if not (self.sigma[0] > 0 and self.sigma[-1] <= 1 and np.all(np.diff(self.sigma) > 0)):
            raise ValueError(f"sigma must increase from top to bottom within (0, 1]: {self.sigma}.")
        wanted = (len(self.sigma), *np.shape(self.surface_pressure))
        for name in ("temperature", "specific_humidity"):
            if (came := getattr(self, name).shape) != wanted:
                raise ValueError(
                    f"{name} has shape {came}, the columns have {wanted} (levels first)."
                )

    @cached_property
    def virtual_temperature(self) -> np.ndarray:
        """T_v = T (1 + 0.608 q), K, (K, *)."""
        return self.temperature * (1 + 0.608 * self.specific_humidity)

    @cached_property
    def surface_virtual_temperature(self) -> np.ndarray:
        """T_v(p_s) = T_vK σ_K^(−R Γ / g), K, (*)."""
        return self.virtual_temperature[-1] * self.sigma[-1] ** -EXPONENT

    @cached_property
    def geopotential(self) -> np.ndarray:
        """Φ on the sigma levels, m² s⁻², (K, *)."""
        t = self.virtual_temperature
        lowest = self.surface_geopotential + GRAVITY / LAPSE_RATE * (
            self.surface_virtual_temperature - t[-1]
        )
        log_sigma = np.log(self.sigma).reshape(-1, *[1] * (t.ndim - 1))
        thickness = GAS_CONSTANT * (t[:-1] + t[1:]) / 2 * np.diff(log_sigma, axis=0)
        xp = t.__array_namespace__()
        above = xp.cumsum(thickness[::-1], axis=0)[::-1]
        return xp.concatenate([lowest + above, lowest[None]])

    def sea_level_pressure(self) -> np.ndarray:
        """The pressure at which Φ = 0 on the profile extended below ground, Pa, (*).

        p_0 = p_s (1 + Γ Φ_s / (g T_v(p_s)))^(g / (R Γ)); where Φ_s = 0 it is p_s.
        """
        warming = LAPSE_RATE * self.surface_geopotential / GRAVITY
        return self.surface_pressure * (1 + warming / self.surface_virtual_temperature) ** (
            1 / EXPONENT
        )

    def on_pressure(self, levels: np.ndarray) -> PressureLevels:
        """The columns seen at constant pressures.

        Args:
            levels: p, Pa, (L,).
        """
        return PressureLevels(self, np.asarray(levels, np.float64))


class PressureLevels:
    """`SigmaColumns` at constant pressures; the positions are found once for every field."""

    def __init__(self, columns: SigmaColumns, levels: np.ndarray) -> None:
        self._xp = xp = columns.temperature.__array_namespace__()
        kind = columns.temperature.dtype  # positions in single precision halve the cost of fields
        log_sigma = xp.asarray(np.log(columns.sigma).astype(kind))
        log_levels = np.log(levels).reshape(-1, *[1] * columns.surface_pressure.ndim)
        position = (log_levels - xp.log(columns.surface_pressure)).astype(kind)
        top, bottom = log_sigma[0], log_sigma[-1]
        lower = xp.clip(xp.searchsorted(log_sigma, position), 1, len(log_sigma) - 1)
        # Positions in flat fields: `take` is five times as fast as `take_along_axis`.
        size = columns.surface_pressure.size
        self._columns, self._shape = columns, position.shape
        self._lower = lower.reshape(len(levels), size) * size + xp.arange(size)
        self._height = log_sigma[lower] - xp.clip(position, top, bottom)
        self._weight = self._height / (log_sigma[lower] - log_sigma[lower - 1])
        self._beyond_top = xp.maximum(top - position, 0)
        self._beyond_bottom = xp.maximum(position - bottom, 0)

    def constant_beyond(self, field: np.ndarray) -> np.ndarray:
        """A field (K, *), linear in ln p between the levels and constant beyond them, (L, *)."""
        above, below = self._at(field, -1), self._at(field, 0)
        return below + self._weight * (above - below)

    def _at(self, field: np.ndarray, offset: int) -> np.ndarray:
        """A field (K, *) on the sigma level below each pressure level, or `offset` from it."""
        index = self._lower + offset * self._columns.surface_pressure.size
        return self._xp.take(field.reshape(-1), index).reshape(self._shape)

    def temperature(self) -> np.ndarray:
        """T, K, (L, *)."""
        inside = self.constant_beyond(self._columns.temperature)
        return inside * self._xp.exp(EXPONENT * self._beyond_bottom)

    def geopotential(self) -> np.ndarray:
        """Φ, m² s⁻², (L, *)."""
        t, phi = self._columns.virtual_temperature, self._columns.geopotential
        t_lower, phi_lower = (self._at(x, 0) for x in (t, phi))
        t_here = self.constant_beyond(t)
        inside = phi_lower + GAS_CONSTANT * self._height * (t_here + t_lower) / 2
        above = GAS_CONSTANT * t_here * self._beyond_top
        below = GRAVITY / LAPSE_RATE * t_here * self._xp.expm1(EXPONENT * self._beyond_bottom)
        return inside + above - below
