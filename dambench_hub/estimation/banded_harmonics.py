"""Spherical harmonics that fade out of bands of latitude, for statistics that differ between them.

    x = Σ_b w_b(φ) Σ_lm c_blm Y_lm,   Σ_b w_b² = 1

Wind is the sum of w_b times the wind of a band's vorticity and divergence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis
from dambench_hub.coordinates.spherical_harmonics import Synthesis


def band_weights(grid: Grid, bands: int) -> np.ndarray:
    """The weights w_b(φ) of bands with evenly spaced centres, from pole to pole, (B, Y).

    A band reaches to the centres of its neighbours, smoothly; of a single one the weight is 1.
    """
    if bands == 1:
        return np.ones((1, grid.latitudes))
    centre = np.linspace(90, -90, bands)[:, None]
    distance = np.abs(grid.latitude - centre) * (bands - 1) / 180
    return np.cos(np.pi / 2 * np.sin(np.pi / 2 * np.minimum(distance, 1)) ** 2)


class BandedSynthesis(Synthesis):
    """`Synthesis` from coefficients (*, 2N + 1, B·(N + 1)): the degrees of one band after another.

    Args:
        grid: Y×X grid with poles.
        largest: N, the largest degree.
        weights: w_b, (B, Y).
        dtype: Of the harmonics.
    """

    def __init__(self, grid: Grid, largest: int, weights: np.ndarray, dtype: DTypeLike) -> None:
        super().__init__(grid, 2 * largest + 1, largest + 1, dtype)
        self._harmonics = _in_bands(self._harmonics, weights)
        self._eastward = _in_bands(self._eastward, weights)
        self._northward = _in_bands(self._northward, weights)
        self._inverse_laplacian = np.tile(self._inverse_laplacian, len(weights))

    def variance(self, spectrum: np.ndarray) -> np.ndarray:
        """Variance at each latitude of a field whose coefficients are independent.

        Args:
            spectrum: Their variances, those of a wavenumber's two phases the same, (*, M, B·L).

        Returns:
            (*, Y).
        """
        return _quadratic(spectrum, self._harmonics, self._harmonics)

    def wind_variance(
        self, vorticity: np.ndarray, divergence: np.ndarray, quadrature: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same for the components of wind, (*, Y) each.

        Args:
            vorticity: Variances, (*, M, B·L).
            divergence: Variances, (*, M, B·L).
            quadrature: Imaginary part of the covariance of c − i s of both, (*, M, B·L).
        """
        order = np.arange(self._eastward.shape[0] + 1)[::2, None] // 2
        zeta, delta, both = (
            self._inverse_laplacian**2 * one for one in (vorticity, divergence, quadrature)
        )
        east, north = self._eastward, self._northward
        mixed = 2 * _quadratic(order * both, east, north)
        u = _quadratic(zeta, north, north) + _quadratic(order**2 * delta, east, east) - mixed
        v = _quadratic(order**2 * zeta, east, east) + _quadratic(delta, north, north) - mixed
        return u, v

    def energy(self, weights: np.ndarray) -> np.ndarray:
        """Adjoint of `variance`: what each coefficient adds to a weighted sum of variances.

        Args:
            weights: Of the variances at each latitude, (*, Y).

        Returns:
            The sum of both phases, (*, M, B·L).
        """
        return _quadratic_adjoint(weights, self._harmonics, self._harmonics)

    def wind_energy(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of vorticity and divergence, (*, M, B·L) each, from weights of the wind's."""
        order = np.arange(self._eastward.shape[0] + 1)[::2, None] // 2
        east, north = (
            [_quadratic_adjoint(component, basis, basis) for component in (u, v)]
            for basis in (self._eastward, self._northward)
        )
        vorticity = north[0] + order**2 * east[1]
        divergence = order**2 * east[0] + north[1]
        return self._inverse_laplacian**2 * vorticity, self._inverse_laplacian**2 * divergence


class BandedAnalysis(HarmonicAnalysis):
    """`HarmonicAnalysis` of w_b x for each band: to coefficients (*, 2N + 1, B·(N + 1)).

    Args:
        grid: Y×X grid with poles.
        largest: N, the largest degree.
        weights: w_b, (B, Y).
        dtype: Of the matrices.
    """

    def __init__(self, grid: Grid, largest: int, weights: np.ndarray, dtype: DTypeLike) -> None:
        super().__init__(grid, largest, dtype)
        self._fit = _in_bands(self._fit.swapaxes(1, 2), weights).swapaxes(1, 2)
        vorticity, divergence = np.split(self._wind_fit.swapaxes(1, 2), 2, axis=-1)
        both = np.tile(weights, 2)
        banded = [_in_bands(one, both) for one in (vorticity, divergence)]
        self._wind_fit = np.concatenate(banded, axis=-1).swapaxes(1, 2)


def _in_bands(basis: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """w_b times a basis (*, Y, L) in the dtype of the basis, (*, Y, B·L)."""
    columns = weights[..., None].astype(basis.dtype)
    return np.concatenate([column * basis for column in columns], axis=-1)


def _quadratic(spectrum: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Σ_mk spectrum_mk one_mk(φ) other_mk(φ) · mean of F_m² + F_−m², (*, Y)."""
    return np.tensordot(spectrum, _mean_product(one, other), ((-2, -1), (0, 2)))


def _quadratic_adjoint(weights: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Σ_φ weights(φ) one_mk(φ) other_mk(φ) · mean of F_m² + F_−m², (*, M, B·L)."""
    return np.tensordot(weights, _mean_product(one, other), (-1, 1))


def _mean_product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Products of two bases, (M, Y, B·L), times the mean of F_m² + F_−m²."""
    product = one[::2].astype(np.float64) * other[::2]  # the two phases share their functions
    product[0] /= 2 * np.pi
    product[1:] /= np.pi
    return product
