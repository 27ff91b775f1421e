"""Observations of means over a window: J of states that carry the means along.

    z_l = (x_l, F_l),   F_0 = 0,   F_l = F_{l−1} + s_l f_l

with f_l the mean over the step from x_{l−1} to x_l and s_l its share of the time that is averaged
over. Where the shares of the steps until l add up to 1, F_l is the mean since the window's start,
and what is observed of it is observed of z_l: J and its sweeps stay those of `WindowCost`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from dambench_hub.errors import DataError
from dambench_hub.estimation.covariance_roots import CovarianceRoot, MappedRoot
from dambench_hub.estimation.operators import DifferentiableMap, Pullback
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost

MeansPullback = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(v, w) ↦ Mᵀ v + Fᵀ w, from sensitivities to state and means to those to the state before."""

MeansMap = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, MeansPullback]]
"""x ↦ (M(x), f(x), pullback)."""


@dataclass(frozen=True, eq=False)
class MeanObservations:
    """y of means since the window's start, at one time.

    Attributes:
        step: l, how many steps lie before it, at least 1; their shares add up to 1.
        values: y, (K, …) like the means; NaN where there is none.
        std: Standard deviation of the departure from a model's mean, positive where there is y.
    """

    step: int
    values: np.ndarray
    std: np.ndarray


def with_means(
    cost: WindowCost,
    steps: Sequence[MeansMap],
    shares: np.ndarray,
    observations: Sequence[MeanObservations],
) -> WindowCost:
    """J with the misfit ½ Σ ((F_l − y) / σ)² of means, over the points where y is there.

    Args:
        cost: J without them; its steps are not used. Controls keep their meaning.
        steps: As its own, with means (K, …).
        shares: s_l of each, (L,).
        observations: Of means.

    Returns:
        J of states z, which are vectors: x first, `states_of` has it.

    Raises:
        DataError: When there is no observation of means, or one at another time than the shares
            average over.
    """
    if not observations:
        raise DataError("There are no observations of means; use the cost as it is.")
    for y in observations:
        if not np.isclose(covered := shares[: y.step].sum(), 1):
            raise DataError(
                f"Means observed at step {y.step} are over the time since the window's start, and "
                f"its steps are {covered:.3g} of it. Leave them out, or take a window that fits."
            )
    pair = _Pair(np.shape(cost.background), np.shape(observations[0].values))
    root = cost.model_error_root
    return WindowCost(
        background=pair.join(cost.background, pair.nothing),
        root=pair.root(cost.root),
        observations=[pair.of_state(y) for y in cost.observations]
        + [pair.of_means(y) for y in observations],
        steps=[pair.step(step, share) for step, share in zip(steps, shares, strict=True)],
        model_error_root=pair.root(root) if root else None,
    )


def states_of(trajectory: np.ndarray, state_shape: tuple[int, ...]) -> np.ndarray:
    """x_0 … x_L, (L + 1, *state_shape), of a trajectory of x or of z."""
    size = prod(state_shape)
    return trajectory.reshape(len(trajectory), -1)[:, :size].reshape(-1, *state_shape)


@dataclass(frozen=True)
class _Pair:
    """States x and means F as one vector."""

    state_shape: tuple[int, ...]
    means_shape: tuple[int, ...]

    @property
    def nothing(self) -> np.ndarray:
        return np.zeros(self.means_shape)

    def join(self, x: np.ndarray, F: np.ndarray) -> np.ndarray:
        return np.concatenate([x.ravel(), F.ravel()])

    def split(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, F = np.split(z, [prod(self.state_shape)])
        return x.reshape(self.state_shape), F.reshape(self.means_shape)

    def root(self, root: CovarianceRoot) -> MappedRoot:
        """Errors of the state; the means follow from it."""
        return MappedRoot(root, lambda x: self.join(x, self.nothing), lambda z: self.split(z)[0])

    def step(self, step: MeansMap, share: float) -> DifferentiableMap:
        def joined(z: np.ndarray) -> tuple[np.ndarray, Pullback]:
            x, F = self.split(z)
            x, f, pull = step(x)

            def pullback(sensitivity: np.ndarray) -> np.ndarray:
                of_x, of_F = self.split(sensitivity)
                return self.join(pull(of_x, share * of_F), of_F)

            return self.join(x, F + share * f), pullback

        return joined

    def of_state(self, y: TimedObservations) -> TimedObservations:
        def operator(z: np.ndarray) -> tuple[np.ndarray, Pullback]:
            equivalent, pull = y.operator(self.split(z)[0])
            return equivalent, lambda sensitivity: self.join(pull(sensitivity), self.nothing)

        return replace(y, operator=operator)

    def of_means(self, y: MeanObservations) -> TimedObservations:
        there = np.isfinite(y.values)

        def operator(z: np.ndarray) -> tuple[np.ndarray, Pullback]:
            def pullback(sensitivity: np.ndarray) -> np.ndarray:
                of_means = self.nothing
                of_means[there] = sensitivity
                return self.join(np.zeros(self.state_shape), of_means)

            return self.split(z)[1][there], pullback

        return TimedObservations(y.step, y.values[there], y.std[there], operator)
