"""U with B = U Uᵀ: from controls of unit variance to increments whose covariance is B."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dambench_hub.errors import DataError
from dambench_hub.estimation.operators import LinearOperator, Pullback


class CovarianceRoot(LinearOperator, Protocol):
    """δx = U v, and Uᵀ; v may have fewer or more numbers than the state."""

    @property
    def control_shape(self) -> tuple[int, ...]:
        """Shape of v."""


@dataclass(frozen=True, eq=False)
class DiagonalRoot:
    """U = diag(σ): uncorrelated errors.

    Attributes:
        std: σ, in units of the state and of its shape.
    """

    std: np.ndarray

    @property
    def control_shape(self) -> tuple[int, ...]:
        """That of the state."""
        return self.std.shape

    def __call__(self, control: np.ndarray) -> np.ndarray:
        """σ v."""
        return self.std * control

    def adjoint(self, increment: np.ndarray) -> np.ndarray:
        """σ δx."""
        return self.std * increment


@dataclass(frozen=True, eq=False)
class MatrixRoot:
    """U as a matrix, for states that are vectors, and small.

    Attributes:
        matrix: U, (n, controls).
    """

    matrix: np.ndarray

    @classmethod
    def of(cls, covariance: np.ndarray) -> MatrixRoot:
        """The symmetric root of B, (n, n), which need not be of full rank.

        Raises:
            DataError: When B is not a covariance.
        """
        values, vectors = np.linalg.eigh(covariance)
        if not np.allclose(covariance, covariance.T) or values[0] < -1e-8 * values[-1]:
            raise DataError(
                "A covariance must be symmetric, and its eigenvalues not negative; got "
                f"{values[0]:g} to {values[-1]:g}."
            )
        return cls((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)

    @property
    def control_shape(self) -> tuple[int, ...]:
        """(controls,)."""
        return self.matrix.shape[1:]

    def __call__(self, control: np.ndarray) -> np.ndarray:
        """U v, (n,)."""
        return self.matrix @ control

    def adjoint(self, increment: np.ndarray) -> np.ndarray:
        """Uᵀ δx, (controls,)."""
        return self.matrix.T @ increment


@dataclass(frozen=True, eq=False)
class MappedRoot:
    """σ G U: errors of covariance U Uᵀ, σ times as large, as a linear map sees them.

    Attributes:
        root: U.
        forward: G, from increments that U makes to others.
        backward: Gᵀ.
        scale: σ.
    """

    root: CovarianceRoot
    forward: Callable[[np.ndarray], np.ndarray]
    backward: Pullback
    scale: float = 1.0

    @property
    def control_shape(self) -> tuple[int, ...]:
        """That of U."""
        return self.root.control_shape

    def __call__(self, control: np.ndarray) -> np.ndarray:
        """σ G U v."""
        return self.forward(self.scale * self.root(control))

    def adjoint(self, increment: np.ndarray) -> np.ndarray:
        """σ Uᵀ Gᵀ δx."""
        return self.root.adjoint(self.scale * self.backward(increment))
