"""Background errors at points anywhere, exponential in distance, estimated from innovations.

    B(a, b) = σ_b² exp(−|a − b| / L),   R = s² diag(σ_o²)

Innovations of one time have the covariance H B Hᵀ + R. The σ_b, L and s that make them likeliest
need no reference, and so no training split. Distances |a − b| are chords through the Earth, so that
B is positive definite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.errors import DataError

MOST = 1_000
"""Innovations that an estimate uses; of more, so many are drawn."""
FEWEST = 20

FIRST_GUESSES = ((100.0, 0.5), (400.0, 0.5), (100.0, 1.5))
"""Corners of the first simplex: L in km, and the ratio of the errors' variances R / B."""


@dataclass(frozen=True)
class PointCovariance:
    """B, and how much larger observation errors are than they are said to be.

    Attributes:
        std: σ_b, units of the variable.
        length_km: L.
        error_scale: s.
    """

    std: float
    length_km: float
    error_scale: float

    def __call__(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """B between places, (N, M), of unit vectors (N, 3) and (M, 3)."""
        return self.std**2 * _correlation(one, other, self.length_km)

    def weights(
        self, places: np.ndarray, innovation: np.ndarray, error_std: np.ndarray
    ) -> np.ndarray:
        """(H B Hᵀ + R)⁻¹ (y − H x^b), (R,); see `fit_point_covariance` for the arguments."""
        S = self(places, places) + np.diag((self.error_scale * error_std) ** 2)
        return cho_solve(cho_factor(S, overwrite_a=True), innovation)


def fit_point_covariance(
    places: np.ndarray, innovation: np.ndarray, error_std: np.ndarray
) -> PointCovariance:
    """The covariance of greatest likelihood, for Gaussian errors of mean zero.

    For given L and R / B, σ_b² is known; a simplex search finds the two.

    Args:
        places: Unit vectors of R observations, (R, 3).
        innovation: y − H(x^b), finite, units of the variable, (R,).
        error_std: σ_o, positive, the same units, (R,).

    Raises:
        DataError: When there are too few innovations for three parameters, or all are zero.

    References:
        Dee and da Silva (1999), Mon. Wea. Rev. 127, 1822-1834.
    """
    if len(innovation) < FEWEST or not np.any(innovation):
        raise DataError(
            f"A covariance is estimated from {FEWEST} innovations at least that are not all zero, "
            f"got {len(innovation)}."
        )
    if len(innovation) > MOST:
        drawn = np.random.default_rng(0).choice(len(innovation), MOST, replace=False)
        places, innovation, error_std = places[drawn], innovation[drawn], error_std[drawn]
    error = (error_std / np.sqrt(np.mean(error_std**2))) ** 2

    def profile(logarithms: np.ndarray) -> tuple[float, float]:
        """−log likelihood without its constants, and σ_b²."""
        length_km, ratio = np.exp(logarithms)
        S = _correlation(places, places, length_km) + ratio * np.diag(error)
        factor = cho_factor(S, lower=True, overwrite_a=True)
        variance = innovation @ cho_solve(factor, innovation) / len(innovation)
        half_logdet = np.log(np.diag(factor[0])).sum()
        return len(innovation) / 2 * np.log(variance) + half_logdet, variance

    best = minimize(
        lambda logarithms: profile(logarithms)[0],
        np.log(FIRST_GUESSES[0]),
        method="Nelder-Mead",
        bounds=np.log([(10.0, 5_000.0), (1e-3, 1e3)]),
        options={"initial_simplex": np.log(FIRST_GUESSES), "xatol": 0.03, "fatol": 0.03},
    ).x
    length_km, ratio = np.exp(best)
    variance = profile(best)[1]
    scale = np.sqrt(ratio * variance / np.mean(error_std**2))
    return PointCovariance(float(np.sqrt(variance)), float(length_km), float(scale))


def _correlation(one: np.ndarray, other: np.ndarray, length_km: float) -> np.ndarray:
    half_square = np.maximum(1 - one @ other.T, 0)
    return np.exp(-np.sqrt(2 * half_square) * (EARTH_RADIUS_KM / length_km))
