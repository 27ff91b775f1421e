"""What the two forms of 4D-Var share: B, a model seen in channels, and the search over a window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.dynamics.model_view import LinearIncrement, ModelView
from dambench_hub.errors import DataError, TaskError
from dambench_hub.estimation.covariance_roots import CovarianceRoot, MappedRoot
from dambench_hub.estimation.operators import Pullback
from dambench_hub.estimation.variational import WindowAnalysis, analyse_window
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost
from dambench_hub.estimation.window_means import states_of, with_means
from dambench_hub.models.background_errors import require_same
from dambench_hub.models.balanced_covariance import (
    BalancedCovariance,
    covariance_files,
    covariance_from_files,
    covariance_kinds,
    covariance_root,
    fit_balanced_covariance,
)
from dambench_hub.models.base import Assimilator
from dambench_hub.models.fitted_files import load_fitted, save_fitted
from dambench_hub.models.modality_errors import (
    MEAN_HOURS,
    DepartureSums,
    ModalityErrors,
    array_of_errors,
    errors_from_arrays,
    errors_to_arrays,
    mean_observations,
)
from dambench_hub.models.modality_fields import modality_names
from dambench_hub.models.point_observations import point_observations

Increments = tuple[LinearIncrement, Pullback]
"""G, linearised about a window's first state, and its adjoint."""


class WindowMethod(Assimilator):
    """A method whose analysis is a trajectory of a forecast model through a window.

    B = U Uᵀ is that of 3D-Var, in channels; increments to a state of the model are G U v, with G
    the model's view linearised about the background. What is observed of a state x is H see(x).
    Observations without error are taken to have 1 % of the background error's standard deviation.

    Forecasts of the training split, `lead_hours` long, are wrong by b in the mean: the model drifts
    from the truth. In a window of h hours it is taken to drift by G b h / `lead_hours`, which its
    states lose step by step, as 3D-Var's backgrounds lose b.

    Modalities are means over 24 h: J has ½ Σ ((mean − y) / σ)² over the points where y is there,
    with the mean over the window of what the model's physics gives. y loses the mean departure of
    the training split by latitude, σ is these departures' standard deviation (`ModalityErrors`). A
    window that does not start 24 h before them and a model without means leave modalities out.

    Args:
        channels: Names of the C channels.
        covariance: B of the errors of forecasts, as training splits have them.
        bias: b, their mean error, (C, Y, X), units of the channels.
        lead_hours: Length of these forecasts.
        background_scale: Standard deviation of the errors at a window's start over those of B; less
            than 1 where the window starts from an analysis.
        tolerance: Of the search, see `minimise`. Gradients in single precision reach 10⁻².
        max_iterations: Of the search.
        growth_hours: By which the window grows (quasi-static); None searches it at once.
        modalities: Name or names of those that are assimilated.

    Attributes:
        view: The forecast model, which whoever uses the method has to set.
        modality_errors: Of departures by modality, as `fit` finds them.

    Raises:
        TaskError: When an option is out of range.
    """

    view: ModelView | None = None

    def __init__(
        self,
        channels: tuple[str, ...],
        covariance: BalancedCovariance,
        bias: np.ndarray,
        *,
        lead_hours: float,
        background_scale: float,
        tolerance: float,
        max_iterations: int,
        growth_hours: float | None,
        modalities: str | Sequence[str],
    ) -> None:
        growth = np.inf if growth_hours is None else growth_hours
        positive = (lead_hours, background_scale, tolerance, growth)
        if not (all(number > 0 for number in positive) and max_iterations >= 1):
            raise TaskError(
                "Wanted lead_hours > 0, background_scale > 0, tolerance > 0, max_iterations ≥ 1 "
                f"and growth_hours > 0 or none, got {lead_hours}, {background_scale}, {tolerance}, "
                f"{max_iterations} and {growth_hours}."
            )
        self.channels, self.covariance, self.bias = tuple(channels), covariance, bias
        self.lead_hours = lead_hours
        self.background_scale, self.tolerance = background_scale, tolerance
        self.max_iterations, self.growth_hours = max_iterations, growth_hours
        self.modalities = modality_names(modalities)
        self.modality_errors: Mapping[str, ModalityErrors] = {}

    @classmethod
    def fit(cls, training: Iterable[Batch], covariance: str | None = None, **options: Any) -> Self:
        """B and the mean error from background − reference, and the errors of modalities.

        Args:
            training: Batches of the training split, with their references.
            covariance: Form of B, `zonal` or `spectral`; None goes by the size of the grid.
            options: Of the constructor, by name.

        Raises:
            TaskError: When there is no such form, no training sample, or one without its reference.
        """
        sums = DepartureSums()
        channels, B, bias, _ = fit_balanced_covariance(sums.watch(training), "4D-Var", covariance)
        method = cls(channels, B, bias, **options)
        method.modality_errors = sums.errors()
        return method

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """Refused: a sample of one time has no window.

        Raises:
            TaskError: Always.
        """
        raise TaskError(
            f"{self.name} analyses a model's states over a window, and this task has observations "
            "of single times: 4D-Var without a window is 3D-Var. Use var3d; or run it in its own "
            f"cycle: python baselines/cycle.py {self.name} --data …"
        )

    def analyse_states(
        self, state: np.ndarray, start: np.datetime64, batches: Sequence[Batch]
    ) -> np.ndarray:
        """The last state of `assimilate_window`, (*state_shape)."""
        return self.assimilate_window(state, start, batches).trajectory[-1]

    def assimilate_window(
        self, state: np.ndarray, start: np.datetime64, batches: Sequence[Batch]
    ) -> WindowAnalysis:
        """The analysis, at the window's start and at each later time with observations.

        Args:
            state: x^b, (*state_shape), in the variables of the model.
            start: Its valid time.
            batches: Observations, one sample each, at the start or later; backgrounds are not used.

        Raises:
            TaskError: When no model was set.
            DataError: When batches or model are of other channels or another grid than B, have
                several samples, or come before the start; or when the background is not finite.
            ForecastError: When the window is longer than the model allows, the model is not
                differentiable, or its forecast diverges.
        """
        analysis = analyse_window(
            self.cost(state, start, batches),
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            growth=self._growth(self._times(start, batches)),
        )
        return replace(analysis, trajectory=states_of(analysis.trajectory, np.shape(state)))

    def cost(self, state: np.ndarray, start: np.datetime64, batches: Sequence[Batch]) -> WindowCost:
        """J, see `assimilate_window`; with modalities, of states as `with_means` has them."""
        view = self._require_view()
        state = view.model.require_states(state, most_axes=0)
        hours = self._times(start, batches)
        G, lengths = view.linear_increments(state), np.diff(hours)
        drift = G[0](self.bias) / self.lead_hours
        drifts = [length * drift for length in lengths]
        cost = WindowCost(
            background=state,
            root=self._root_through(G, self.background_scale),
            observations=[
                self._timed(batch, hours.index(self._hours(batch, start))) for batch in batches
            ],
            steps=list(map(_less, view.model.window(hours, start), drifts)),
            model_error_root=self._model_error_root(G),
        )
        known = self.modality_errors.keys() & view.model.mean_names
        names = [name for name in self.modalities if name in known]
        means = [
            y
            for batch in batches
            if names and self._hours(batch, start) == MEAN_HOURS
            for y in mean_observations(batch, hours.index(MEAN_HOURS), names, self.modality_errors)
        ]
        if not means:
            return cost
        steps = map(_less, view.window_with_means(names, hours, start), drifts)
        return with_means(cost, list(steps), lengths / MEAN_HOURS, means)

    def _model_error_root(self, G: Increments) -> CovarianceRoot | None:
        """Q^½ of the window; None for a strong constraint."""
        return None

    def _root_through(self, G: Increments, scale: float) -> MappedRoot:
        """Times `scale`, G U."""
        return MappedRoot(self._root, *G, scale)

    @cached_property
    def _root(self) -> CovarianceRoot:
        return covariance_root(self.covariance)

    def _timed(self, batch: Batch, step: int) -> TimedObservations:
        """The observations of a batch, with H see as their operator."""
        view = self._require_view()
        seen = point_observations(batch, 0)

        def operator(state: np.ndarray) -> tuple[np.ndarray, Pullback]:
            in_channels, pullback = view.linearise(state)
            observed = seen.H(in_channels)
            return observed, lambda sensitivity: pullback(seen.H.adjoint(sensitivity))

        std = np.broadcast_to(seen.floored_std(self.covariance.scale)[:, None], seen.values.shape)
        return TimedObservations(step, seen.values, std, operator)

    def _times(self, start: np.datetime64, batches: Sequence[Batch]) -> list[float]:
        """The start and each later time with observations, hours after the start."""
        return sorted({0.0, *(self._hours(batch, start) for batch in batches)})

    def _hours(self, batch: Batch, start: np.datetime64) -> float:
        """When a batch's observations are made, after the start of the window."""
        require_same(self.channels, self.covariance.grid, batch)
        if len(batch) != 1:
            raise DataError(
                f"A window takes a batch of one sample for each time, got {len(batch)} samples."
            )
        hours = float((batch.time[0] - start) / np.timedelta64(1, "h"))
        if hours < 0:
            raise DataError(
                f"Observations of {batch.time[0]} lie before the window, which starts at {start}. "
                "Drop them, or begin with an earlier state."
            )
        return hours

    def _growth(self, hours: Sequence[float]) -> int | None:
        """Steps by which the window grows, at least 1; None for all at once."""
        if self.growth_hours is None:
            return None
        return max(1, int(np.searchsorted(hours[1:], self.growth_hours, side="right")))

    def _require_view(self) -> ModelView:
        if self.view is None:
            raise TaskError(
                f"{self.name} needs a forecast model: set method.view to a ModelView of it, as "
                "baselines/cycle.py does."
            )
        require_same(self.channels, self.covariance.grid, self.view)
        return self.view

    def save(self, folder: Path) -> None:
        """Write `model.safetensors` and `config.json`, for `load`; the model is no part of them."""
        config, arrays = covariance_files(self.covariance)
        config |= {"method": self.name, "channels": self.channels, "options": self.options}
        config |= {"departures": list(self.modality_errors)}
        arrays |= {"bias": self.bias, **errors_to_arrays(self.modality_errors)}
        save_fitted(folder, config, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            DataError: When a file is missing or damaged.
        """

        def kinds(config: Mapping[str, Any]) -> dict[str, str]:
            errors = map(array_of_errors, config["departures"])
            return covariance_kinds(config) | dict.fromkeys(["bias", *errors], "f")

        return load_fitted(folder, kinds, cls._build)

    @classmethod
    def _build(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        B = covariance_from_files(config, arrays)
        method = cls(tuple(config["channels"]), B, arrays["bias"], **config["options"])
        method.modality_errors = errors_from_arrays(config["departures"], arrays)
        return method


def _less(step: Callable[[np.ndarray], Any], drift: np.ndarray) -> Callable[[np.ndarray], Any]:
    """The step x ↦ M(x) − drift; what else it gives stays."""

    def corrected(state: np.ndarray) -> Any:
        forecast, *others = step(state)
        return forecast - drift, *others

    return corrected
