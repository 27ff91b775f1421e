"""Observations of channels at shared points: an exact solve for a few modes at each point."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

SMALLEST_SINGULAR_VALUE = 1e-10
"""As a share of the largest; a mode that a point sees less well than this, it does not see."""


def column_solver(
    covariance: np.ndarray,
    modes: np.ndarray,
    error_std: np.ndarray,
    seen: np.ndarray | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """From innovations to weights of the modes' amplitudes, factorised once for all uses.

    A point's observations see its amplitudes a through the modes, y = E a + ε, in the channels that
    are seen there. With the singular values Eᵀ R^(−½) = L Vᵀ, V orthonormal, all that they say of a
    is h = Vᵀ R^(−½) y = Lᵀ a + noise of variance 1: no more numbers than modes, and fewer where few
    channels are seen. The weights of a best linear estimate are L (Lᵀ P L + I)⁻¹ h.

    Args:
        covariance: P of the amplitudes at the points, (P, P, K, K).
        modes: E, units of the channels, (C, K).
        error_std: R½, positive, (C,).
        seen: Which channels are seen at which points, boolean, (C, P); None for all.

    Returns:
        From (S, C, P), finite, to (P, K, S).
    """
    points = len(covariance)
    seen = np.ones((len(modes), points), bool) if seen is None else seen
    kinds, kind = np.unique(seen.T, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    weighted = (modes / error_std[:, None]).T
    U, singular, V = np.linalg.svd(kinds[:, None] * weighted, full_matrices=False)
    singular[singular <= SMALLEST_SINGULAR_VALUE * singular.max(initial=0)] = 0
    L, to_numbers = (U * singular[:, None])[kind], (V / error_std)[kind]
    told = (singular[kind] > 0).reshape(-1)

    system = np.empty((points, L.shape[-1], points, L.shape[-1]))
    for row, root, others in zip(system, L, covariance, strict=True):
        row[:] = (root.T @ others @ L).transpose(1, 0, 2)
    system = system.reshape(len(told), len(told))[told][:, told]
    np.fill_diagonal(system, system.diagonal() + 1)
    factor = cho_factor(system, overwrite_a=True, check_finite=False)

    def solve(innovation: np.ndarray) -> np.ndarray:
        h = to_numbers @ innovation.transpose(2, 1, 0)
        weights = np.zeros((len(told), len(innovation)))
        weights[told] = cho_solve(factor, h.reshape(weights.shape)[told])
        return L @ weights.reshape(h.shape)

    return solve
