"""Geostrophic wind: the wind whose Coriolis force balances the slope of geopotential."""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS, ROTATION_RATE
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis, largest_degree, wind_basis
from dambench_hub.coordinates.spherical_harmonics import Synthesis


class GeostrophicWind:
    """Wind from geopotential on levels of pressure, V_g = k × ∇Φ / f with f = 2Ω sin φ.

    The slope is that of spherical harmonics, so it is exact for fields without scales beyond the
    largest degree that the grid holds; smaller ones have none.

    Args:
        grid: Y×X grid with poles.
    """

    def __init__(self, grid: Grid) -> None:
        N = largest_degree(grid)
        degree = np.arange(N + 1)
        self._laplacian = -degree * (degree + 1) / EARTH_RADIUS**2
        self._analysis = HarmonicAnalysis(grid, N)
        self._synthesis = Synthesis(grid, 2 * N + 1, N + 1, np.float64)
        sine = np.sin(np.deg2rad(grid.latitude))
        self._f = np.where(grid.latitude == 0, np.nan, 2 * ROTATION_RATE * sine)[:, None]

    def matrices(self, rows: np.ndarray) -> list[np.ndarray]:
        """For each zonal wavenumber, the wind as a matrix, (2R, Y).

        Args:
            rows: Where the wind is wanted, boolean, (Y,), R of them; not the equator.

        Returns:
            From Φ̂_m at all rows to (û_m, i v̂_m) at the given ones, for complex coefficients as
            `numpy.fft.rfft` gives them.
        """
        N, twice = self._analysis.largest, np.tile(rows, 2)
        basis = wind_basis(self._analysis.grid, N)[:, twice, : N + 1]
        f = np.tile(self._f[rows], (2, 1))
        return [
            (basis[max(2 * m - 1, 0), :, m:] * self._laplacian[m:]) @ fit / f
            for m, fit in enumerate(self._analysis.scalar_fits())
        ]

    def __call__(self, geopotential: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eastward and northward wind.

        Args:
            geopotential: Φ, m² s⁻², (*, Y, X).

        Returns:
            m s⁻¹, float64, (*, Y, X) each; NaN at the equator, and near it far from any wind.
        """
        curl = self._laplacian * self._analysis.scalar(geopotential)
        u, v = self._synthesis.wind(curl, np.zeros_like(curl))
        return u / self._f, v / self._f
