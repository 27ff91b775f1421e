"""Linear regression of a field on the column above each point, one for each latitude.

    y(φ, λ) ≈ w(φ) · f(φ, λ),   w = (Σ f fᵀ + α n I)⁻¹ Σ f y

Sums run over times and longitudes, and over neighbouring latitudes with triangular weights. They
add, so parts of the data can be summed apart and joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, eq=False)
class ColumnSums:
    """What the regression needs of some data; + joins data.

    Attributes:
        gram: Σ f fᵀ, float64, (Y, F, F).
        cross: Σ f y, float64, (Y, F).
        count: n, points with a target, float64, (Y,).
    """

    gram: np.ndarray
    cross: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, predictors: np.ndarray, target: np.ndarray) -> Self:
        """The sums of one time.

        Args:
            predictors: f, (F, Y, X), finite; what is constant is one of them.
            target: y, (Y, X), NaN where it is not known: such points do not count.
        """
        known = np.isfinite(target)
        f = np.where(known, np.asarray(predictors, np.float64), 0.0).transpose(1, 0, 2)
        y = np.where(known, target, 0.0)
        return cls(f @ f.mT, (f @ y[..., None])[..., 0], known.sum(axis=1).astype(np.float64))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.gram + other.gram, self.cross + other.cross, self.count + other.count
        )

    def pooled(self, rows: float) -> Self:
        """Each latitude with its neighbours, of weight 1 − d / `rows` at d < `rows` rows away."""
        number = np.arange(len(self.count))
        weights = np.maximum(0.0, 1.0 - np.abs(number[:, None] - number) / rows)

        def pool(sums: np.ndarray) -> np.ndarray:
            return np.tensordot(weights, sums, axes=1)

        return type(self)(pool(self.gram), pool(self.cross), pool(self.count))

    def weights(self, ridge: float) -> np.ndarray:
        """w, (Y, F); zeros where nothing is known.

        Args:
            ridge: α > 0, in units of the predictors' mean squares; they should be of order one.
        """
        penalty = ridge * np.maximum(self.count, 1.0)[:, None, None] * np.eye(self.gram.shape[-1])
        return np.linalg.solve(self.gram + penalty, self.cross[..., None])[..., 0]


def regressed(weights: np.ndarray, predictors: np.ndarray) -> np.ndarray:
    """W · f, (Y, X), from w (Y, F) and f (F, Y, X)."""
    return np.einsum("yf,fyx->yx", weights, predictors)
