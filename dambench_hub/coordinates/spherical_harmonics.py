"""Spherical harmonics at the points of a grid with poles.

Spectral models hold their fields as coefficients of real harmonics of unit norm on the sphere,

    Y_lm(λ, φ) = P_lm(sin φ) · F_m(λ),   F_0 = 1/√2π,  F_m = cos(mλ)/√π,  F_−m = sin(mλ)/√π,

with Condon-Shortley phase. Coefficients are (*, 2M − 1, L): orders 0, 1, −1, 2, −2 … and degrees 0
to L − 1. The sum is exact at any point, so a model's field needs no interpolation to our grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from dambench_hub.coordinates.constants import EARTH_RADIUS
from dambench_hub.coordinates.grids import Grid

POLE_OFFSET = 0.1
"""Degrees from the pole at which wind is evaluated: at the pole it has no value, only limits."""


class Synthesis:
    """From coefficients to a grid; `HarmonicAnalysis` is the way back.

    The adjoints are those of the plain scalar products, with no area weights.

    Args:
        grid: Y×X grid with poles.
        orders: 2M − 1, the length of the coefficients' axis of orders.
        degrees: L.
        dtype: Of the harmonics.
    """

    def __init__(
        self, grid: Grid, orders: int, degrees: int, dtype: DTypeLike = np.float32
    ) -> None:
        m_max, order = (orders + 1) // 2, np.arange(1, orders + 1) // 2
        nearly = np.clip(grid.latitude, POLE_OFFSET - 90, 90 - POLE_OFFSET)
        harmonics = legendre(m_max, degrees, np.sin(np.deg2rad(grid.latitude)))
        eastward, northward = legendre_gradient(m_max, degrees, np.deg2rad(nearly))
        self._harmonics = harmonics[order].astype(dtype)
        self._eastward = eastward[order].astype(dtype)
        self._northward = northward[order].astype(dtype)
        self._fourier = fourier(m_max, grid.longitudes).astype(dtype)
        degree = np.arange(degrees)
        self._inverse_laplacian = -EARTH_RADIUS / np.maximum(degree * (degree + 1), 1)

    def scalar(self, coefficients: np.ndarray) -> np.ndarray:
        """The field Σ c_lm Y_lm, (*, Y, X); one value at each pole."""
        return self._to_circles(self._along(self._harmonics, coefficients))

    def wind(self, vorticity: np.ndarray, divergence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Wind k × ∇ψ + ∇χ with ∇²ψ the vorticity and ∇²χ the divergence, s⁻¹.

        Returns:
            Eastward and northward wind, m s⁻¹, (*, Y, X). In the row of a pole they are the
            components along each meridian's parallel and meridian, as in ERA5.
        """
        psi, chi = (
            (self._inverse_laplacian * field).astype(self._harmonics.dtype)
            for field in (vorticity, divergence)
        )
        east, north = self._eastward, self._northward
        u = self._along(east, along_parallels(chi)) - self._along(north, psi)
        v = self._along(east, along_parallels(psi)) + self._along(north, chi)
        return self._to_circles(u), self._to_circles(v)

    def scalar_adjoint(self, field: np.ndarray) -> np.ndarray:
        """Adjoint of `scalar`, (*, Y, X) to (*, 2M − 1, L)."""
        return self._against(self._harmonics, self._from_circles(field))

    def wind_adjoint(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adjoint of `wind`, (*, Y, X) each to (*, 2M − 1, L) each."""
        east, north = self._eastward, self._northward
        u, v = self._from_circles(u), self._from_circles(v)
        # ∂/∂λ is antisymmetric.
        psi = -along_parallels(self._against(east, v)) - self._against(north, u)
        chi = -along_parallels(self._against(east, u)) + self._against(north, v)
        return self._inverse_laplacian * psi, self._inverse_laplacian * chi

    def _along(self, basis: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Sum over degrees at each latitude, (*, Y, orders)."""
        *leading, orders, degrees = coefficients.shape
        spectral = coefficients.reshape(-1, orders, degrees).transpose(1, 2, 0)
        return (basis @ spectral).transpose(2, 1, 0).reshape(*leading, basis.shape[1], orders)

    def _to_circles(self, along_meridian: np.ndarray) -> np.ndarray:
        """Sum over orders at each longitude, (*, Y, X)."""
        return along_meridian @ self._fourier

    def _against(self, basis: np.ndarray, circles: np.ndarray) -> np.ndarray:
        """Adjoint of `_along`, (*, Y, orders) to (*, orders, L)."""
        return for_each_order(basis.swapaxes(-1, -2), circles)

    def _from_circles(self, field: np.ndarray) -> np.ndarray:
        """Adjoint of `_to_circles`, (*, Y, orders)."""
        return field @ self._fourier.T


def kept_coefficients(orders: int, degrees: int) -> np.ndarray:
    """Positions of the coefficients with l ≥ m among all (2M − 1) L; the others are zero always."""
    order = np.arange(1, orders + 1) // 2
    return np.flatnonzero(np.arange(degrees) >= order[:, None])


def for_each_order(matrices: np.ndarray, circles: np.ndarray) -> np.ndarray:
    """Apply matrices (orders, L, Y) to values along meridians (*, Y, orders): (*, orders, L)."""
    *leading, rows, orders = circles.shape
    by_order = circles.reshape(-1, rows, orders).transpose(2, 1, 0)
    degrees = matrices.shape[1]
    return (matrices @ by_order).transpose(2, 0, 1).reshape(*leading, orders, degrees)


def along_parallels(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients of ∂/∂λ: the derivative of F_m is −m F_−m, that of F_−m is m F_m."""
    index = np.arange(coefficients.shape[-2])
    # F_m stands at 2m − 1 and F_−m at 2m.
    partner = np.where(index % 2 == 1, index + 1, np.maximum(index - 1, 0))
    order = np.where(index % 2 == 1, 1, -1) * ((index + 1) // 2)
    return coefficients[..., partner, :] * order[:, None].astype(coefficients.dtype)


def legendre_gradient(
    orders: int, degrees: int, latitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """P_lm / cos φ and dP_lm / dφ, (M, Y, L) each, away from the poles.

    cos φ dP_lm/dφ = (l + 1) ε_l P_(l−1)m − l ε_(l+1) P_(l+1)m,   ε_l² = (l² − m²) / (4 l² − 1)
    """
    p = legendre(orders, degrees + 1, np.sin(latitude)) / np.cos(latitude)[:, None]
    degree, order = np.arange(degrees + 1.0), np.arange(orders)[:, None, None]
    epsilon = np.sqrt(np.maximum(degree**2 - order**2, 0) / (4 * degree**2 - 1))
    northward = -degree[:-1] * epsilon[..., 1:] * p[..., 1:]
    northward[..., 1:] += (degree[1:-1] + 1) * epsilon[..., 1:-1] * p[..., :-2]
    return p[..., :-1], northward


def legendre(orders: int, degrees: int, sine: np.ndarray) -> np.ndarray:
    """Associated Legendre functions P_lm of unit norm on [−1, 1], (M, Y, L); zero where l < m.

    Args:
        orders: M.
        degrees: L.
        sine: sin φ, (Y,).
    """
    p = np.zeros((orders, len(sine), degrees))
    cosine = np.sqrt(np.maximum(1 - sine**2, 0))
    diagonal = np.full(len(sine), np.sqrt(0.5))
    for m in range(min(orders, degrees)):
        if m:
            diagonal = -np.sqrt(1 + 0.5 / m) * cosine * diagonal
        p[m, :, m] = diagonal
        for n in range(m + 1, degrees):
            a = np.sqrt((4 * n**2 - 1) / (n**2 - m**2))
            b = np.sqrt(((n - 1) ** 2 - m**2) / (4 * (n - 1) ** 2 - 1))
            older = p[m, :, n - 2] if n - 2 >= m else 0.0
            p[m, :, n] = a * (sine * p[m, :, n - 1] - b * older)
    return p


def fourier(orders: int, longitudes: int) -> np.ndarray:
    """F_0, F_1, F_−1, F_2 … at evenly spaced longitudes from 0, (2M − 1, X)."""
    longitude = 2 * np.pi * np.arange(longitudes) / longitudes
    rows = [np.full(longitudes, np.sqrt(0.5))]
    for m in range(1, orders):
        rows += [np.cos(m * longitude), np.sin(m * longitude)]
    return np.stack(rows) / np.sqrt(np.pi)
