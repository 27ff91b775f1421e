"""The best linear unbiased estimate with matrices: for small problems, and as the law for others.

Optimal interpolation, 3D-Var with a linear H and a Kalman filter's analysis are all this estimate;
they differ in where B comes from and in how the equation is solved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from dambench_hub.errors import DataError


@dataclass(frozen=True, eq=False)
class BestLinearEstimate:
    """x^a = x^b + K (y − H x^b), with covariance A = (I − K H) B.

    Attributes:
        gain: K = B Hᵀ (H B Hᵀ + R)⁻¹, (n, p).
        operator: H, (p, n).
        covariance: A, (n, n).
    """

    gain: np.ndarray
    operator: np.ndarray
    covariance: np.ndarray

    def __call__(self, background: np.ndarray, observations: np.ndarray) -> np.ndarray:
        """x^a, (*, n), from x^b, (*, n), and y, (*, p)."""
        innovation = observations - background @ self.operator.T
        return background + innovation @ self.gain.T


def best_linear_estimate(
    background_covariance: np.ndarray, operator: np.ndarray, observation_covariance: np.ndarray
) -> BestLinearEstimate:
    """The estimator for given covariances; costs O(p³ + n²p), once for any number of analyses.

    Args:
        background_covariance: B, (n, n).
        operator: H, (p, n).
        observation_covariance: R, (p, p).

    Raises:
        DataError: When shapes do not belong together, or H B Hᵀ + R is not positive definite.

    References:
        Ide et al. (1997), J. Meteor. Soc. Japan 75, 181-189.
    """
    B, H, R = background_covariance, operator, observation_covariance
    if H.ndim != 2 or B.shape != (H.shape[1],) * 2 or R.shape != (H.shape[0],) * 2:
        raise DataError(
            "An estimate from p observations of n numbers needs B (n, n), H (p, n) and R (p, p); "
            f"got {B.shape}, {H.shape} and {R.shape}."
        )
    HB = H @ B
    try:
        K = cho_solve(cho_factor(HB @ H.T + R), HB).T
    except LinAlgError as error:
        raise DataError(
            "H B Hᵀ + R is not positive definite: observations without error repeat each other, or "
            "B or R is no covariance. Give each observation an error."
        ) from error
    A = B - K @ HB
    return BestLinearEstimate(K, H, (A + A.T) / 2)
