"""The trigonometric polynomial through all values of a grid with poles, at points anywhere.

A meridian goes on beyond the pole as the one opposite, so that a grid is half of a torus with
2 (Y − 1) rows and X columns. A scalar is even under that, a component of the wind odd, for east and
north turn round at the pole. On a torus interpolation is a product of two kernels,

    f(φ, λ) = Σ_ij D_2(Y−1)(θ − θ_i) D_X(λ − λ_j) f_ij,   D_n(α) = sin(nα/2) / (n sin(α/2)),

for even n times cos(α/2). It gives the values of the grid back, and spherical harmonics of degrees
below Y − 1 and X / 2 are found exactly, as scalars and as potentials of winds.

References:
    Merilees (1973), Atmosphere 11, 13-20, for Fourier series along whole meridians.
"""

from __future__ import annotations

import numpy as np
from scipy.special import diric

from dambench_hub.coordinates.grids import Grid


def trigonometric_interpolation(
    fields: np.ndarray,
    grid: Grid,
    latitude: np.ndarray,
    longitude: np.ndarray,
    winds: np.ndarray,
) -> np.ndarray:
    """Fields at points anywhere.

    Args:
        fields: (C, Y, X), finite.
        grid: Y×X grid with poles.
        latitude: Degrees north, −90 to 90, (P,).
        longitude: Degrees east, (P,).
        winds: Which fields are components of a wind, bool, (C,).

    Returns:
        float64, (C, P).
    """
    Y, X = grid.shape
    colatitude, east = np.deg2rad(90 - latitude), np.deg2rad(longitude)
    rows = _kernel(colatitude, 2 * (Y - 1))
    here, opposite = (_kernel(east + turn, X) for turn in (0, np.pi))
    fields = np.asarray(fields, np.float64)
    near = np.einsum("pi,cip->cp", rows[:, :Y], fields @ here.T)
    # Rows beyond the south pole are those from Y − 2 to 1, seen from the opposite meridian.
    beyond = np.einsum("pi,cip->cp", rows[:, : Y - 1 : -1], (fields @ opposite.T)[:, 1:-1])
    return near + np.where(winds, -1, 1)[:, None] * beyond


def _kernel(angle: np.ndarray, points: int) -> np.ndarray:
    """D_n from n even steps around the circle to angles, radians, (P,) to (P, n)."""
    alpha = angle[:, None] - 2 * np.pi / points * np.arange(points)
    kernel = diric(alpha, points)
    return kernel * np.cos(alpha / 2) if points % 2 == 0 else kernel
