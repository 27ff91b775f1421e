"""What 4D-Var methods share: B, the model that they see, and the cost of a window.

    x_0 = x^b + s G U v

U is a root of B, the covariance of background errors in the channels, and G brings increments of
the channels to the model's states; s is how large the errors at the window's start are beside those
that B was fitted to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.dynamics.model_view import ModelView
from dambench_hub.errors import DataError, TaskError
from dambench_hub.estimation.covariance_roots import CovarianceRoot, MappedRoot
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.estimation.operators import Pullback
from dambench_hub.estimation.training_errors import TrainingErrors
from dambench_hub.estimation.variational import WindowAnalysis, analyse_window
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost
from dambench_hub.estimation.zonal_covariance import ZonalCovariance, fit_zonal_covariance
from dambench_hub.estimation.zonal_root import ZonalRoot
from dambench_hub.models.background_errors import background_errors, require_same
from dambench_hub.models.base import Assimilator
from dambench_hub.observations.operators import GridSelection


class WindowMethod(Assimilator):
    """A method that analyses the states of a forecast model over a window.

    It needs a model that it can see, `method.view = view`, and observations at times of a window:
    tasks of single times have none.

    Args:
        channels: Names of the C channels.
        covariance: B.
        background_scale: s.
        tolerance: Of the search, see `minimise`. Gradients in single precision bear no less than
            the default.
        max_iterations: Of the search.
        growth: Let the window grow by so many observation times from search to search; None takes
            all at once.

    Attributes:
        view: The model, seen in the channels.

    Raises:
        TaskError: When an option is out of range.
    """

    view: ModelView | None = None

    def __init__(
        self,
        channels: tuple[str, ...],
        covariance: ZonalCovariance,
        *,
        background_scale: float,
        tolerance: float,
        max_iterations: int,
        growth: int | None,
    ) -> None:
        if not (background_scale > 0 and 0 < tolerance < 1 and max_iterations >= 1):
            raise TaskError(
                "Wanted background_scale > 0, tolerance between 0 and 1 and max_iterations ≥ 1, "
                f"got {background_scale:g}, {tolerance:g} and {max_iterations}."
            )
        if growth is not None and growth < 1:
            raise TaskError(f"growth is at least 1 observation time, got {growth}.")
        self.channels, self.covariance = tuple(channels), covariance
        self.background_scale, self.growth = background_scale, growth
        self.tolerance, self.max_iterations = tolerance, max_iterations

    @classmethod
    def fit(cls, training: Iterable[Batch], **options: Any) -> Self:
        """B from background − reference; some hundred samples are enough.

        Raises:
            TaskError: When there is no training sample, or one without its reference.
        """
        errors = TrainingErrors()
        for batch, error, hours in background_errors(training, "4D-Var"):
            channels, grid = batch.channels, batch.grid
            errors.add(error, hours)
        return cls(channels, fit_zonal_covariance(errors.deviations(), grid), **options)

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """Refused: a batch has one time.

        Raises:
            TaskError: Always; it says what to use.
        """
        raise TaskError(
            f"{self.name} analyses a window of a forecast model, and this task has single times, "
            "where 4D-Var is 3D-Var. Use var3d, or let it cycle: python baselines/cycle.py "
            f"{self.name}."
        )

    def analyse_states(
        self, state: np.ndarray, start: np.datetime64, batches: Sequence[Batch]
    ) -> np.ndarray:
        """The analysis at the time of the last batch, see `assimilate_window`."""
        return self.assimilate_window(state, start, batches).trajectory[-1]

    def assimilate_window(
        self, state: np.ndarray, start: np.datetime64, batches: Sequence[Batch]
    ) -> WindowAnalysis:
        """The trajectory that is nearest to a background and to the observations of a window.

        Args:
            state: x^b at the window's start, in the model's variables, (*state_shape).
            start: Its valid time.
            batches: Observations, one sample each, at `start` or later.

        Returns:
            States at the start and at each later time of an observation, and what became of the
            search.

        Raises:
            TaskError: When there is no model.
            DataError: When model or observations have other channels or another grid than B, or
                observations lie before the window.
            ForecastError: When the window is longer than the model allows, the model is not
                differentiable, or a forecast in the window diverges.
        """
        cost = self.cost(state, start, batches)
        return analyse_window(
            cost,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            growth=self.growth,
        )

    def cost(self, state: np.ndarray, start: np.datetime64, batches: Sequence[Batch]) -> WindowCost:
        """J of a window; arguments and errors as `assimilate_window` has them."""
        view = self.view
        if view is None:
            raise TaskError(f"{self.name} needs a forecast model: set its view first.")
        require_same(self.channels, self.covariance.grid, view)
        hours = [(batch.time[0] - start) / np.timedelta64(1, "h") for batch in batches]
        if min(hours, default=0) < 0:
            raise DataError(
                f"Observations {-min(hours):g} h before {start}, where the window begins. Drop "
                "them, or begin earlier."
            )
        times = sorted({0.0, *hours})
        observations = [
            self._observations(view, batch, times.index(hour))
            for batch, hour in zip(batches, hours, strict=True)
        ]
        forward, backward = view.linear_increments(state)
        G_U = MappedRoot(self.root, forward, backward)
        return WindowCost(
            background=np.asarray(state, np.float64),
            root=MappedRoot(self.root, forward, backward, self.background_scale),
            observations=observations,
            steps=view.model.window(times, start),
            model_error_root=self.model_error_root(G_U),
        )

    def model_error_root(self, root: MappedRoot) -> CovarianceRoot | None:
        """Q^½ from G U; None where the model is taken to be perfect."""
        return None

    @cached_property
    def root(self) -> ZonalRoot:
        """U."""
        return ZonalRoot.of(self.covariance)

    def _observations(self, view: ModelView, batch: Batch, step: int) -> TimedObservations:
        """y, R and H ∘ see of one sample."""
        require_same(self.channels, self.covariance.grid, batch)
        H = GridSelection(len(batch.channels), batch.grid, batch.observation_index[0])
        values = batch.observation_values[0].astype(np.float64)
        std = floored(batch.observation_error_std, self.covariance.scale)

        def equivalent(state: np.ndarray) -> tuple[np.ndarray, Pullback]:
            seen, pullback = view.linearise(state)
            return H(seen), lambda departure: pullback(H.adjoint(departure))

        wide = np.broadcast_to(std[:, None], values.shape)
        return TimedObservations(step, values, wide, equivalent)
