"""Linear systems of which only the operator is at hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dambench_hub.errors import DataError

TOLERANCE, MAX_ITERATIONS = 1e-10, 10_000
"""When conjugate gradients end."""


def conjugate_gradients(
    A: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    precondition: Callable[[np.ndarray], np.ndarray],
    tolerance: float = TOLERANCE,
) -> np.ndarray:
    """A⁻¹ b for a symmetric positive definite A.

    Stops when the residual is `tolerance` times the right side, both in the preconditioner's norm:
    a plain norm would add squares of different units.

    Raises:
        DataError: When that takes more than MAX_ITERATIONS.
    """
    x, residual = np.zeros_like(right), right.copy()
    direction = z = precondition(residual)
    first = energy = np.vdot(residual, z)
    for _ in range(MAX_ITERATIONS):
        if energy <= tolerance**2 * first:
            return x
        along = A(direction)
        step = energy / np.vdot(direction, along)
        x, residual = x + step * direction, residual - step * along
        z, previous = precondition(residual), energy
        energy = np.vdot(residual, z)
        direction = z + energy / previous * direction
    raise DataError(
        f"The analysis did not converge in {MAX_ITERATIONS} iterations: the observations are too "
        "many or too exact. Use a network whose channels share their points, or a larger error."
    )
