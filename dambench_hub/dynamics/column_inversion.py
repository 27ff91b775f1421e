"""Columns on sigma levels from what is seen of them on pressure levels: `PressureLevels` undone.

An increment δ of the channels is sought as an increment of the column's variables, T, q, u and v on
each level and ln p_s, by regularised least squares about a column x_b, with F what is seen:

    δx = argmin ‖(F'(x_b) δx − δ) / s‖² + λ Σ_k (δx_k / s_k − δx_(k+1) / s_(k+1))²

The scales s say by how much an analysis may miss hydrostatic balance, in which t, z and msl are
redundant. The second term decides what no pressure level sees: a level takes the increment of its
neighbour. F' holds that the levels of a column move with its surface pressure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.constants import GRAVITY
from dambench_hub.coordinates.variables import STANDARD_LEVELS
from dambench_hub.dynamics.sigma_levels import EXPONENT, LAPSE_RATE, SigmaColumns

MSL_SCALE, Z_SCALE, T_SCALE, WIND_SCALE = 50.0, 50.0, 0.5, 1.0
"""s of msl (Pa), z (m² s⁻²), t (K), and u and v (m s⁻¹)."""

Q_SCALE = 1e-4
"""s of q at 1000 hPa, kg kg⁻¹; it falls with the cube of the pressure, about as humidity does."""

SMOOTHNESS = 1e-3
"""λ, relative to the weight of a channel."""

COLUMNS_AT_ONCE = 256
"""So many have matrices of 5 MB each."""


@dataclass(frozen=True)
class ColumnInversion:
    """Finds increments of columns.

    Attributes:
        columns: x_b, in double precision, P of them.
        u: Their eastward wind, m s⁻¹, (K, P).
        v: Their northward wind, m s⁻¹, (K, P).
        near_surface_wind: Wind at 10 m in units of the wind on the lowest level.
    """

    columns: SigmaColumns
    u: np.ndarray
    v: np.ndarray
    near_surface_wind: float

    def __call__(self, increments: np.ndarray) -> np.ndarray:
        """δx from δ.

        Args:
            increments: Of the 69 standard channels, (69, P).

        Returns:
            (4 K + 1, P): T, q, u and v on the levels from the top down, ln p_s.
        """
        return (self._inverse @ increments.T[..., None])[..., 0].T

    def adjoint(self, sensitivities: np.ndarray) -> np.ndarray:
        """Adjoint of the inversion, (4 K + 1, P) to (69, P)."""
        return (self._inverse.swapaxes(1, 2) @ sensitivities.T[..., None])[..., 0].T

    def solve(self, increments: np.ndarray) -> np.ndarray:
        """As a call, but for one δ, without the matrices that serve several."""
        found = np.empty((len(self._scales), increments.shape[1]))
        for some, part in self._parts():
            matrix, right = part._normal_equations()
            found[:, some] = np.linalg.solve(matrix, right @ increments[:, some].T[..., None]).T[0]
        return found * self._scales[:, None]

    @cached_property
    def _inverse(self) -> np.ndarray:
        """(F'ᵀ S⁻² F' + λ P)⁻¹ F'ᵀ S⁻², (P, 4 K + 1, 69)."""
        inverse = np.empty((self.u.shape[1], len(self._scales), len(channel_scales())))
        for some, part in self._parts():
            inverse[some] = np.linalg.solve(*part._normal_equations())
        return inverse * self._scales[:, None]

    def _normal_equations(self) -> tuple[np.ndarray, np.ndarray]:
        """F'ᵀ S⁻² F' + λ P and F'ᵀ S⁻², of the column's variables in units of their scales."""
        of_channels = channel_scales()
        weighted = self.jacobian * (self._scales / of_channels[:, None])
        transposed = weighted.swapaxes(1, 2)
        return transposed @ weighted + roughness(len(self.columns.sigma)), transposed / of_channels

    @property
    def _scales(self) -> np.ndarray:
        return column_scales(self.columns.sigma)

    def _parts(self) -> Iterator[tuple[slice, ColumnInversion]]:
        """Some columns after the others, whose matrices fit into a processor's cache."""
        c = self.columns
        for begin in range(0, self.u.shape[1], COLUMNS_AT_ONCE):
            some = slice(begin, begin + COLUMNS_AT_ONCE)
            columns = SigmaColumns(
                sigma=c.sigma,
                surface_pressure=c.surface_pressure[some],
                surface_geopotential=c.surface_geopotential[some],
                temperature=c.temperature[:, some],
                specific_humidity=c.specific_humidity[:, some],
            )
            yield some, replace(self, columns=columns, u=self.u[:, some], v=self.v[:, some])

    @cached_property
    def jacobian(self) -> np.ndarray:
        """F', what each variable of the column does to each channel, (P, 69, 4 K + 1).

        The row of t2m is zero.
        """
        levels, points = self.columns.temperature.shape
        pressures = len(STANDARD_LEVELS)
        result = np.zeros((points, 4 + 5 * pressures, 4 * levels + 1))
        t, q, u, v = (slice(n * levels, (n + 1) * levels) for n in range(4))
        z_, q_, u_, v_, t_ = (slice(4 + n * pressures, 4 + (n + 1) * pressures) for n in range(5))
        weights, temperature, geopotential = self._by_level
        columns = self.columns
        result[:, z_, t] = geopotential * (1 + 0.608 * columns.specific_humidity.T[:, None])
        result[:, z_, q] = geopotential * 0.608 * columns.temperature.T[:, None]
        result[:, t_, t] = temperature
        for rows, unknown in ((q_, q), (u_, u), (v_, v)):
            result[:, rows, unknown] = weights
        result[:, 0, u.stop - 1] = result[:, 1, v.stop - 1] = self.near_surface_wind
        by_virtual = self._msl_by_virtual_temperature
        result[:, 3, t.stop - 1] = by_virtual * (1 + 0.608 * columns.specific_humidity[-1])
        result[:, 3, q.stop - 1] = by_virtual * 0.608 * columns.temperature[-1]
        result[:, :, -1] = self._by_surface_pressure.T
        return result

    @cached_property
    def _by_level(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What each level adds to wind or humidity, T and Φ on pressure levels, (P, L, K) each.

        Seen of columns that have 1 on one level and 0 on all others, at sea level.
        """
        levels, points = self.columns.temperature.shape
        unit = np.broadcast_to(np.eye(levels)[..., None], (levels, levels, points))
        columns = SigmaColumns(
            sigma=self.columns.sigma,
            surface_pressure=np.broadcast_to(self.columns.surface_pressure, (levels, points)),
            surface_geopotential=np.zeros((levels, points)),
            temperature=unit,
            specific_humidity=np.zeros_like(unit),
        )
        at = columns.on_pressure(PRESSURES)
        seen = (at.constant_beyond(unit), at.temperature(), at.geopotential())
        weights, temperature, geopotential = (field.transpose(2, 0, 1) for field in seen)
        return weights, temperature, geopotential

    @cached_property
    def _msl_by_virtual_temperature(self) -> np.ndarray:
        """Derivative of the sea-level pressure by T_v of the lowest level, Pa K⁻¹, (P,)."""
        columns = self.columns
        warm = columns.surface_virtual_temperature
        excess = LAPSE_RATE * columns.surface_geopotential / GRAVITY / warm
        sensitivity = -columns.sea_level_pressure() / EXPONENT * excess / (1 + excess) / warm
        return sensitivity * columns.sigma[-1] ** -EXPONENT

    @cached_property
    def _by_surface_pressure(self) -> np.ndarray:
        """Derivative of all channels by ln p_s, by differences, (69, P)."""
        pressure, step = self.columns.surface_pressure, 1e-4
        higher, lower = (
            self._seen(replace(self.columns, surface_pressure=pressure * np.exp(sign * step)))
            for sign in (1, -1)
        )
        return (higher - lower) / (2 * step)

    def _seen(self, columns: SigmaColumns) -> np.ndarray:
        """What channels see of columns with our wind, (69, P); nothing at 10 and 2 m."""
        at = columns.on_pressure(PRESSURES)
        nothing = np.zeros((3, *columns.surface_pressure.shape))
        horizontal = (at.constant_beyond(x) for x in (columns.specific_humidity, self.u, self.v))
        upper = (at.geopotential(), *horizontal, at.temperature())
        return np.concatenate([nothing, columns.sea_level_pressure()[None], *upper])


PRESSURES = 100.0 * np.array(STANDARD_LEVELS)
"""Pa."""


def channel_scales() -> np.ndarray:
    """S of the 69 channels; the physics makes t2m of the lowest levels' T, so it is not used."""
    single = [WIND_SCALE, WIND_SCALE, np.inf, MSL_SCALE]
    each = np.ones(len(PRESSURES))
    z, wind, t = Z_SCALE * each, WIND_SCALE * each, T_SCALE * each
    return np.concatenate([single, z, humidity_scale(PRESSURES / 1e5), wind, wind, t])


def column_scales(sigma: np.ndarray) -> np.ndarray:
    """S of a column's T, q, u and v, and 1 for ln p_s, (4 K + 1,)."""
    each = np.ones(len(sigma))
    wind = WIND_SCALE * each
    return np.concatenate([T_SCALE * each, humidity_scale(sigma), wind, wind, [1.0]])


def humidity_scale(sigma: np.ndarray) -> np.ndarray:
    """S of q at p = σ · 1000 hPa."""
    return Q_SCALE * sigma**3


def roughness(levels: int) -> np.ndarray:
    """λ times the matrix of Σ_k (x_k − x_(k+1))² over all variables, (4 K + 1, 4 K + 1)."""
    difference = np.diff(np.eye(levels), axis=0)
    penalty = np.kron(np.eye(4), difference.T @ difference)
    return SMOOTHNESS * np.pad(penalty, (0, 1))
