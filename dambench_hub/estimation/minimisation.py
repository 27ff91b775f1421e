"""The minimum of a cost in whitened controls, and what became of the search for it.

Any cost is searched by L-BFGS, as well as the rounding of J allows: that hides gradients below
about 1e-7. Where a trial step makes a forecast diverge, the search steps back. A quadratic cost is
a linear system, solved by conjugate gradients to 1e-10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from dambench_hub.errors import DataError, ForecastError
from dambench_hub.estimation.conjugate_gradients import conjugate_gradients

Cost = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""v ↦ (J, its gradient), both over flat controls, (n,)."""

HISTORY = 10
"""Pairs of steps and gradient changes that L-BFGS remembers."""

QUADRATIC = 1e-6
"""Largest share of its gradient that a quadratic cost keeps at its minimum."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where the search ended.

    Attributes:
        control: v at the end, (n,).
        cost_start: J where it began.
        cost_end: J where it ended.
        gradient_reduction: Norm of the gradient at the end over that at the start; 1 when the start
            was the minimum.
        iterations: Steps taken.
        evaluations: How often J and its gradient were computed.
        converged: Whether the tolerance was reached.
        reason: Why the search ended, in words.
    """

    control: np.ndarray
    cost_start: float
    cost_end: float
    gradient_reduction: float
    iterations: int
    evaluations: int
    converged: bool
    reason: str


def minimise(
    cost: Cost, start: np.ndarray, *, tolerance: float = 1e-3, max_iterations: int = 100
) -> Minimum:
    """The minimum of J near a start.

    Args:
        cost: J, smooth.
        start: v where the search begins, (n,).
        tolerance: Converged once no component of the gradient is larger. Where J has ½‖v‖² and
            convex observation terms, its Hessian is at least I, so v is then no farther than that
            from the minimum, in the root mean square over its components: the tolerance is the
            analysis' numerical error in standard deviations of the background error.
        max_iterations: At most so many steps.

    Raises:
        ForecastError: When the forecast from the start diverges.
    """
    walled = _Walled(cost)
    result = minimize(
        walled,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxcor": HISTORY, "gtol": tolerance, "ftol": 0.0}
        | {"maxiter": max_iterations, "maxfun": 20 * max_iterations + 20},
    )
    largest = float(np.abs(result.jac).max())
    cost_start, norm = walled.cost_start, walled.norm_start
    converged = largest <= tolerance
    if converged:
        reason = f"the gradient is at most {tolerance:g} everywhere"
    elif result.nit >= max_iterations:
        reason = f"the limit of {max_iterations} iterations was reached, gradient {largest:.2g}"
    else:
        reason = f"no step lowers the cost any more, as rounding allows; gradient {largest:.2g}"
    return Minimum(
        control=result.x,
        cost_start=cost_start,
        cost_end=float(result.fun),
        gradient_reduction=float(np.linalg.norm(result.jac)) / norm if norm else 1.0,
        iterations=int(result.nit),
        evaluations=int(result.nfev),
        converged=converged,
        reason=reason,
    )


class _Walled:
    """J with a wall about where it cannot be computed.

    There it is taken as a bowl about the last v where it could, which rises by J of the start.
    """

    def __init__(self, cost: Cost) -> None:
        self.cost = cost
        self.last: tuple[np.ndarray, float] | None = None

    def __call__(self, control: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            J, gradient = self.cost(control)
        except ForecastError:
            if self.last is None:
                raise
            return self._wall(control, *self.last)
        if self.last is None:
            self.cost_start, self.norm_start = J, float(np.linalg.norm(gradient))
        self.last = control.copy(), J
        return J, gradient

    def _wall(self, control: np.ndarray, last: np.ndarray, J: float) -> tuple[float, np.ndarray]:
        step = control - last
        return J + self.cost_start, 2 * self.cost_start * step / (step @ step)


def minimise_quadratic(cost: Cost, controls: int) -> Minimum:
    """The minimum of J(v) = J(0) + g·v + ½ v·A v, where A v = −g.

    Args:
        cost: J, quadratic, its Hessian A at least I; asked for its gradient only.
        controls: n.

    Raises:
        DataError: When J is not quadratic, or conjugate gradients do not converge.
    """
    products = 0
    cost_start, g = cost(np.zeros(controls))

    def A(v: np.ndarray) -> np.ndarray:
        nonlocal products
        products += 1
        return cost(v)[1] - g

    control = conjugate_gradients(A, -g, precondition=lambda residual: residual) if g.any() else g
    cost_end, left = cost(control)
    reduction = float(np.linalg.norm(left) / np.linalg.norm(g)) if g.any() else 1.0
    if reduction > QUADRATIC and g.any():
        raise DataError(
            f"J is not quadratic: solved as if it were, its gradient is {reduction:.2g} of that at "
            "the start. The model or an observation operator is nonlinear; search for the minimum."
        )
    return Minimum(
        control=control,
        cost_start=cost_start,
        cost_end=cost_end,
        gradient_reduction=reduction,
        iterations=products,
        evaluations=products + 2,
        converged=True,
        reason="the linear system for it was solved",
    )
