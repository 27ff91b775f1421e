"""3D-Var and 4D-Var: the trajectory that is nearest to background and observations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.errors import DataError
from dambench_hub.estimation.minimisation import Minimum, minimise, minimise_quadratic
from dambench_hub.estimation.window_cost import WindowCost


@dataclass(frozen=True, eq=False)
class WindowAnalysis:
    """What comes of a window.

    Attributes:
        trajectory: x^a_0 … x^a_L, (L + 1, *state); the first is the analysis at the window's start.
        searches: What became of the minimisation; more than one where the window grew. The last
            one is that of the whole window.
    """

    trajectory: np.ndarray
    searches: tuple[Minimum, ...]

    @property
    def converged(self) -> bool:
        """Whether the search over the whole window reached its tolerance."""
        return self.searches[-1].converged


def analyse_window(
    cost: WindowCost,
    *,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
    growth: int | None = None,
) -> WindowAnalysis:
    """The analysis that minimises J, from the background on.

    J of a long window has many minima, and those far from the background are wrong. A window that
    grows (quasi-static) follows the right one: each search begins where the one before ended.

    Args:
        cost: J of the window.
        tolerance: Of each search, see `minimise`.
        max_iterations: Of each search.
        growth: Let the window grow by so many steps from search to search; None does it in one.

    Raises:
        ForecastError: When a forecast in the window diverges.

    References:
        Pires, Vautard and Talagrand (1996), Tellus 48A, 96-121.
    """
    steps = len(cost.steps)
    if growth is not None and growth < 1:
        raise DataError(f"A window grows by at least 1 step, got {growth}.")
    ends = [*range(growth, steps, growth), steps] if growth else [steps]
    control, searches = np.zeros(cost.controls), []
    for end in ends:
        found = minimise(
            cost.until(end), control, tolerance=tolerance, max_iterations=max_iterations
        )
        control = found.control
        searches.append(found)
    return WindowAnalysis(cost.trajectory(control), tuple(searches))


def analyse_linear_window(cost: WindowCost) -> WindowAnalysis:
    """The analysis where the model and all H are linear, to rounding, as 3D-Var's often are.

    Raises:
        DataError: When one of them is not, or the system is too ill-conditioned.
    """
    found = minimise_quadratic(cost, cost.controls)
    return WindowAnalysis(cost.trajectory(found.control), (found,))
