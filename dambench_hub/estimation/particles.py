"""Particle filters: Bayes' theorem by weights, for any distribution, and few dimensions.

References:
    Van Leeuwen (2009), Mon. Wea. Rev. 137, 4089-4114; Musso, Oudjane and Le Gland (2001), in
    Sequential Monte Carlo Methods in Practice, Springer (the regularised filter).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dambench_hub.estimation.ensemble_transform import Update, column_sums
from dambench_hub.estimation.localisation import Localisation

BISECTIONS = 40
"""Steps in which a tempering exponent is found, on a logarithmic scale of 10⁻¹² … 1."""

NO_FREEDOM = 1e-12
"""Of 1 − Σ w², below which one particle has all the weight and there is no covariance."""


def log_likelihood(innovations: np.ndarray, std: np.ndarray) -> np.ndarray:
    """−½ ‖R^(−½) (y − H x_i)‖², (N,).

    Args:
        innovations: y − H(x_i), (N, p).
        std: Root of R's diagonal, (p,) or a number.
    """
    return -0.5 * ((innovations / std) ** 2).sum(axis=-1)


def normalised_weights(log_weights: np.ndarray) -> np.ndarray:
    """exp, scaled to sum 1 over the last axis; the largest is taken out first, so none overflows.

    Args:
        log_weights: (*, N), finite or −∞.
    """
    weights = np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def effective_size(weights: np.ndarray) -> np.ndarray:
    """1 / Σ w², between 1 (one particle has it all) and N, (*,), of weights (*, N)."""
    return 1 / (weights**2).sum(axis=-1)


def tempered_weights(log_weights: np.ndarray, least: float) -> np.ndarray:
    """Weights ∝ exp(β log w) with the largest β ≤ 1 for which `least` particles are effective.

    β < 1 is an observation error larger by β^(−½), where the filter would else collapse.

    Args:
        log_weights: (*, N).
        least: Effective size wanted, 1 … N; 1 leaves the weights as they are.

    Returns:
        (*, N).

    References:
        Poterjoy, Wicker and Buehner (2019), Mon. Wea. Rev. 147, 1107-1126, section 2c.
    """
    weights = normalised_weights(log_weights)
    poor = effective_size(weights) < least
    if not poor.any():
        return weights
    low, high = np.full(poor.sum(), -12.0), np.zeros(poor.sum())
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        trial = normalised_weights(10 ** middle[:, None] * log_weights[poor])
        enough = effective_size(trial) >= least
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    weights[poor] = normalised_weights(10 ** low[:, None] * log_weights[poor])
    return weights


def localised_weights(
    innovations: np.ndarray,
    variance: np.ndarray,
    place: np.ndarray,
    localisation: Localisation,
    least: float,
) -> Iterator[Update]:
    """Weights of each column that sees an observation: log w = −½ Σ ρ (y − H x_i)² / R, tempered.

    Without localisation (a length of np.inf) and tempering, all columns have the weights of the
    bootstrap filter.

    Args:
        innovations: y − H(x_i), (N, C, P).
        variance: Diagonal of R, (C,).
        place: Which point of `localisation` an observation is at, (P,) or (C, P).
        localisation: Columns and K observed points.
        least: Effective size wanted of each column, see `tempered_weights`.

    Yields:
        Numbers of J columns, and their weights, (J, N).

    References:
        Farchi and Bocquet (2018), Nonlin. Processes Geophys. 25, 765-807, section 4.
    """
    log_weights = np.zeros((len(localisation.points), len(innovations)))
    for c, points in enumerate(np.broadcast_to(place, innovations.shape[1:])):
        log_weights[points] -= 0.5 * innovations[:, c].T ** 2 / variance[c]
    for columns, sums in column_sums(log_weights, localisation):
        yield columns, tempered_weights(sums, least)


def weighted_moments(
    members: np.ndarray, weights: Sequence[Update]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased standard deviation of weighted particles, column by column.

    Args:
        members: x_i, (N, C, J).
        weights: Columns, and their weights (*, N); the others have equal ones.

    Returns:
        Two arrays (C, J), in the type of the members; std 0 where one particle has all the weight.
    """
    mean = members.mean(axis=0, dtype=np.float64)
    std = members.std(axis=0, ddof=1, dtype=np.float64)
    for columns, w in weights:
        anomalies = (members[..., columns] - mean[:, columns]).transpose(2, 0, 1)  # (J, N, C)
        shift = (w[:, None] @ anomalies)[:, 0]
        variance = (w[:, None] @ anomalies**2)[:, 0] - shift**2
        freedom = np.maximum(1 - (w**2).sum(axis=-1), NO_FREEDOM)[:, None]
        mean[:, columns] += shift.T
        std[:, columns] = np.sqrt(np.maximum(variance, 0) / freedom).T
    return mean.astype(members.dtype), std.astype(members.dtype)


def systematic_resampling(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Which particles go on: on average N·w_i copies of each, never off by one or more.

    Args:
        weights: (N,), sum 1.
        generator: Source of one uniform number.

    Returns:
        Numbers of particles, ascending, (N,).

    References:
        Kitagawa (1996), J. Comput. Graph. Stat. 5, 1-25.
    """
    N = len(weights)
    levels = (generator.uniform() + np.arange(N)) / N
    return np.minimum(np.searchsorted(np.cumsum(weights), levels, side="right"), N - 1)


def weighted_anomalies(members: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A root of the covariance of weighted particles: rows √w_i (x_i − x̄), unbiased, (N, n).

    The covariance is divided by 1 − Σ w², which is N − 1 over N for equal weights; where one
    particle has it all there is no covariance, and the result is 0.
    """
    anomalies = np.sqrt(weights)[:, None] * (members - weights @ members)
    freedom = 1 - (weights**2).sum()
    return anomalies / np.sqrt(freedom) if freedom > NO_FREEDOM else np.zeros_like(anomalies)


def regularised_resampling(
    members: np.ndarray, weights: np.ndarray, strength: float, generator: np.random.Generator
) -> np.ndarray:
    """Resampled particles, of which duplicates are jittered.

    The jitter has the covariance of the weighted particles times h², h = strength · N^(−1/(n + 4)):
    a draw from a kernel density instead of from points.

    Args:
        members: x_i, (N, n).
        weights: (N,), sum 1.
        strength: 0 leaves duplicates; about 1 is right for Gaussians, more for small ensembles.
        generator: Source of randomness.

    Returns:
        Particles of equal weight, (N, n).
    """
    N, n = members.shape
    chosen = systematic_resampling(weights, generator)
    duplicate = np.concatenate([[False], np.diff(chosen) == 0])
    root = weighted_anomalies(members, weights)
    noise = generator.standard_normal((int(duplicate.sum()), N)) @ root
    resampled = members[chosen]
    resampled[duplicate] += strength * N ** (-1 / (n + 4)) * noise
    return resampled


def weighted_transform(weights: np.ndarray) -> np.ndarray:
    """W of equally weighted members x̄ + W A with the mean and covariance of weighted particles.

    W = 1 (w − 1/N)ᵀ + √(N − 1) S, S² = (diag w − w wᵀ) / (1 − Σ w²), with the symmetric root, which
    is smooth from column to column, as resampling is not. Equal weights change nothing; where one
    particle has all the weight, all members become that.

    Args:
        weights: w, (*, N).

    Returns:
        (*, N, N), to be applied to anomalies A about the unweighted mean x̄.

    References:
        Tödter and Ahrens (2015), Mon. Wea. Rev. 143, 1347-1367 (the NETF).
    """
    N = weights.shape[-1]
    covariance = weights[..., None] * np.eye(N) - weights[..., None] * weights[..., None, :]
    freedom = np.maximum(1 - (weights**2).sum(axis=-1), NO_FREEDOM)
    values, V = np.linalg.eigh(covariance / freedom[..., None, None])
    root = V * np.sqrt(np.maximum(values, 0))[..., None, :] @ V.mT
    return (weights - 1 / N)[..., None, :] + np.sqrt(N - 1) * root
