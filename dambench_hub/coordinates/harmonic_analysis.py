"""Coefficients of spherical harmonics from fields on a grid with poles: `Synthesis` undone.

Along circles of latitude the sums are exact. In latitude the coefficients of each zonal wavenumber
are a least-squares fit, for quadrature on Y rows is exact for products of degree below Y only:

    c_m = argmin Σ_y w_y (f_m(φ_y) − Σ_l c_lm P_lm(sin φ_y))²,   w_y ∝ cos φ_y

A field without degrees beyond the fit's is thus found to rounding. What others have beyond them is
left out but for a little aliasing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from dambench_hub.coordinates.constants import EARTH_RADIUS
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import (
    POLE_OFFSET,
    for_each_order,
    fourier,
    legendre,
    legendre_gradient,
)
from dambench_hub.errors import GridError


def largest_degree(grid: Grid) -> int:
    """Largest degree that a fit on this grid determines well: 21 on 33×64, 40 on 61×120."""
    return min(2 * (grid.latitudes - 1) // 3, (grid.longitudes - 1) // 2)


class HarmonicAnalysis:
    """From a grid to coefficients with triangular truncation.

    Args:
        grid: Y×X grid with poles.
        largest: N, the largest degree; there are 2N + 1 orders and N + 1 degrees.
        dtype: Of the matrices, and of results for fields that are no more precise.

    Raises:
        GridError: When the grid does not hold this degree.
    """

    def __init__(self, grid: Grid, largest: int, dtype: DTypeLike = np.float64) -> None:
        if not 1 <= largest <= largest_degree(grid):
            raise GridError(
                f"A {grid} grid holds degrees up to {largest_degree(grid)}, asked for {largest}; "
                "ask for a degree from 1 to that, or take a finer grid."
            )
        self.grid, self.largest = grid, largest
        m_max = largest + 1
        order = np.arange(1, 2 * m_max) // 2
        root = np.sqrt(grid.weights)
        self._fit = _fit(legendre(m_max, m_max, np.sin(np.deg2rad(grid.latitude))), root)
        self._fit = self._fit[order].astype(dtype)
        self._wind_fit = _fit(wind_basis(grid, largest), np.tile(root, 2)).astype(dtype)
        self._fourier = (fourier(m_max, grid.longitudes) * 2 * np.pi / grid.longitudes).astype(
            dtype
        )

    def scalar_fits(self) -> list[np.ndarray]:
        """For each zonal wavenumber m, from values along a meridian to degrees m … N, (N+1−m, Y).

        A matrix serves cosines and sines, so it may be applied to complex coefficients f̂_m, such
        as `numpy.fft.rfft` gives. For powers in the units of `scalar`, see `power_scale`.
        """
        return [self._fit[max(2 * m - 1, 0), m:] for m in range(self.largest + 1)]

    def wind_fits(self) -> list[np.ndarray]:
        """The same for a wind, from (û, i v̂) to (ζ̂, i D̂) of degrees m … N, (2 (N+1−m), 2Y)."""
        L = self.largest + 1
        fits = [self._wind_fit[max(2 * m - 1, 0)] for m in range(L)]
        return [np.concatenate([fit[m:L], fit[L + m :]]) for m, fit in enumerate(fits)]

    def power_scale(self) -> np.ndarray:
        """Power of `scalar`'s coefficients over that of fits of `rfft`'s, (N + 1,)."""
        scale = np.full(self.largest + 1, (2 * np.pi / self.grid.longitudes) ** 2 / np.pi)
        scale[0] /= 2
        return scale

    def scalar(self, field: np.ndarray) -> np.ndarray:
        """c_lm of a field, (*, Y, X) to (*, 2N + 1, N + 1); zero where l < m."""
        return for_each_order(self._fit, self._along_circles(field))

    def wind(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vorticity and divergence of a wind.

        Both are fitted together to both components, as `Synthesis.wind` makes them.

        Args:
            u: Eastward, m s⁻¹, (*, Y, X).
            v: Northward, m s⁻¹, (*, Y, X).

        Returns:
            Coefficients, s⁻¹, (*, 2N + 1, N + 1) each; the mean over the sphere is zero.
        """
        partner = partners(self.largest)
        circles = [self._along_circles(u), self._along_circles(v)[..., partner]]
        both = for_each_order(self._wind_fit, np.concatenate(circles, axis=-2))
        vorticity, divergence = np.split(both, 2, axis=-1)
        return vorticity, divergence[..., partner, :]

    def scalar_adjoint(self, coefficients: np.ndarray) -> np.ndarray:
        """Adjoint of `scalar`, (*, 2N + 1, N + 1) to (*, Y, X)."""
        return self._from_orders(self._fit, coefficients) @ self._fourier

    def wind_adjoint(
        self, vorticity: np.ndarray, divergence: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Adjoint of `wind`, (*, 2N + 1, N + 1) each to (*, Y, X) each."""
        partner = partners(self.largest)
        both = np.concatenate([vorticity, divergence[..., partner, :]], axis=-1)
        u, v = np.split(self._from_orders(self._wind_fit, both), 2, axis=-2)
        return u @ self._fourier, v[..., partner] @ self._fourier

    @staticmethod
    def _from_orders(matrices: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Adjoint of `for_each_order`, (*, orders, L) to (*, Y, orders)."""
        return np.einsum("oly,...ol->...yo", matrices, coefficients, optimize=True)

    def _along_circles(self, field: np.ndarray) -> np.ndarray:
        """Coefficients of F_m at each latitude, (*, Y, 2N + 1)."""
        return field @ self._fourier.T


def wind_basis(grid: Grid, largest: int) -> np.ndarray:
    """For each order, wind along a meridian from vorticity and divergence, (2N + 1, 2Y, 2N + 2).

    ∂/∂λ turns cosines into sines, so vorticity and u of one order go with divergence and v of its
    partner, the same wavenumber's other phase:

        u_m  =  a / l(l+1) · (ζ_m P′ − m D_−m P / cos φ)
        v_−m = −a / l(l+1) · (D_−m P′ − m ζ_m P / cos φ),   m negative for sines
    """
    m_max = largest + 1
    order = np.arange(1, 2 * m_max) // 2
    latitude = np.clip(grid.latitude, POLE_OFFSET - 90, 90 - POLE_OFFSET)
    along, northward = legendre_gradient(m_max, m_max, np.deg2rad(latitude))
    degree = np.arange(m_max)
    inverse_laplacian = -EARTH_RADIUS / np.maximum(degree * (degree + 1), 1) * (degree > 0)
    signed = np.where(np.arange(len(order)) % 2 == 1, 1, -1) * order
    eastward = signed[:, None, None] * along[order] * inverse_laplacian
    northward = northward[order] * inverse_laplacian
    return np.block([[-northward, eastward], [-eastward, northward]])


def partners(largest: int) -> np.ndarray:
    """Index of each order's partner, its wavenumber's other phase, (2N + 1,); 0 is its own."""
    index = np.arange(2 * largest + 1)
    return np.where(index % 2 == 1, index + 1, np.maximum(index - 1, 0))


def _fit(basis: np.ndarray, root_weight: np.ndarray) -> np.ndarray:
    """Matrices of weighted least squares, (*, Y, L) to (*, L, Y); unused columns get zeros."""
    return np.linalg.pinv(root_weight[:, None] * basis, rcond=1e-10) * root_weight
