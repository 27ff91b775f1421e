"""The root of a localisation as a filter of spherical harmonics: C½ with C½ C½ᵀ = ρ.

    ρ(γ) = Σ_l ρ_l (2l + 1) / 4π · P_l(cos γ),   C½ = Σ_lm √ρ_l Y_lm

by the addition theorem. It is the same everywhere and in all directions, as ρ is. A taper in the
distance through the Earth is positive definite: no ρ_l is negative, but by rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis, legendre
from dambench_hub.estimation.localisation import HALF_WIDTH, gaspari_cohn

TRUNCATED = 1e-3
"""Of ρ(0) = 1, what small scales may have and are left out; the others are scaled to be 1."""

ANGLES = 10_000
"""At which ρ is seen for its spectrum."""


@dataclass(frozen=True, eq=False)
class SpectralTaper:
    """C½, as the module says, for ρ = `chord_taper`.

    Attributes:
        grid: Y×X grid with poles.
        length_km: L; ρ has the half-width 1.82 L. np.inf: it is 1 everywhere.
        dtype: float32 or float64.
    """

    grid: Grid
    length_km: float
    dtype: DTypeLike = np.float32

    @cached_property
    def spectrum(self) -> np.ndarray:
        """ρ_l of the degrees that are kept, (T,)."""
        angle = (np.arange(ANGLES) + 0.5) * np.pi / ANGLES
        chord = 2 * EARTH_RADIUS_KM * np.sin(angle / 2)
        taper = gaspari_cohn(chord, HALF_WIDTH * self.length_km) * np.sin(angle) * np.pi / ANGLES
        degree = np.arange(2 * self.grid.latitudes)
        unit = legendre(1, len(degree), np.cos(angle))[0]  # √((2l + 1) / 2) P_l
        variance = np.maximum(np.sqrt((2 * degree + 1) / 2) * (taper @ unit), 0)
        variance /= variance.sum()
        kept = 1 + np.searchsorted(np.cumsum(variance), 1 - TRUNCATED)
        variance = variance[:kept] / variance[:kept].sum()
        return 4 * np.pi * variance / (2 * degree[:kept] + 1)

    @property
    def control_shape(self) -> tuple[int, int]:
        """Orders and degrees, (2T − 1, T); those of degrees below the order count for nothing."""
        degrees = len(self.spectrum)
        return 2 * degrees - 1, degrees

    def __call__(self, control: np.ndarray) -> np.ndarray:
        """C½ α, (*, 2T − 1, T) to (*, Y, X)."""
        return self._synthesis.scalar(self._root * control)

    def adjoint(self, field: np.ndarray) -> np.ndarray:
        """Its adjoint, (*, Y, X) to (*, 2T − 1, T)."""
        return self._root * self._synthesis.scalar_adjoint(field)

    @cached_property
    def _root(self) -> np.ndarray:
        return np.sqrt(self.spectrum).astype(self.dtype)

    @cached_property
    def _synthesis(self) -> Synthesis:
        return Synthesis(self.grid, *self.control_shape, self.dtype)
