"""`ModelView`: what the states of a forecast model are in the channels of a data set, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.dynamics.forecast_model import (
    ForecastModel,
    LinearisedWithMeans,
    Pullback,
)
from dambench_hub.errors import ForecastError

LinearIncrement = Callable[[np.ndarray], np.ndarray]
"""δ ↦ δx, from increments in channels, (C, Y, X), to those in a state, (*state_shape)."""

StepWithMeans = Callable[
    [np.ndarray],
    tuple[np.ndarray, np.ndarray, Callable[[np.ndarray, np.ndarray], np.ndarray]],
]
"""x ↦ (M x, F x, (v, w) ↦ Mᵀ v + Fᵀ w); F x are means over the step on the grid, (K, Y, X)."""


class ModelView(ABC):
    """Sees the states of a model as fields on a grid, and adds increments of such fields to them.

    The way back is by increments: x_a = x_b + G(x_b, δ) with δ the increment of an analysis in
    channels. What the channels cannot see of a state stays as it is, and δ = 0 returns its bits.

    Attributes:
        model: The model.
        channels: Names of the C channels.
        grid: Y×X grid.
    """

    model: ForecastModel
    channels: tuple[str, ...]
    grid: Grid

    @abstractmethod
    def see(self, states: np.ndarray) -> np.ndarray:
        """Channels of one state or of members, float32, (C, Y, X) or (M, C, Y, X).

        Raises:
            ForecastError: When the states have another shape than the model's.
        """

    @abstractmethod
    def add(self, states: np.ndarray, increments: np.ndarray) -> np.ndarray:
        """x_a: the states with increments to what is seen of them, float64, shaped as the states.

        Args:
            states: x_b, (*state_shape) or (M, *state_shape).
            increments: δ, (C, Y, X) or (M, C, Y, X); zero returns the same bits.

        Raises:
            ForecastError: When the increments do not belong to the states.
        """

    @abstractmethod
    def guess(self, time: np.datetime64, seed: int) -> np.ndarray:
        """Some state of the model at a time, (*state_shape), for increments to be added to.

        What the channels cannot see must be as the model has it in that season.

        Args:
            time: Valid time.
            seed: Makes other weather.
        """

    def linearise(self, state: np.ndarray) -> tuple[np.ndarray, Pullback]:
        """What is seen of one state, and the adjoint of its linearisation, (C, Y, X) to the state.

        Raises:
            ForecastError: When the view is not differentiable.
        """
        raise self._not_differentiable()

    def linear_increments(self, state: np.ndarray) -> tuple[LinearIncrement, Pullback]:
        """δ ↦ G'(x_b) δ, `add` linearised about one state, and the exact adjoint of that map.

        Where `add` has kinks, as for what cannot fall below zero, G' is a linear map for increments
        as large as those of analyses rather than the derivative at δ = 0.

        Raises:
            ForecastError: When the view is not differentiable.
        """
        raise self._not_differentiable()

    def regrid(self, mean: np.ndarray) -> np.ndarray:
        """A mean of the model on the grid of the channels, (Y, X); here it lies there already."""
        return mean

    def regrid_adjoint(self, sensitivity: np.ndarray) -> np.ndarray:
        """From sensitivities to a regridded mean, (Y, X), to those to the mean; see `regrid`."""
        return sensitivity

    def advance_with_means(
        self, states: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Members `hours` later, and the means over the last 24 h of their forecasts.

        Args:
            states: (M, *state_shape).
            hours: Length of the forecast.
            start: Valid time of the states.

        Returns:
            The states, float64, and by name, for a model that has them, the means on the grid,
            float32, (M, Y, X).

        Raises:
            ForecastError: As `ForecastModel.advance`.
        """
        states, means = self.model.advance_with_means(states, hours, start)
        seen = {name: [self.regrid(one) for one in mean] for name, mean in means.items()}
        return states, {name: np.array(fields, np.float32) for name, fields in seen.items()}

    def window_with_means(
        self, names: Sequence[str], hours: Sequence[float], start: np.datetime64 | None = None
    ) -> list[StepWithMeans]:
        """The forecasts of `ForecastModel.window_with_means`, with these K of their means.

        Args:
            names: Of the means, some of the model's `mean_names`.
            hours: Times of the window, (L + 1,).
            start: Valid time of its start.

        Raises:
            ForecastError: As `ForecastModel.window`.
        """
        forecasts = self.model.window_with_means(hours, start)
        return [partial(self._step_with_means, names, forecast) for forecast in forecasts]

    def _step_with_means(
        self, names: Sequence[str], forecast: LinearisedWithMeans, state: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
        end, means, pull = forecast(state)

        def pullback(sensitivity: np.ndarray, of_means: np.ndarray) -> np.ndarray:
            each = map(self.regrid_adjoint, of_means)
            return pull(sensitivity, dict(zip(names, each, strict=True)))

        return end, np.stack([self.regrid(means[name]) for name in names]), pullback

    def _not_differentiable(self) -> ForecastError:
        return ForecastError(
            f"What is seen of the model {self.model.name} is not differentiable, which var4d and "
            "weak_var4d need. Use an ensemble method (letkf, enkf)."
        )

    def require_increments(self, states: np.ndarray, increments: np.ndarray) -> np.ndarray:
        """The increments, checked against the states that they are added to."""
        increments = np.asarray(increments)
        members = states.shape[: states.ndim - len(self.model.state_shape)]
        wanted = (*members, len(self.channels), *self.grid.shape)
        if increments.shape != wanted:
            raise ForecastError(
                f"Increments to these states have shape {wanted} ({len(self.channels)} channels "
                f"on {self.grid}), got {increments.shape}."
            )
        return increments


class ChannelStates(ModelView):
    """For models whose states are the channels themselves, (C, Y, X): nothing to translate.

    Args:
        model: Its state_shape is (C, Y, X).
        channels: Names of the C channels.
        grid: Y×X grid.

    Raises:
        ForecastError: When the model's states have another shape.
    """

    def __init__(self, model: ForecastModel, channels: Sequence[str], grid: Grid) -> None:
        self.model, self.channels, self.grid = model, tuple(channels), grid
        if model.state_shape != (wanted := (len(self.channels), *grid.shape)):
            raise ForecastError(
                f"The model {model.name} has states of shape {model.state_shape}, "
                f"{len(self.channels)} channels on {grid} have {wanted}."
            )

    def see(self, states: np.ndarray) -> np.ndarray:
        """The states."""
        return self.model.require_states(states).astype(np.float32)

    def add(self, states: np.ndarray, increments: np.ndarray) -> np.ndarray:
        """x_b + δ."""
        states = self.model.require_states(states)
        return states + self.require_increments(states, increments)

    def guess(self, time: np.datetime64, seed: int) -> np.ndarray:
        """Zeros: all of a state is seen."""
        return np.zeros(self.model.state_shape)

    def linearise(self, state: np.ndarray) -> tuple[np.ndarray, Pullback]:
        """The state, and the identity."""
        return self.see(self.model.require_states(state, most_axes=0)), _same

    def linear_increments(self, state: np.ndarray) -> tuple[LinearIncrement, Pullback]:
        """The identity, twice."""
        return _same, _same


def _same(field: np.ndarray) -> np.ndarray:
    return field
