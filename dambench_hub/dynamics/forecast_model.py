"""`ForecastModel`, what every forecast model is: states advanced in time, and its adjoint.

States are arrays of one shape, in the model's own variables; what observers see of them is the
business of others. Time is counted in hours everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import numpy as np

from dambench_hub.errors import ForecastError

Pullback = Callable[[np.ndarray], np.ndarray]
"""v ↦ Mᵀ v, from sensitivities to the end of a forecast to those to its start, (*state_shape)."""

LinearisedForecast = Callable[[np.ndarray], tuple[np.ndarray, Pullback]]
"""x ↦ (M x, pullback at x)."""


class ForecastModel(ABC):
    """x(t + h) = M_h(x(t), t), deterministic.

    The rules, for all models:

    - Two forecasts in a row are one: advancing by 6 h and then 12 h gives what 18 h gives, bit for
      bit where the state is all that a model remembers.
    - A member's forecast does not depend on the other members of its batch.
    - A forecast that breaks down is returned as it is, not finite; who calls must look.

    Attributes:
        name: What messages and commands call the model.
        state_shape: Shape of one state.
        step_hours: Forecasts are as long as a whole number of these.
        longest_window_hours: Beyond this, gradients are of no use or too expensive.
    """

    name: ClassVar[str]
    state_shape: tuple[int, ...]
    step_hours: float
    longest_window_hours: float = np.inf

    @abstractmethod
    def advance(
        self, states: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> np.ndarray:
        """The states `hours` later, float64.

        Args:
            states: One state, (*state_shape), or a batch of members, (M, *state_shape).
            hours: Length of the forecast, a multiple of `step_hours`; 0 returns the states.
            start: Valid time of the states, for models with seasons; others ignore it.

        Raises:
            ForecastError: When the states have another shape, or `hours` is no multiple.
        """

    def linearise(
        self, state: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, Pullback]:
        """One state `hours` later, and the adjoint of the model linearised about its forecast.

        Raises:
            ForecastError: As `advance`; or when the model is not differentiable.
        """
        raise ForecastError(
            f"The model {self.name} is not differentiable: it gives no adjoint, which var4d and "
            "weak_var4d need. Use a model that does, or an ensemble method (letkf, enkf)."
        )

    def window(
        self, hours: Sequence[float], start: np.datetime64 | None = None
    ) -> list[LinearisedForecast]:
        """The forecasts from time to time of an assimilation window, each as `linearise` has it.

        Args:
            hours: Times of the window, increasing from 0, its start: (L + 1,).
            start: Valid time of its start, for models with seasons.

        Returns:
            L maps x_{l−1} ↦ (x_l, pullback).

        Raises:
            ForecastError: When the window is longer than the model allows, or its times are no
                times of a window or no whole steps.
        """
        if not len(hours) or hours[0] != 0 or np.any(np.diff(hours) <= 0):
            raise ForecastError(f"Times of a window increase from 0 h, got {list(hours)}.")
        if hours[-1] > self.longest_window_hours:
            raise ForecastError(
                f"A window of {hours[-1]:g} h is longer than the {self.longest_window_hours:g} h "
                f"that the model {self.name} allows: gradients through it would be of no use. Take "
                "a shorter window."
            )
        maps: list[LinearisedForecast] = []
        for begin, end in zip(hours[:-1], hours[1:], strict=True):
            self.steps(end - begin)
            valid = None if start is None else start + np.timedelta64(round(3600 * begin), "s")
            maps.append(partial(self.linearise, hours=end - begin, start=valid))
        return maps

    def steps(self, hours: float) -> int:
        """How many steps make `hours`.

        Raises:
            ForecastError: When they are not whole and at least 0.
        """
        count = round(hours / self.step_hours)
        if count < 0 or abs(count * self.step_hours - hours) > 1e-6 * self.step_hours:
            raise ForecastError(
                f"The model {self.name} takes steps of {self.step_hours:g} h; a forecast of "
                f"{hours:g} h is no whole number of them."
            )
        return count

    def require_states(self, states: np.ndarray, most_axes: int = 1) -> np.ndarray:
        """The states as float64, checked for their shape; `most_axes` may come before it."""
        states = np.asarray(states, np.float64)
        leading = states.ndim - len(self.state_shape)
        if not 0 <= leading <= most_axes or states.shape[leading:] != self.state_shape:
            raise ForecastError(
                f"A state of the model {self.name} has shape {self.state_shape}, members come "
                f"before it; got {states.shape}."
            )
        return states
