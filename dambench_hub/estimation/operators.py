"""What variational methods ask of operators: a value, and the way back for sensitivities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

Pullback = Callable[[np.ndarray], np.ndarray]
"""v ↦ F'(x)ᵀ v: from sensitivities to what a map returned to those to what it was given."""

DifferentiableMap = Callable[[np.ndarray], tuple[np.ndarray, Pullback]]
"""x ↦ (F(x), pullback at x), as `ForecastModel.linearise` has it; F may be nonlinear."""

Gain = Callable[[np.ndarray], np.ndarray]
"""K: from innovations, (S, M, P), to increments, (S, C, Y, X)."""


class LinearOperator(Protocol):
    """A linear map and its adjoint under plain scalar products, ⟨A x, y⟩ = ⟨x, Aᵀ y⟩."""

    def __call__(self, x: np.ndarray, /) -> np.ndarray:
        """A x."""

    def adjoint(self, y: np.ndarray, /) -> np.ndarray:
        """Aᵀ y."""


def linear(operator: LinearOperator) -> DifferentiableMap:
    """A linear operator as a differentiable map: its pullback is the same everywhere."""
    return lambda x: (operator(x), operator.adjoint)
