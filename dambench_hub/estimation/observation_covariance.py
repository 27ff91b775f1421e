"""R, the covariance of observation errors, as an operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
