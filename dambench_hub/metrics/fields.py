"""Point scores of one field: bias, absolute, squared and root-mean-square error.

The error is x̂ − x, analysis minus reference, in physical units. A point score needs nothing of it
but the means over longitude of e, |e| and e²; the rest is arithmetic on Y numbers per channel.
"""

from __future__ import annotations

import numpy as np


def zonal_means(error: np.ndarray) -> np.ndarray:
    """Means over longitude of e, |e| and e², one row each.

    Args:
        error: e = x̂ − x, (Y, X), float64; overwritten, so that no memory is needed.

    Returns:
        (3, Y). NaN or infinite where the error is.
    """
    sums = np.empty((3, len(error)))
    error.sum(axis=-1, out=sums[0])
    np.einsum("yx,yx->y", error, error, out=sums[2])
    np.abs(error, out=error).sum(axis=-1, out=sums[1])
    return sums / error.shape[-1]


def weighted_mean(zonal_mean: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the sphere, (1/Y) Σ_y w_y z_y.

    Args:
        zonal_mean: z, a mean over longitude, (*, Y).
        weights: w_y, (Y,), mean 1.

    Returns:
        (*,).
    """
    return (weights * zonal_mean).mean(axis=-1)


def point_statistics(zonal: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """What the point scores are means of, for one sample.

    Args:
        zonal: `zonal_means` of every channel, (3, C, Y).
        weights: w_y, (Y,), mean 1.

    Returns:
        `bias`, `square_weighted` and its root `rmse` (weighted by latitude); `absolute` and
        `square` (unweighted, as in the paper); each (C,), in (squared) physical units.
    """
    error, absolute, square = zonal
    square_weighted = weighted_mean(square, weights)
    return {
        "bias": weighted_mean(error, weights),
        "absolute": absolute.mean(axis=-1),
        "square": square.mean(axis=-1),
        "square_weighted": square_weighted,
        "rmse": np.sqrt(square_weighted),
    }
