"""Linear regression of fields on what surrounds a point, with coefficients for each latitude.

    y_c(n, j, i) = Σ_f β_cf(j) x_f(n, j, i)

The predictors x_f are P fields at the (2r + 1)² grid points around (j, i). Coefficients are those
of one circle of latitude, the same at all its longitudes, so that nothing has to be said about how
errors and observations change with latitude.
"""

from __future__ import annotations

import numpy as np


class NeighbourhoodRegression:
    """The least-squares coefficients of a training set.

    Fields have their means removed beforehand. A neighbour that is missing, or lies beyond a pole,
    counts as zero: its mean, then.

    Args:
        predictors: P fields of N samples, (P, N, Y, X), NaN where missing.
        targets: C fields, (C, N, Y, X).
        used: Which samples of which points are learned from, boolean, (N, Y, X).
        radius: r, grid points; neighbourhoods have 2r + 1 rows and columns.

    Attributes:
        coefficients: β, (Y, F, C), F = P (2r + 1)².
    """

    def __init__(
        self, predictors: np.ndarray, targets: np.ndarray, used: np.ndarray, radius: int = 1
    ) -> None:
        self.radius = radius
        self.coefficients = np.stack(
            [
                _least_squares(
                    neighbours(predictors, row, radius)[used[:, row]],
                    np.moveaxis(targets[:, :, row], 0, -1)[used[:, row]],
                )
                for row in range(predictors.shape[2])
            ]
        )

    def predict(self, predictors: np.ndarray) -> np.ndarray:
        """The targets' estimates of other samples, (C, N, Y, X)."""
        rows = [
            neighbours(predictors, row, self.radius) @ coefficients
            for row, coefficients in enumerate(self.coefficients)
        ]
        return np.moveaxis(np.stack(rows, axis=1), -1, 0)


def neighbours(fields: np.ndarray, row: int, radius: int) -> np.ndarray:
    """What surrounds the points of one row, (N, X, P (2 radius + 1)²), zero where it is missing.

    Args:
        fields: (P, N, Y, X), NaN where missing; longitude is periodic.
        row: Of the points.
        radius: Grid points.
    """
    absent = np.zeros(fields[:, :, 0].shape)
    offsets = range(-radius, radius + 1)
    rows = [
        np.nan_to_num(fields[:, :, row + d]) if 0 <= row + d < fields.shape[2] else absent
        for d in offsets
    ]
    # At x stands what is d columns to the east.
    around = [np.roll(one, -d, axis=-1) for one in rows for d in offsets]
    return np.moveaxis(np.concatenate(around), 0, -1)


def explained_share(targets: np.ndarray, estimates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """R² = 1 − Σ w (y − ŷ)² / Σ w y², for each of C fields, (C,); NaN where all y are zero.

    About zero, not about the mean of these samples: what training did not know is not given.

    Args:
        targets: y, (C, *).
        estimates: ŷ, (C, *).
        weights: w, (*); where it is zero, targets and estimates may be anything.
    """
    sums = [
        np.where(weights > 0, weights * values**2, 0).reshape(len(targets), -1).sum(axis=1)
        for values in (targets - estimates, targets)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[1] > 0, 1 - sums[0] / sums[1], np.nan)


def _least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """β of min |y − x β|², the smallest of them: at a pole all columns are the same."""
    return np.linalg.pinv(x.T @ x, hermitian=True, rcond=1e-10) @ (x.T @ y)
