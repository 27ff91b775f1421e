"""Particle filters: Bayes' theorem by weights, for any distribution, and few dimensions.

References:
    Van Leeuwen (2009), Mon. Wea. Rev. 137, 4089-4114; Musso, Oudjane and Le Gland (2001), in
    Sequential Monte Carlo Methods in Practice, Springer (the regularised filter).
"""

from __future__ import annotations

import numpy as np

BISECTIONS = 40
"""Steps in which a tempering exponent is found, on a logarithmic scale of 10⁻¹² … 1."""


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
    return anomalies / np.sqrt(freedom) if freedom > 1e-12 else np.zeros_like(anomalies)


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
    """W of equally weighted members x̄ + W A that have the mean and covariance of weighted ones.

    W = 1 (w − 1/N)ᵀ + √(N − 1) (diag w − w wᵀ)^½ with the symmetric root, which is smooth from
    column to column, as resampling is not.

    Args:
        weights: w, (*, N).

    Returns:
        (*, N, N), to be applied to anomalies A about the unweighted mean x̄.

    References:
        Tödter and Ahrens (2015), Mon. Wea. Rev. 143, 1347-1367 (the NETF).
    """
    N = weights.shape[-1]
    covariance = weights[..., None] * np.eye(N) - weights[..., None] * weights[..., None, :]
    values, V = np.linalg.eigh(covariance)
    root = V * np.sqrt(np.maximum(values, 0))[..., None, :] @ V.mT
    return (weights - 1 / N)[..., None, :] + np.sqrt(N - 1) * root
