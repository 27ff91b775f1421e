"""The channels of a data set as spherical harmonics in bands of latitude."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import largest_degree
from dambench_hub.coordinates.variables import wind_pairs
from dambench_hub.estimation.banded_harmonics import BandedAnalysis, BandedSynthesis, band_weights

BANDS = 5
"""Poles, middle latitudes and tropics. On the validation split of `mini`, 3 and 7 score worse."""

LARGEST_DEGREE = 60
"""Smaller scales are left out, though 121×240 holds degree 80: covariances grow with its square."""


class ChannelHarmonics:
    """State and coefficients: where u and v of a level stand, there are vorticity and divergence.

    Coefficients are c − i s of the harmonics' cosine and sine, complex, (*, C, B, P), for the pairs
    of order m ≥ 0 and degree l ≥ m; the imaginary part is nothing where m = 0. Scalar products are
    those of real numbers, Re Σ z* z'.

    Args:
        channels: Names of the C channels. A component of wind without its partner is a scalar.
        grid: Y×X grid.
        dtype: float32 or float64.

    Attributes:
        order: m, (P,).
        degree: l, (P,).
        winds: Positions of u and v of the same level, (2, W).
    """

    def __init__(
        self, channels: tuple[str, ...], grid: Grid, dtype: DTypeLike = np.float32
    ) -> None:
        self.grid, self.dtype = grid, dtype
        self.largest = min(LARGEST_DEGREE, largest_degree(grid))
        self.weights = band_weights(grid, BANDS)
        self.order, self.degree = np.triu_indices(self.largest + 1)
        self.winds = wind_pairs(channels)
        self.scalars = np.setdiff1d(np.arange(len(channels)), self.winds)
        self._synthesis = BandedSynthesis(grid, self.largest, self.weights, dtype)

    def __call__(self, coefficients: np.ndarray) -> np.ndarray:
        """The state, real, (*, C, Y, X)."""
        phases, (u, v) = self._phases(coefficients), self.winds
        state = np.empty((*coefficients.shape[:-2], *self.grid.shape), self.dtype)
        state[..., self.scalars, :, :] = self._synthesis.scalar(phases[..., self.scalars, :, :])
        state[..., u, :, :], state[..., v, :, :] = self._synthesis.wind(
            phases[..., u, :, :], phases[..., v, :, :]
        )
        return state

    def adjoint(self, state: np.ndarray) -> np.ndarray:
        """Adjoint of the call: coefficients, (*, C, B, P)."""
        u, v = (state[..., component, :, :] for component in self.winds)
        scalars = self._synthesis.scalar_adjoint(state[..., self.scalars, :, :])
        return self._gather(scalars, *self._synthesis.wind_adjoint(u, v))

    def analysis(self, state: np.ndarray) -> np.ndarray:
        """Coefficients of w_b x by least squares in latitude, (*, C, B, P)."""
        u, v = (state[..., component, :, :] for component in self.winds)
        scalars = self._analysis.scalar(state[..., self.scalars, :, :])
        return self._gather(scalars, *self._analysis.wind(u, v))

    def variance(self, roots: np.ndarray) -> np.ndarray:
        """Variance of the states whose coefficients are R z with random z, (C, Y).

        Args:
            roots: R, (B, P, C, K).
        """
        u, v = self.winds
        power = self._by_degree(np.sum(np.abs(roots) ** 2, axis=-1))
        both = self._by_degree(np.sum(roots[:, :, u] * roots[:, :, v].conj(), axis=-1).imag)
        variance = np.empty((len(power), self.grid.latitudes))
        variance[self.scalars] = self._synthesis.variance(power[self.scalars])
        variance[u], variance[v] = self._synthesis.wind_variance(power[u], power[v], both)
        return variance

    def energy(self, weights: np.ndarray) -> np.ndarray:
        """Diagonal of Sᵀ W S for weights W that are the same along each circle of latitude.

        Of a harmonic's two parts, cosine and sine, it is the mean.

        Args:
            weights: Sums of W along the circles, (C, Y).

        Returns:
            (B, P, C).
        """
        u, v = self.winds
        shape = (len(weights), self.largest + 1, len(self.weights) * (self.largest + 1))
        both_parts = np.empty(shape)
        both_parts[self.scalars] = self._synthesis.energy(weights[self.scalars])
        both_parts[u], both_parts[v] = self._synthesis.wind_energy(weights[u], weights[v])
        by_degree = both_parts.reshape(*shape[:2], -1, self.largest + 1)
        parts = np.where(self.order > 0, 2, 1)
        return (by_degree[:, self.order, :, self.degree] / parts[:, None, None]).transpose(2, 0, 1)

    @cached_property
    def _analysis(self) -> BandedAnalysis:
        return BandedAnalysis(self.grid, self.largest, self.weights, self.dtype)

    def _phases(self, coefficients: np.ndarray) -> np.ndarray:
        """Cosines and sines for each order, (*, C, 2N + 1, B·(N + 1))."""
        *leading, bands, _ = coefficients.shape
        shape = (*leading, 2 * self.largest + 1, bands, self.largest + 1)
        phases = np.zeros(shape, self.dtype)
        waves = self.order > 0
        m, l = self.order[waves], self.degree[waves]  # noqa: E741
        # Indices apart from each other put their axis first.
        values = np.moveaxis(coefficients, -1, 0)
        phases[..., 2 * m, :, l] = -values[waves].imag
        phases[..., 2 * m - 1, :, l] = values[waves].real
        phases[..., 0, :, self.degree[~waves]] = values[~waves].real
        return phases.reshape(*leading, 2 * self.largest + 1, -1)

    def _gather(
        self, scalars: np.ndarray, vorticity: np.ndarray, divergence: np.ndarray
    ) -> np.ndarray:
        """Complex coefficients of all channels, (*, C, B, P), from their phases."""
        u, v = self.winds
        channels = len(self.scalars) + 2 * len(u)
        *leading, _, orders, columns = scalars.shape
        phases = np.empty((*leading, channels, orders, columns), self.dtype)
        phases[..., self.scalars, :, :] = scalars
        phases[..., u, :, :], phases[..., v, :, :] = vorticity, divergence
        phases = phases.reshape(*leading, channels, orders, -1, self.largest + 1)
        cosine = phases[..., np.maximum(2 * self.order - 1, 0), :, self.degree]
        sine = phases[..., 2 * self.order, :, self.degree] * (self.order > 0).reshape(
            -1, *[1] * (phases.ndim - 2)
        )
        return np.moveaxis(cosine - 1j * sine, 0, -1)

    def _by_degree(self, values: np.ndarray) -> np.ndarray:
        """From (B, P, C) to (C, N + 1, B·(N + 1)), for each order the bands' degrees."""
        bands, _, channels = values.shape
        result = np.zeros((channels, self.largest + 1, bands, self.largest + 1))
        result[:, self.order, :, self.degree] = values.transpose(1, 2, 0)
        return result.reshape(channels, self.largest + 1, bands * (self.largest + 1))
