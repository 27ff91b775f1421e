"""Scores of an ensemble: fair CRPS, spread-skill ratio, rank histogram, error of the limit."""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import ScoreError
from dambench_hub.metrics.fields import weighted_mean


def fair_crps(members: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score, unbiased for the size of the ensemble.

        CRPS = 1/M Σ_m |x_m − x| − 1/(2 M (M−1)) Σ_m Σ_n |x_m − x_n|

    For a sorted ensemble the double sum is 2 Σ_i (2i − M − 1) x_(i). One member gives |x_1 − x|.
    At no point is it negative; 0 means that at most one member lies on the wrong side.

    Args:
        members: x_m, (M, *), float64.
        reference: x, (*), same units.

    Returns:
        (*), same units.

    References:
        Ferro (2014), Q. J. R. Meteorol. Soc. 140, 1917-1923.
    """
    M = len(members)
    deviations = np.sort(members - reference, axis=0)
    skill = np.abs(deviations).mean(axis=0)
    if M == 1:
        return skill
    order = 2.0 * np.arange(1, M + 1) - M - 1
    spread = np.einsum("m,m...->...", order, deviations) / (M * (M - 1))
    return np.maximum(skill - spread, 0.0)  # below 0 only by rounding


def rank_frequencies(members: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How often the reference has each rank among the members, by area.

    Rank r means that r members lie below the reference. A reference equal to t members shares its
    weight equally among the t + 1 ranks it could have, so ties need no random numbers.

    Args:
        members: (M, Y, X).
        reference: (Y, X).
        weights: w_y, (Y,), mean 1.

    Returns:
        (M + 1,), sum 1; flat when reference and members are drawn from the same distribution.
    """
    ranks = len(members) + 1
    below = (members < reference).sum(axis=0)
    ties = (members == reference).sum(axis=0)
    area = np.broadcast_to(weights[:, None], reference.shape) / reference.size
    frequencies = np.zeros(ranks)
    for t in np.unique(ties):
        tied = ties == t
        for r in range(t + 1):
            frequencies += np.bincount(below[tied] + r, area[tied] / (t + 1), minlength=ranks)
    return frequencies


def ensemble_statistics(
    members: np.ndarray, reference: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """What the ensemble scores are means of, for one sample and channel.

    Args:
        members: (M, Y, X), float64, physical units.
        reference: (Y, X), same units.
        weights: w_y, (Y,), mean 1.

    Returns:
        `crps` and `variance` (over members, ddof = 1; 0 for one member), scalars weighted by
        latitude; `variance_unweighted`, without weights; and `ranks`, (M + 1,).
    """
    M = len(members)
    variance = members.var(axis=0, ddof=1) if M > 1 else np.zeros_like(reference)
    return {
        "crps": weighted_mean(fair_crps(members, reference).mean(axis=-1), weights),
        "variance": weighted_mean(variance.mean(axis=-1), weights),
        "variance_unweighted": variance.mean(),
        "ranks": rank_frequencies(members, reference, weights),
    }


def spread_skill(variance: np.ndarray, square_error: np.ndarray, members: int) -> np.ndarray:
    """Spread over skill, √((M+1)/M · variance) / √(square error of the ensemble mean).

    The factor makes 1 the value of a reliable ensemble of any size: a reference that is one more
    draw from the same distribution has mean square error σ² (1 + 1/M). Below 1 the ensemble is
    too sure of itself, above 1 not sure enough.

    Args:
        variance: Mean over samples and sphere of the ensemble variance (ddof = 1), (C,).
        square_error: Mean over samples and sphere of the squared error of the mean, (C,).
        members: M.

    Returns:
        (C,). Without any error the ratio is 1 if there is no spread either, else it is undefined
        and counts as 0, the value of an ensemble without spread.
    """
    spread = np.sqrt((members + 1) / members) * np.sqrt(variance)
    skill = np.sqrt(square_error)
    undefined = np.where(spread == 0, 1.0, 0.0)
    return np.where(skill == 0, undefined, spread / np.where(skill == 0, 1.0, skill))


def infinite_ensemble_square(
    variance: np.ndarray, square_error: np.ndarray, members: int
) -> np.ndarray:
    """Mean square error that the mean of infinitely many such members would have.

        MSE_∞ = MSE_M − variance / M

    The mean of M members is off by sampling as well, which makes small ensembles look worse than
    the method that drew them. What remains is the mean of e_m e_n over pairs of members m ≠ n.

    Args:
        variance: Mean over samples and sphere of the ensemble variance (ddof = 1), (*).
        square_error: Mean over samples and sphere of the squared error of the mean, (*).
        members: M, 2 or more.

    Returns:
        (*), unbiased: its expectation does not depend on M if members are drawn independently. So
        it can be below zero by chance where there is hardly any error.

    Raises:
        ScoreError: When there is a single member, whose variance is not known.
    """
    if members < 2:
        raise ScoreError(f"The error of an infinite ensemble needs 2 members, got {members}.")
    return square_error - variance / members
