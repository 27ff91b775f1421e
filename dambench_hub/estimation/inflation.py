"""Inflation: ensembles whose spread is too small to be true are widened about their mean."""

from __future__ import annotations

import numpy as np


def inflate(members: np.ndarray, factor: float) -> np.ndarray:
    """Multiplicative inflation, x̄ + λ (x_i − x̄).

    Args:
        members: x_i, (N, *).
        factor: λ; the covariance grows by λ².

    References:
        Anderson and Anderson (1999), Mon. Wea. Rev. 127, 2741-2758.
    """
    mean = members.mean(axis=0)
    return mean + factor * (members - mean)


def relax_to_prior_spread(
    analysis: np.ndarray, background_std: np.ndarray, factor: float
) -> np.ndarray:
    """RTPS: anomalies are scaled until their std is (1 − α) σ^a + α σ^b, value by value.

    Args:
        analysis: Members, (N, *).
        background_std: σ^b, of the ensemble before the analysis, (*,).
        factor: α, 0 (nothing) … 1 (the spread of the background).

    References:
        Whitaker and Hamill (2012), Mon. Wea. Rev. 140, 3078-3089, eq. 2.
    """
    std = analysis.std(axis=0, ddof=1)
    lacking = np.divide(background_std - std, std, out=np.zeros_like(std), where=std > 0)
    mean = analysis.mean(axis=0)
    return mean + (1 + factor * lacking) * (analysis - mean)


def relax_to_prior_perturbations(
    analysis: np.ndarray, background: np.ndarray, factor: float
) -> np.ndarray:
    """RTPP: anomalies are (1 − α) of the analysis' and α of the background's.

    Args:
        analysis: Members, (N, *).
        background: The members before the analysis, (N, *).
        factor: α, 0 (nothing) … 1 (the background's anomalies about the new mean).

    References:
        Zhang, Snyder and Sun (2004), Mon. Wea. Rev. 132, 1238-1253, eq. 5.
    """
    mean = analysis.mean(axis=0)
    anomalies = background - background.mean(axis=0)
    return mean + (1 - factor) * (analysis - mean) + factor * anomalies
