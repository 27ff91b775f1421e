"""U with U Uᵀ = P, of a hybrid covariance whose climatological part is spectral.

    P = β_c B + β_e ρ ∘ A Aᵀ / (N − 1)
    δx = √β_c U_c v + √(β_e / (N − 1)) Σ_i A_i ∘ (C½ α_i)

To the controls v of B, U_c U_cᵀ = B, come α: a field of weights for each member, in the horizontal
only and smooth as the localisation ρ = C½ C½ᵀ is. P itself is never made, so this form scales.

References:
    Lorenc (2003), Q. J. R. Meteorol. Soc. 129, 3183-3203 (α); Buehner (2005), Q. J. R. Meteorol.
    Soc. 131, 1013-1043.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from dambench_hub.estimation.hybrid_covariance import require_parts
from dambench_hub.estimation.iterative_gain import (
    ObservedPoints,
    gain_by_controls,
    observed_scale,
    precision_by_latitude,
    reduction_to,
)
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.estimation.operators import Gain, LinearOperator
from dambench_hub.estimation.spectral_covariance import TOLERANCE, SpectralCovariance
from dambench_hub.estimation.spectral_taper import SpectralTaper


@dataclass(frozen=True, eq=False)
class HybridRoot:
    """U, as the module says; it works in the precision of B.

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

    climatological: SpectralCovariance
    anomalies: np.ndarray
    localisation_km: float
    climatological_weight: float
    ensemble_weight: float

    def __post_init__(self) -> None:
        weights = self.climatological_weight, self.ensemble_weight
        require_parts(self.climatological, self.anomalies, self.localisation_km, weights)

    @property
    def control_shape(self) -> tuple[int, ...]:
        """All of v, then all of α, in one row."""
        return (self._split + prod(self._alpha_shape),)

    def __call__(self, control: np.ndarray) -> np.ndarray:
        """U (v, α), (S, controls) to (S, C, Y, X)."""
        v, alpha = self._parts(control)
        fields = self.taper(alpha)  # (S, N, Y, X)
        by_point = fields.reshape(*fields.shape[:2], -1).transpose(2, 0, 1)  # (Y·X, S, N)
        from_ensemble = (by_point @ self._by_point).transpose(1, 2, 0)
        increment = self._climatological_root * self.climatological.root(v)
        return increment + from_ensemble.reshape(increment.shape)

    def adjoint(self, increment: np.ndarray) -> np.ndarray:
        """Uᵀ δx, (S, C, Y, X) to (S, controls)."""
        by_point = increment.reshape(*increment.shape[:2], -1).transpose(2, 0, 1)  # (Y·X, S, C)
        fields = (by_point @ self._by_point.mT).transpose(1, 2, 0)
        alpha = self.taper.adjoint(fields.reshape(*fields.shape[:2], *increment.shape[2:]))
        v = self._climatological_root * self.climatological.root.adjoint(increment)
        return _in_a_row(v, alpha)

    def gain(
        self,
        index: np.ndarray,
        error_std: np.ndarray,
        seen: np.ndarray | None = None,
        tolerance: float = TOLERANCE,
    ) -> Gain:
        """K = P Hᵀ (H P Hᵀ + R)⁻¹ for observations at grid points.

        Args:
            index: Observed points, row-major: (P,), shared by all channels, or (C, P).
            error_std: Observation-error standard deviation, (C,); raised to 1 % of B's scale where
                it is smaller.
            seen: Which channels are seen at which points, boolean, (C, P); None for all.
            tolerance: Of the residual, in units of the observation error.
        """
        B = self.climatological
        error_std = floored(error_std, B.scale)
        return self.gain_through(ObservedPoints(B.grid, index, seen), error_std, tolerance)

    def gain_through(
        self, H: LinearOperator, error_std: np.ndarray, tolerance: float = TOLERANCE
    ) -> Gain:
        """K for observations of any kind.

        Args:
            H: From states, (S, C, Y, X), to observations, (S, M, P).
            error_std: Observation-error standard deviation, (M,); raised to 1 % of B's scale where
                it is smaller.
            tolerance: Of the residual, in units of the observation error.
        """
        scale = observed_scale(H, self.climatological.scale, self.climatological.grid)
        error_std = floored(error_std, scale).astype(self._dtype)
        precondition = self.preconditioner(H, error_std)
        reduction = reduction_to(tolerance, error_std, scale)
        return gain_by_controls(self, H, error_std, precondition, reduction)

    def preconditioner(
        self, H: LinearOperator, error_std: np.ndarray
    ) -> Callable[[np.ndarray], np.ndarray]:
        """About (I + Uᵀ Hᵀ R⁻¹ H U)⁻¹: v and α apart, and α by degree.

        Were the observations, and what members make of them, the same all over the sphere, α of
        different harmonics would have nothing to do with each other. With α left as they are,
        iterations are more than twice as many.

        Args:
            H: From states to observations, (S, M, P).
            error_std: R½, (M,).

        Returns:
            From controls to controls, (S, controls).
        """
        weights = precision_by_latitude(H, error_std, self.anomalies.shape[1:])
        climatological = self.climatological.root.preconditioner(
            self.climatological_weight * weights
        )
        factor = np.sqrt(self.ensemble_weight / (len(self.anomalies) - 1))
        seen = factor * H(self.anomalies) / error_std[:, None]
        flat = seen.reshape(len(seen), -1).astype(np.float64)
        share = self.taper.spectrum[:, None, None] / (4 * np.pi)
        inverses = np.linalg.inv(np.eye(len(flat)) + share * (flat @ flat.T)).astype(self._dtype)

        def precondition(control: np.ndarray) -> np.ndarray:
            v, alpha = self._parts(control)
            by_degree = np.einsum("lij,sjml->siml", inverses, alpha, optimize=True)
            return _in_a_row(climatological(v), by_degree)

        return precondition

    @cached_property
    def taper(self) -> SpectralTaper:
        """C½."""
        return SpectralTaper(self.climatological.grid, self.localisation_km, self._dtype)

    def _parts(self, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The controls v and α, with the shapes that their roots have, (S, *)."""
        v, alpha = np.split(control, [self._split], axis=1)
        shape = self.climatological.root.control_shape
        return v.reshape(-1, *shape), alpha.reshape(-1, *self._alpha_shape)

    @property
    def _split(self) -> int:
        return prod(self.climatological.root.control_shape)

    @property
    def _alpha_shape(self) -> tuple[int, ...]:
        return len(self.anomalies), *self.taper.control_shape

    @property
    def _dtype(self) -> np.dtype:
        return self.climatological.roots.real.dtype

    @property
    def _climatological_root(self) -> np.floating:
        return self._dtype.type(np.sqrt(self.climatological_weight))

    @cached_property
    def _by_point(self) -> np.ndarray:
        """√(β_e / (N − 1)) A with the grid points first, (Y·X, N, C)."""
        count, channels = self.anomalies.shape[:2]
        factor = np.sqrt(self.ensemble_weight / (count - 1))
        flat = self.anomalies.reshape(count, channels, -1).transpose(2, 0, 1)
        return self._dtype.type(factor) * np.ascontiguousarray(flat, self._dtype)


def _in_a_row(v: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The controls, (S, controls)."""
    return np.concatenate([part.reshape(len(v), -1) for part in (v, alpha)], axis=1)
