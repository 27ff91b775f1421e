"""Observations of all channels at the same points: an exact solve for a few modes at each point."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve


def column_solver(
    covariance: np.ndarray, modes: np.ndarray, error_std: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """From innovations to weights of the modes' amplitudes, factorised once for all uses.

    A point's observations see its amplitudes a through the modes, y = E a + ε. What they say of a
    is the estimate z = N Eᵀ R⁻¹ y with errors of covariance N = (Eᵀ R⁻¹ E)⁻¹; the weights of a best
    linear estimate are (P + N)⁻¹ z, with one block N at each point.

    Args:
        covariance: P of the amplitudes at the points, (P, P, K, K).
        modes: E, units of the channels, (C, K) with K ≤ C.
        error_std: R½, positive, (C,).

    Returns:
        From (S, C, P) to (P, K, S).
    """
    weighted = (modes / error_std[:, None] ** 2).T
    noise = np.linalg.inv(weighted @ modes)
    to_amplitudes = noise @ weighted
    points, _, count, _ = covariance.shape
    system = covariance.transpose(0, 2, 1, 3).astype(np.float64)
    each = np.arange(points)
    system[each, :, each] += noise
    size = points * count
    factor = cho_factor(system.reshape(size, size), overwrite_a=True, check_finite=False)

    def solve(innovation: np.ndarray) -> np.ndarray:
        z = (to_amplitudes @ innovation).transpose(2, 1, 0)
        return cho_solve(factor, z.reshape(size, len(innovation))).reshape(z.shape)

    return solve
