"""Random rotations of an ensemble that keep its mean and covariance."""

from __future__ import annotations

import numpy as np


def mean_preserving_rotation(members: int, generator: np.random.Generator) -> np.ndarray:
    """A random orthogonal Ω with Ω 1 = 1, for anomalies Ω A.

    Rows of A sum to zero over members, and so do those of Ω A; its covariance Aᵀ Ωᵀ Ω A / (N − 1)
    is that of A. Small ensembles cycled for long stay nearer to a Gaussian with it.

    Args:
        members: N.
        generator: Source of randomness.

    Returns:
        (N, N): uniform among the rotations and reflections of the space orthogonal to 1.

    References:
        Sakov and Oke (2008), Mon. Wea. Rev. 136, 1042-1053, section 3.
    """
    ones = np.full((members, 1), members**-0.5)
    others = generator.standard_normal((members, members - 1))
    basis, _ = np.linalg.qr(np.concatenate([ones, others], axis=1))
    normal = generator.standard_normal((members - 1, members - 1))
    orthogonal, triangular = np.linalg.qr(normal)
    orthogonal *= np.sign(np.diag(triangular))  # else it would not be uniform: Mezzadri (2007)
    return ones @ ones.T + basis[:, 1:] @ orthogonal @ basis[:, 1:].T
