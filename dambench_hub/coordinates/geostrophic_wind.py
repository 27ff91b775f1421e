"""Geostrophic wind: the wind whose Coriolis force balances the slope of geopotential."""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS, ROTATION_RATE
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis, largest_degree
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
