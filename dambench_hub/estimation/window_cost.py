"""J of 3D-Var and 4D-Var, and its gradient by one sweep forward and one back.

    J(v, w_1 … w_L) = ½‖v‖² + ½ Σ_l ‖w_l‖² + ½ Σ_l ‖R_l^{−½} (H_l(x_l) − y_l)‖²
    x_0 = x^b + U v,   x_l = M_l(x_{l−1}) + Q^½ w_l

Controls v and w have unit covariance: B = U Uᵀ and Q stand in the roots, so the Hessian is I plus
what observations add, and the minimisation is well conditioned. Without Q the model is a strong
constraint and there is no w; without steps this is 3D-Var.

References:
    Courtier et al. (1994), Q. J. R. Meteorol. Soc. 120, 1367-1387; Trémolet (2006), Q. J. R.
    Meteorol. Soc. 132, 2483-2504.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np

from dambench_hub.errors import DataError, ForecastError
from dambench_hub.estimation.covariance_roots import CovarianceRoot
from dambench_hub.estimation.operators import DifferentiableMap, Pullback

WHAT_TO_DO = (
    "The window is too long for this model, or the background is none of its states: take a "
    "shorter window, let it grow (quasi-static), or look at the forecast before it."
)


@dataclass(frozen=True, eq=False)
class TimedObservations:
    """y at one time of a window.

    Attributes:
        step: l, how many of the window's steps lie before them; 0 is its start.
        values: y, of any shape, finite (drop what is not observed first).
        std: Standard deviation of the observation error, units of y and of its shape, or one for
            all; positive.
        operator: x ↦ (H(x), pullback), H(x) of y's shape.

    Raises:
        DataError: When y is not finite or its error is not positive.
    """

    step: int
    values: np.ndarray
    std: np.ndarray | float
    operator: DifferentiableMap

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.values)):
            raise DataError(
                f"Observations at step {self.step} are not all finite; drop what is not observed."
            )
        if np.shape(self.std) not in ((), self.values.shape):
            raise DataError(
                f"The error of observations of shape {self.values.shape} is one number or has "
                f"their shape, got {np.shape(self.std)}."
            )
        if not np.all((np.asarray(self.std) > 0) & np.isfinite(self.std)):
            raise DataError(
                f"Observations at step {self.step} have an error of {np.min(self.std):g}; the cost "
                "divides by it. Give it a floor, such as what H itself is wrong by."
            )

    def misfit(self, state: np.ndarray) -> tuple[float, np.ndarray]:
        """½‖R^{−½}(H(x) − y)‖² and its gradient H'ᵀ R⁻¹ (H(x) − y)."""
        equivalent, pullback = self.operator(state)
        if equivalent.shape != self.values.shape:
            raise DataError(
                f"H(x) has shape {equivalent.shape}, the observations at step {self.step} have "
                f"{self.values.shape}."
            )
        departure = (equivalent - self.values) / self.std
        return 0.5 * float(np.vdot(departure, departure)), pullback(departure / self.std)


@dataclass(frozen=True, eq=False)
class WindowCost:
    """J as the module says; states have any shape.

    Attributes:
        background: x^b at the start of the window, (*state).
        root: U.
        observations: y_l with their H_l and R_l, in any order, several at a time if need be.
        steps: M_1 … M_L, each x ↦ (M(x), pullback).
        model_error_root: Q^½, the same at all steps; None makes the model a strong constraint.

    Raises:
        DataError: When the background is not finite or observations lie outside the window.
    """

    background: np.ndarray
    root: CovarianceRoot
    observations: Sequence[TimedObservations]
    steps: Sequence[DifferentiableMap] = ()
    model_error_root: CovarianceRoot | None = None

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.background)):
            raise DataError("The background is not finite; the forecast before it broke down.")
        outside = sorted({y.step for y in self.observations if not 0 <= y.step <= len(self.steps)})
        if outside:
            raise DataError(
                f"Observations lie at steps {outside}, the window has steps 0 to "
                f"{len(self.steps)}. Drop them or take a longer window."
            )

    @property
    def controls(self) -> int:
        """How many numbers v and all w_l are."""
        return prod(self.root.control_shape) + prod(self._forcing_shape)

    def until(self, step: int) -> WindowCost:
        """J without the observations after a step; controls keep their places."""
        return replace(self, observations=[y for y in self.observations if y.step <= step])

    def trajectory(self, control: np.ndarray) -> np.ndarray:
        """x_0 … x_L, (L + 1, *state)."""
        return np.stack([x for x, _ in self._forecast(control, len(self.steps))])

    def __call__(self, control: np.ndarray) -> tuple[float, np.ndarray]:
        """J and its gradient, (controls,).

        Raises:
            ForecastError: When the forecast, J or its gradient is not finite.
        """
        last = max((y.step for y in self.observations), default=0)
        J = 0.5 * float(control @ control)
        pullbacks, sensitivities = [], []
        with np.errstate(over="ignore", invalid="ignore"):
            for step, (x, pullback) in enumerate(self._forecast(control, last)):
                misfit, sensitivity = self._misfit(x, step)
                J += misfit
                pullbacks.append(pullback)
                sensitivities.append(sensitivity)
            gradient = control + self._sweep_back(pullbacks, sensitivities)
        if not (np.isfinite(J) and np.all(np.isfinite(gradient))):
            raise ForecastError(f"J or its gradient over {last} steps is not finite. {WHAT_TO_DO}")
        return J, gradient

    def _forecast(self, control: np.ndarray, last: int) -> Iterator[tuple[np.ndarray, Pullback]]:
        """x_0 … x_last, each with the way back to what it was made of: v, or the state before."""
        v, w = self._split(control)
        x, pullback = self.background + self.root(v), self.root.adjoint
        yield x, pullback
        for step in range(1, last + 1):
            x, pullback = self.steps[step - 1](x)
            if self.model_error_root:
                x = x + self.model_error_root(w[step - 1])
            if not np.all(np.isfinite(x)):
                raise ForecastError(
                    f"The forecast diverged in step {step} of a window of {last}. {WHAT_TO_DO}"
                )
            yield x, pullback

    def _misfit(self, x: np.ndarray, step: int) -> tuple[float, np.ndarray]:
        """The observations' part of J at one time, and its gradient in x_l."""
        J, gradient = 0.0, np.zeros_like(x)
        for y in self._at_step[step]:
            misfit, sensitivity = y.misfit(x)
            J += misfit
            gradient += sensitivity
        return J, gradient

    @cached_property
    def _at_step(self) -> list[list[TimedObservations]]:
        """The observations of each time, (L + 1,)."""
        times: list[list[TimedObservations]] = [[] for _ in range(len(self.steps) + 1)]
        for y in self.observations:
            times[y.step].append(y)
        return times

    def _sweep_back(self, pullbacks: list[Pullback], sensitivities: list[np.ndarray]) -> np.ndarray:
        """The observations' part of the gradient, (controls,), from its parts in x_0 … x_last."""
        gradient = np.zeros(self.controls)
        v, w = self._split(gradient)
        adjoint = np.zeros_like(self.background)
        for step in reversed(range(len(pullbacks))):
            adjoint = adjoint + sensitivities[step]
            if self.model_error_root and step > 0:
                w[step - 1] = self.model_error_root.adjoint(adjoint)
            adjoint = pullbacks[step](adjoint)
        v[...] = adjoint
        return gradient

    def _split(self, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Views of v, (*root.control_shape), and of w_1 … w_L."""
        v, w = np.split(control, [prod(self.root.control_shape)])
        return v.reshape(self.root.control_shape), w.reshape(self._forcing_shape)

    @property
    def _forcing_shape(self) -> tuple[int, ...]:
        """That of w_1 … w_L, (L, *control) or (0,)."""
        root = self.model_error_root
        return (len(self.steps), *root.control_shape) if root else (0,)
