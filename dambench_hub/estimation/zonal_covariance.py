"""A balanced B, homogeneous along circles of latitude: sample covariances, turned and localised.

    B = ρ ∘ ⟨ e_n(y, x + s) e_n(y', x' + s) ⟩ over training errors n and shifts s in longitude

Errors in units of their scale are seen in vertical *modes*, cross-variable empirical orthogonal
functions E. The shifts give each error X times; ρ is the Gaspari–Cohn taper of the distance through
the Earth, as some hundred samples know nothing of distant places. Nothing else is assumed: mass and
wind are as balanced as the errors were, and errors may be larger at high latitudes.

Memory grows with (modes · Y)² · X: 0.45 GB at 33×64, 22 GB at 121×240, where the covariance of
`spectral_covariance` takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.column_observations import column_solver, row_solver
from dambench_hub.estimation.iterative_gain import (
    ObservedPoints,
    diagonal_preconditioner,
    gain_by_iteration,
    observed_profile,
)
from dambench_hub.estimation.localisation import require_resolved, zonal_taper
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.estimation.observed_columns import TableOperator
from dambench_hub.estimation.operators import Gain

MODES = 40
"""Vertical modes kept. On the `mini` data they hold 99.96 % of the variance; 60 score the same."""

WaveProduct = Callable[[np.ndarray], np.ndarray]
"""From Fourier coefficients along longitude to others, complex, (X // 2 + 1, Y·K, S)."""

HALF_WIDTH_KM = 8000.0
"""Of the taper, chosen on the validation split of `mini` from 3000 to 8000; 0 at twice this."""


@dataclass(frozen=True, eq=False)
class ZonalCovariance:
    """B, as the module says.

    Attributes:
        grid: Y×X grid.
        scale: Units of the errors, positive, (C,).
        modes: E as columns, orthonormal, (C, K).
        errors: N training errors in modes, without bias, float32, (N, K, Y, X).
        half_width_km: Of the taper ρ.

    Raises:
        DataError: When shapes do not belong together, or ρ is narrower than the grid.
    """

    grid: Grid
    scale: np.ndarray
    modes: np.ndarray
    errors: np.ndarray
    half_width_km: float = HALF_WIDTH_KM

    def __post_init__(self) -> None:
        channels, count = self.modes.shape
        if len(self.scale) != channels or self.errors.shape[1:] != (count, *self.grid.shape):
            raise DataError(
                f"A covariance of {channels} channels in {count} modes on {self.grid} needs scales "
                f"({channels},) and errors (N, {count}, Y, X), "
                f"got {self.scale.shape} and {self.errors.shape}."
            )
        require_resolved(self.half_width_km, np.pi * EARTH_RADIUS_KM / (self.grid.latitudes - 1))

    @property
    def size(self) -> int:
        """Number of the modes' amplitudes, K·Y·X."""
        return self.modes.shape[1] * self.grid.size

    @cached_property
    def taper(self) -> np.ndarray:
        """ρ between (y, δ) and (y', 0), (Y, Y', X)."""
        return zonal_taper(self.grid, self.half_width_km)

    @cached_property
    def covariances(self) -> np.ndarray:
        """⟨a_k(y, x + δ) a_l(y', x)⟩ of the modes' amplitudes a, float32, (Y, Y', X, K, K)."""
        count, modes, rows, columns = self.errors.shape
        # Products summed over all shifts are products of Fourier coefficients.
        waves = np.fft.rfft(self.errors).astype(np.complex64).transpose(3, 2, 1, 0)
        waves /= np.float32(np.sqrt(count * columns))
        others = waves.reshape(len(waves), rows * modes, count).conj().transpose(0, 2, 1)
        result = np.empty((rows, rows, columns, modes, modes), np.float32)
        for y, taper in enumerate(self.taper.astype(np.float32)):
            by_wave = (waves[:, y] @ others).reshape(-1, modes, rows, modes)
            lagged = np.fft.irfft(by_wave, n=columns, axis=0).transpose(2, 0, 1, 3)
            np.multiply(lagged, taper[..., None, None], out=result[y])
        return result

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of the background error, by latitude, (C, Y)."""
        rows = np.arange(self.grid.latitudes)
        variances = self.covariances[rows, rows, 0]
        return self.scale[:, None] * np.sqrt(
            np.einsum("ck,ykl,cl->cy", self.modes, variances, self.modes)
        )

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """B x on the whole grid, (*, C, Y, X)."""
        amplitudes = self.amplitudes(state.reshape(-1, len(self.scale), *self.grid.shape))
        spread = self.by_waves(lambda waves: self.spectral_covariances @ waves, amplitudes)
        return self.physical(spread).reshape(state.shape)

    def by_waves(self, multiply: WaveProduct, amplitudes: np.ndarray) -> np.ndarray:
        """F⁻¹ A F a, with a matrix for each zonal wavenumber, on amplitudes (S, K, Y, X).

        Args:
            multiply: A, on Fourier coefficients along longitude, complex, (X // 2 + 1, Y·K, S).
            amplitudes: a.
        """
        waves = np.fft.rfft(amplitudes).transpose(3, 2, 1, 0)
        result = multiply(waves.reshape(len(waves), -1, len(amplitudes)))
        waves = result.reshape(waves.shape).transpose(3, 2, 1, 0)
        return np.fft.irfft(waves, n=self.grid.longitudes)

    @cached_property
    def spectral_covariances(self) -> np.ndarray:
        """Fourier transform of the covariances along δ, complex64, (X // 2 + 1, Y·K, Y·K)."""
        rows, _, columns, modes, _ = self.covariances.shape
        result = np.empty((columns // 2 + 1, rows, modes, rows, modes), np.complex64)
        for y, lagged in enumerate(self.covariances):
            result[:, y] = np.fft.rfft(lagged, axis=1).transpose(1, 2, 0, 3)
        return result.reshape(len(result), rows * modes, -1)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Errors with mean 0 and covariance B, float32, (S, C, Y, X).

        Each is Σ_n g_n ∘ e_n / √N with the training errors turned by random shifts, and random
        fields g_n ~ N(0, ρ): given the shifts it is Gaussian.
        """
        count, modes, *_ = self.errors.shape
        roots = hermitian_roots(np.fft.rfft(self.taper).real.transpose(2, 0, 1))  # (m, Y, Y)
        result = np.zeros((size, modes, *self.grid.shape), np.float32)
        for one in result:
            noise = np.fft.rfft(rng.standard_normal((count, *self.grid.shape)))
            waves = np.einsum("myz,nzm->nym", roots, noise)
            weights = np.fft.irfft(waves, n=self.grid.longitudes).astype(np.float32)
            for error, weight in zip(self.errors, weights, strict=True):
                shift = int(rng.integers(self.grid.longitudes))
                one += weight * np.roll(error, shift, axis=-1)
        return self.physical(result / np.float32(np.sqrt(count)))

    def gain(
        self, index: np.ndarray, error_std: np.ndarray, seen: np.ndarray | None = None
    ) -> Gain:
        """K = B Hᵀ (H B Hᵀ + R)⁻¹ for observations at grid points, factorised once for all uses.

        Args:
            index: Observed points, row-major: (P,), shared by all channels, or (C, P).
            error_std: Observation-error standard deviation, (C,); raised to 1 % of the scale where
                it is smaller.
            seen: Which channels are seen at which points, boolean, (C, P); None for all.
        """
        error_std = floored(error_std, self.scale)
        if index.ndim == 2:
            H = ObservedPoints(self.grid, index, seen)
            variance = observed_profile(H, self.std, self.grid) ** 2
            precondition = diagonal_preconditioner(variance, error_std)
            return gain_by_iteration(self, H, error_std, precondition)
        modes = self.scale[:, None] * self.modes
        solve = column_solver(self.at_points(index), modes, error_std, seen)
        return lambda innovation: self.increments(solve(innovation), index)

    def gain_through(self, H: TableOperator, error_std: np.ndarray) -> Gain:
        """K for a table of observations, factorised once for all uses.

        Args:
            H: From states, (S, C, Y, X), to the rows of the table, (S, R, 1).
            error_std: Observation-error standard deviation, (R,); raised to 1 % of the scale where
                it is smaller.
        """
        columns, modes = H.columns, self.scale[:, None] * self.modes
        error_std = floored(error_std, columns.levels @ self.scale)
        solve = row_solver(columns.covariance(self.between), columns, modes, error_std)

        def gain(innovation: np.ndarray) -> np.ndarray:
            points, weights = columns.at_grid_points(solve(innovation[..., 0]))
            return self.increments(weights, points)

        return gain

    def at_points(self, index: np.ndarray) -> np.ndarray:
        """H B Hᵀ of the modes' amplitudes at grid points (P,), float32, (P, P, K, K)."""
        return self.between(index, index)

    def between(self, index: np.ndarray, other: np.ndarray) -> np.ndarray:
        """B of the modes' amplitudes between grid points (P,) and (Q,), float32, (P, Q, K, K)."""
        (y, x), (v, u) = (np.divmod(at, self.grid.longitudes) for at in (index, other))
        return self.covariances[y[:, None], v, (x[:, None] - u) % self.grid.longitudes]

    def increments(self, weights: np.ndarray, index: np.ndarray) -> np.ndarray:
        """B Hᵀ w, (S, C, Y, X), from weights w of the amplitudes at points, (P, K, S)."""
        rows, columns = self.grid.shape
        result = np.zeros((rows, columns, *weights.shape[1:]), np.float32)
        places = zip(*np.divmod(index, columns), strict=True)
        for (y, x), weight in zip(places, weights.astype(np.float32), strict=True):
            result += np.roll(self.covariances[:, y] @ weight, x, axis=1)
        return self.physical(result.transpose(3, 2, 0, 1))

    def amplitudes(self, state: np.ndarray) -> np.ndarray:
        """Eᵀ D x, from (S, C, Y, X) to (S, K, Y, X): the adjoint of `physical`."""
        size, channels, *grid = state.shape
        flat = self.modes.T @ (self.scale[:, None] * state.reshape(size, channels, -1))
        return flat.reshape(size, -1, *grid)

    def physical(self, amplitudes: np.ndarray) -> np.ndarray:
        """D E a, from (S, K, Y, X) to (S, C, Y, X)."""
        size, modes, *grid = amplitudes.shape
        flat = self.scale[:, None] * (self.modes @ amplitudes.reshape(size, modes, -1))
        return flat.reshape(size, -1, *grid)


def fit_zonal_covariance(
    errors: np.ndarray, grid: Grid, half_width_km: float = HALF_WIDTH_KM
) -> ZonalCovariance:
    """B from training errors: scale, modes, and the errors seen in them.

    Args:
        errors: Background errors without bias, float32, (N, C, Y, X).
        grid: Y×X grid.
        half_width_km: Of the taper.

    Raises:
        DataError: When there are fewer than two errors.
    """
    if len(errors) < 2:
        raise DataError(f"A covariance needs at least two training errors, got {len(errors)}.")
    std = np.sqrt(
        np.mean([np.mean(one.astype(np.float64) ** 2, axis=(1, 2)) for one in errors], axis=0)
    )
    scale = np.where(std > 0, std, 1.0)  # a channel without errors keeps variance 0 on any scale
    errors = errors / scale[:, None, None].astype(np.float32)
    by_area = errors * np.sqrt(grid.weights)[:, None].astype(np.float32)
    flat = by_area.transpose(1, 0, 2, 3).reshape(len(scale), -1)
    vectors = np.linalg.eigh(flat.astype(np.float64) @ flat.T)[1]
    modes = np.ascontiguousarray(vectors[:, ::-1][:, :MODES])
    amplitudes = np.tensordot(errors, modes.astype(np.float32), (1, 0)).transpose(0, 3, 1, 2)
    return ZonalCovariance(grid, scale, modes, np.ascontiguousarray(amplitudes), half_width_km)


def required_bytes(channels: int, grid: Grid) -> int:
    """Memory of the covariances between all latitudes, modes and lags."""
    return 4 * (min(channels, MODES) * grid.latitudes) ** 2 * grid.longitudes


def hermitian_roots(matrices: np.ndarray) -> np.ndarray:
    """L with L Lᴴ = A, of a stack of Hermitian positive semi-definite matrices, (*, N, N)."""
    values, vectors = np.linalg.eigh(matrices)
    return vectors * np.sqrt(np.maximum(values, 0))[..., None, :]
