"""`ForecastModel`, what every forecast model is: states advanced in time, and its adjoint.

States are arrays of one shape, in the model's own variables; what observers see of them is the
business of others. Time is counted in hours everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import numpy as np

from dambench_hub.errors import ForecastError

Pullback = Callable[[np.ndarray], np.ndarray]
"""v ↦ Mᵀ v, from sensitivities to the end of a forecast to those to its start, (*state_shape)."""

LinearisedForecast = Callable[[np.ndarray], tuple[np.ndarray, Pullback]]
"""x ↦ (M x, pullback at x)."""

Means = Mapping[str, np.ndarray]
"""Means over a forecast by name, each on a grid of the model."""

PullbackWithMeans = Callable[[np.ndarray, Means], np.ndarray]
"""(v, w) ↦ Mᵀ v + Fᵀ w, from sensitivities to end and means of a forecast to those to its start."""

LinearisedWithMeans = Callable[[np.ndarray], tuple[np.ndarray, Means, PullbackWithMeans]]
"""x ↦ (M x, F x, pullback at x)."""


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
        mean_names: What forecasts also give as means over their length, if anything: precipitation
            (mm/day), olr (W m⁻²).
    """

    name: ClassVar[str]
    state_shape: tuple[int, ...]
    step_hours: float
    longest_window_hours: float = np.inf
    mean_names: tuple[str, ...] = ()

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

    def advance_with_means(
        self, states: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """As `advance`, and by `mean_names` means over the last 24 h of the forecast.

        Those of members have M first. Empty for a model without means.
        """
        return self.advance(states, hours, start), {}

    def linearise_with_means(
        self, state: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, Means, PullbackWithMeans]:
        """As `linearise`, with the means over the whole forecast and their part of the adjoint.

        Raises:
            ForecastError: As `linearise`; or when the model has no means.
        """
        raise ForecastError(
            f"The model {self.name} gives no means over its forecasts: modalities cannot be "
            "compared with them. Use a model that does, or leave modalities out."
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
        return [
            partial(self.linearise, hours=length, start=valid)
            for length, valid in self._lengths(hours, start)
        ]

    def window_with_means(
        self, hours: Sequence[float], start: np.datetime64 | None = None
    ) -> list[LinearisedWithMeans]:
        """As `window`, each forecast as `linearise_with_means` has it."""
        return [
            partial(self.linearise_with_means, hours=length, start=valid)
            for length, valid in self._lengths(hours, start)
        ]

    def _lengths(
        self, hours: Sequence[float], start: np.datetime64 | None
    ) -> Iterator[tuple[float, np.datetime64 | None]]:
        """Length of each forecast in a window, and when it starts."""
        if not len(hours) or hours[0] != 0 or np.any(np.diff(hours) <= 0):
            raise ForecastError(f"Times of a window increase from 0 h, got {list(hours)}.")
        if hours[-1] > self.longest_window_hours:
            raise ForecastError(
                f"A window of {hours[-1]:g} h is longer than the {self.longest_window_hours:g} h "
                f"that the model {self.name} allows: gradients through it would be of no use. Take "
                "a shorter window."
            )
        for begin, end in zip(hours[:-1], hours[1:], strict=True):
            self.steps(end - begin)
            valid = None if start is None else start + np.timedelta64(round(3600 * begin), "s")
            yield end - begin, valid

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
