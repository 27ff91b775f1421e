"""Even and odd parts about the equator, which halve sums over latitude.

Rows of a grid with poles lie in pairs at φ and −φ. With e = f(φ) + f(−φ) and o = f(φ) − f(−φ) on
the northern rows, the equator's included,

    Σ_y M_y f_y = Σ_north (M⁺ e + M⁻ o),   M^± = (M(φ) ± M(−φ)) / 2, and M⁺ = M / 2 at the equator

A matrix whose rows are even or odd themselves, as Legendre functions are, has one of both alone.
"""

from __future__ import annotations

import numpy as np


def parity_parts(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Even and odd part of a field, e and o.

    Args:
        field: f, (Y, *), rows from pole to pole.

    Returns:
        ((Y + 1) // 2, *) each.
    """
    half = (len(field) + 1) // 2
    north, south = field[:half], field[: -half - 1 : -1]
    return north + south, north - south


def parity_matrices(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What does to e and o together as a matrix does to f, M⁺ and M⁻.

    Args:
        matrix: M, (*, Y).

    Returns:
        (*, (Y + 1) // 2) each.
    """
    Y = matrix.shape[-1]
    half = (Y + 1) // 2
    north, south = matrix[..., :half] / 2, matrix[..., : -half - 1 : -1] / 2
    even, odd = north + south, north - south
    even[..., Y // 2 :] /= 2  # an equator is a pair of its own
    return even, odd
