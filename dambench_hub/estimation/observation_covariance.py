"""R, the covariance of observation errors, as an operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALLEST_ERROR = 1e-2
"""Of an observation, as a share of the background's: for noise-free tasks, see `floored`."""


@dataclass(frozen=True, eq=False)
class ObservationCovariance:
    """R = diag(σ²): uncorrelated errors with one standard deviation for each channel.

    Attributes:
        std: σ, units of the channels, (C,).
    """

    std: np.ndarray

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """R y, (*, C, P)."""
        return self.std[:, None] ** 2 * observations


def floored(error_std: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Standard deviations of the observation error, raised to 1 % of the scale where smaller.

    Args:
        error_std: (C,).
        scale: Size of the background error, (C,).
    """
    return np.maximum(error_std, SMALLEST_ERROR * scale)
