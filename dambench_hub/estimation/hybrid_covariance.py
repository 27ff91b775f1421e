"""A hybrid covariance: part climatological, part that of an ensemble, as in En3DVar.

    P = β_c B + β_e ρ ∘ A Aᵀ / (N − 1)

B knows the errors of all days, the anomalies A those of this day, as far as N members can; the
taper ρ keeps distant points apart, whose sample correlations are noise. It acts in the horizontal
only: channels and levels keep the balance that members have. Gains are solved in the space of the
observations; `hybrid_root` solves them in that of controls, for large grids.

References:
    Hamill and Snyder (2000), Mon. Wea. Rev. 128, 2905-2919; Lorenc (2003), Q. J. R. Meteorol. Soc.
    129, 3183-3203.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.errors import DataError
from dambench_hub.estimation.column_observations import column_solver, row_solver
from dambench_hub.estimation.ensemble_transform import require_ensemble
from dambench_hub.estimation.iterative_gain import (
    ObservedPoints,
    diagonal_preconditioner,
    gain_by_iteration,
    observed_profile,
)
from dambench_hub.estimation.localisation import (
    HALF_WIDTH,
    chord_taper,
    require_resolved,
    zonal_taper,
)
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.estimation.observed_columns import TableOperator
from dambench_hub.estimation.operators import Gain
from dambench_hub.estimation.spectral_covariance import SpectralCovariance
from dambench_hub.estimation.zonal_covariance import ZonalCovariance

TOLERANCE = 1e-6
"""At which conjugate gradients end."""


@dataclass(frozen=True, eq=False)
class HybridCovariance:
    """P, as the module says.

    Attributes:
        climatological: B.
        anomalies: A, members less their mean, units of the channels, (N, C, Y, X).
        localisation_km: L; ρ has the half-width 1.82 L. np.inf: it is 1 everywhere.
        climatological_weight: β_c ≥ 0.
        ensemble_weight: β_e ≥ 0.

    Raises:
        DataError: When there is one member only, members are on another grid than B, a weight is
            negative, or the localisation is shorter than the grid spacing.
    """

    climatological: ZonalCovariance
    anomalies: np.ndarray
    localisation_km: float
    climatological_weight: float
    ensemble_weight: float

    def __post_init__(self) -> None:
        weights = self.climatological_weight, self.ensemble_weight
        require_parts(self.climatological, self.anomalies, self.localisation_km, weights)

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """P x on the whole grid, (S, C, Y, X)."""
        flat = state.reshape(*state.shape[:2], -1).transpose(2, 1, 0)  # (Y·X, C, S)
        by_member = (self._by_point @ flat).reshape(*state.shape[2:], -1)
        localised = self._localised(by_member).reshape(len(flat), -1, len(state))
        from_ensemble = self._by_point.mT @ localised
        increments = self.climatological_weight * self.climatological(state)
        return increments + from_ensemble.transpose(2, 1, 0).reshape(state.shape)

    def gain(
        self, index: np.ndarray, error_std: np.ndarray, seen: np.ndarray | None = None
    ) -> Gain:
        """K = P Hᵀ (H P Hᵀ + R)⁻¹ for observations at grid points.

        Where channels share their points it is factorised, once for all uses. Observations then see
        the anomalies in the modes of B; what is not in these counts for nothing.

        Args:
            index: Observed points, row-major: (P,), shared by all channels, or (C, P).
            error_std: Observation-error standard deviation, (C,); raised to 1 % of B's scale where
                it is smaller.
            seen: Which channels are seen at which points, boolean, (C, P); None for all.
        """
        B = self.climatological
        error_std = floored(error_std, B.scale)
        if index.ndim == 1:
            return self._factorised(index, error_std, seen)
        H, count = ObservedPoints(B.grid, index, seen), len(self.anomalies)
        own = self.ensemble_weight / (count - 1) * np.square(H(self.anomalies)).sum(axis=0)
        variance = own + self.climatological_weight * observed_profile(H, B.std, B.grid) ** 2
        precondition = diagonal_preconditioner(variance, error_std)
        return gain_by_iteration(self, H, error_std, precondition, TOLERANCE)

    def gain_through(self, H: TableOperator, error_std: np.ndarray) -> Gain:
        """K for a table of observations, factorised; its rows see the anomalies in modes, too.

        Args:
            H: From states, (S, C, Y, X), to the rows of the table, (S, R, 1).
            error_std: Observation-error standard deviation, (R,); raised to 1 % of B's scale where
                it is smaller.
        """
        B, columns = self.climatological, H.columns
        error_std = floored(error_std, columns.levels @ B.scale)
        modes = B.scale[:, None] * B.modes
        solve = row_solver(columns.covariance(self.between), columns, modes, error_std)
        increments = self._increments_from(np.unique(columns.points))
        return lambda d: increments(columns.at_grid_points(solve(d[..., 0]))[1])

    def _factorised(
        self, index: np.ndarray, error_std: np.ndarray, told: np.ndarray | None
    ) -> Gain:
        """K where the channels share their points, `told` what is seen there."""
        B, increments = self.climatological, self._increments_from(index)
        solve = column_solver(self.at_points(index), B.scale[:, None] * B.modes, error_std, told)
        return lambda innovation: increments(solve(innovation))

    def _increments_from(self, index: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """P Hᵀ w from weights of the amplitudes at grid points (P,), (P, K, S)."""
        seen, taper = self.seen_in_modes(index), self.taper_from(index)

        def increments(weights: np.ndarray) -> np.ndarray:
            localised = np.tensordot(taper, seen @ weights, 1)
            climatological = self.climatological.increments(weights, index)
            return self.climatological_weight * climatological + self.from_members(localised)

        return increments

    def seen_in_modes(self, index: np.ndarray) -> np.ndarray:
        """√(β_e / (N − 1)) A at grid points (P,), in the modes of B, (P, N, K)."""
        B = self.climatological
        return self._by_point[index] @ (B.modes / B.scale[:, None])

    def taper_from(self, index: np.ndarray) -> np.ndarray:
        """ρ of grid points (P,) at all, (Y·X, P)."""
        points = self.climatological.grid.unit_vectors()
        return chord_taper(points, points[index], HALF_WIDTH * self.localisation_km)

    def at_points(self, index: np.ndarray) -> np.ndarray:
        """H P Hᵀ of the amplitudes of B's modes at grid points (P,), (P, P, K, K)."""
        return self.between(index, index)

    def between(self, index: np.ndarray, other: np.ndarray) -> np.ndarray:
        """P of the amplitudes of B's modes between grid points (P,) and (Q,), (P, Q, K, K)."""
        seen, elsewhere = self.seen_in_modes(index), self.seen_in_modes(other)
        covariance = np.einsum("pnk,qnl->pqkl", seen, elsewhere, optimize=True)
        covariance *= self.taper_from(other)[index][..., None, None]
        covariance += self.climatological_weight * self.climatological.between(index, other)
        return covariance

    def from_members(self, weights: np.ndarray) -> np.ndarray:
        """√(β_e / (N − 1)) Aᵀ w, (S, C, Y, X), from localised weights of members, (Y·X, N, S)."""
        increments = (self._by_point.mT @ weights).transpose(2, 1, 0)
        return increments.reshape(*increments.shape[:2], *self.climatological.grid.shape)

    def _localised(self, fields: np.ndarray) -> np.ndarray:
        """ρ applied to fields, (Y, X, M)."""
        waves = self._taper_by_wave @ np.fft.rfft(fields, axis=1).transpose(1, 0, 2)
        return np.fft.irfft(waves.transpose(1, 0, 2), n=fields.shape[1], axis=1)

    @cached_property
    def _taper_by_wave(self) -> np.ndarray:
        """ρ by zonal wavenumber, (X // 2 + 1, Y, Y')."""
        taper = zonal_taper(self.climatological.grid, HALF_WIDTH * self.localisation_km)
        return np.fft.rfft(taper).real.transpose(2, 0, 1)

    @cached_property
    def _by_point(self) -> np.ndarray:
        """√(β_e / (N − 1)) A with the grid points first, float64, (Y·X, N, C)."""
        count, channels = self.anomalies.shape[:2]
        factor = np.sqrt(self.ensemble_weight / (count - 1))
        flat = self.anomalies.reshape(count, channels, -1).transpose(2, 0, 1)
        return factor * np.ascontiguousarray(flat, np.float64)


def require_parts(
    B: ZonalCovariance | SpectralCovariance,
    anomalies: np.ndarray,
    localisation_km: float,
    weights: tuple[float, ...],
) -> None:
    """Refuse parts that do not make a hybrid covariance.

    Raises:
        DataError: When there is one member only, members are on another grid than B, a weight is
            negative, or the localisation is shorter than the grid spacing.
    """
    came = anomalies.shape[1:]
    if came != (wanted := (len(B.scale), *B.grid.shape)):
        raise DataError(
            f"Members have shape {came}, the climatological covariance {wanted}: bring both "
            "to one grid, and the same channels."
        )
    require_ensemble(len(anomalies))
    if min(weights) < 0:
        raise DataError(
            f"Weights of covariances are not negative, got {weights[0]:g} and {weights[1]:g}."
        )
    require_resolved(localisation_km, np.pi * EARTH_RADIUS_KM / (B.grid.latitudes - 1))
