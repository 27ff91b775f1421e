"""Forecasts from references against what came, beside persistence and climatology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dambench_hub.coordinates.times import HOURS_PER_YEAR, hours_since_epoch
from dambench_hub.data.dataset import Data
from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.errors import ScoreError
from dambench_hub.storage.manifest import TRAIN_SPLIT

SEASONAL_HOURS = 300 * 24
"""Training times that span less give a climatology without a seasonal cycle."""

FORECASTS = ("forecast", "persistence", "climatology")


@dataclass(frozen=True, eq=False)
class SeasonalClimatology:
    """c(t) = a₀ + a₁ cos ωt + b₁ sin ωt at each grid point, by least squares; ω is a year's.

    Attributes:
        coefficients: a₀, and a₁ and b₁ where there is a seasonal cycle, (1 or 3, C, Y, X).
    """

    coefficients: np.ndarray

    @classmethod
    def fit(cls, data: Data, indices: np.ndarray) -> SeasonalClimatology:
        """That of training references; without a seasonal cycle if they span too little of it.

        Args:
            data: Data set.
            indices: Of the training references.
        """
        times = data.times(TRAIN_SPLIT)[indices]
        seasonal = np.ptp(hours_since_epoch(times)) >= SEASONAL_HOURS
        harmonics = _harmonics(times, 3 if seasonal else 1)
        # Row n says what reference n adds to each coefficient: no more than one is in memory.
        weights = np.linalg.pinv(harmonics)
        coefficients = np.zeros((len(weights), len(data.channels), *data.grid.shape))
        for column, index in zip(weights.T, indices, strict=True):
            reference = data.reference(TRAIN_SPLIT, int(index))
            coefficients += column[:, None, None, None] * reference
        return cls(coefficients)

    @property
    def is_seasonal(self) -> bool:
        """Whether there is a seasonal cycle."""
        return len(self.coefficients) > 1

    def at(self, time: np.datetime64) -> np.ndarray:
        """c(t), (C, Y, X)."""
        (harmonics,) = _harmonics(np.array([time]), len(self.coefficients))
        return np.tensordot(harmonics, self.coefficients, axes=1)


def _harmonics(times: np.ndarray, count: int) -> np.ndarray:
    """1, cos ωt, sin ωt: the first `count`, (N, count)."""
    angle = 2 * np.pi * hours_since_epoch(times) / HOURS_PER_YEAR
    return np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)[:, :count]


@dataclass(eq=False)
class LeadErrors:
    """Sums over the forecasts of one lead.

    Attributes:
        count: Forecasts.
        squares: Area-weighted mean squared errors of each of `FORECASTS`, (3, C).
        variances: Those of the anomalies from climatology of the forecasts and of the references,
            (2, C).
    """

    count: int = 0
    squares: np.ndarray = field(default_factory=lambda: np.zeros(()))
    variances: np.ndarray = field(default_factory=lambda: np.zeros(()))

    def rmse(self, name: str) -> np.ndarray:
        """Root mean squared error of one of `FORECASTS`, (C,)."""
        return np.sqrt(self.squares[FORECASTS.index(name)] / self.count)

    @property
    def activity(self) -> np.ndarray:
        """Standard deviation of the forecasts' anomalies over that of the references', (C,).

        1 is as much weather as there is; forecasts that are smooth have less.
        """
        forecast, reference = np.sqrt(self.variances)
        return forecast / reference


def forecast_skill(
    model: ForecastModel,
    data: Data,
    split: str,
    indices: Sequence[int] | np.ndarray,
    leads: int,
    climatology: SeasonalClimatology,
) -> Iterator[tuple[int, LeadErrors]]:
    """Forecasts from references of a split, verified at the leads at which it has a reference.

    Args:
        model: Its states are the channels of the data set.
        data: Data set.
        split: Of the references.
        indices: Those that forecasts begin from, and are verified by.
        leads: How many steps the longest forecast has.
        climatology: What persistence and forecast have to be better than.

    Yields:
        The number of steps, and the errors, for each lead at which there is something to verify.

    Raises:
        ScoreError: When the model's states are not the data set's, or no two references are a
            whole number of steps, and at most `leads`, apart.
    """
    wanted = (len(data.channels), *data.grid.shape)
    if model.state_shape != wanted:
        raise ScoreError(
            f"The model {model.name} has states of shape {model.state_shape}, the data set's have "
            f"{wanted}. Take the data set that it was trained on."
        )
    errors = [LeadErrors() for _ in range(leads)]
    hours = hours_since_epoch(data.times(split))
    places = {int(hours[n]): int(n) for n in indices}
    for begin, start in places.items():
        verified = [
            (lead, places[int(valid)])
            for lead in range(1, leads + 1)
            if (valid := begin + lead * model.step_hours) in places
        ]
        _verify(model, data, split, start, verified, climatology, errors)
    if not any(one.count for one in errors):
        raise ScoreError(
            f"No two references of {split} are 1 to {leads} steps of {model.step_hours:g} h apart. "
            "Give more leads, or another split."
        )
    yield from ((lead, one) for lead, one in enumerate(errors, 1) if one.count)


def _verify(
    model: ForecastModel,
    data: Data,
    split: str,
    start: int,
    verified: list[tuple[int, int]],
    climatology: SeasonalClimatology,
    errors: list[LeadErrors],
) -> None:
    """One forecast through its leads, each verified by the reference of that index."""
    times, weights = data.times(split), data.grid.weights[:, None]
    first = data.reference(split, start).astype(np.float64)
    state, reached = first, 0

    def mean_square(fields: np.ndarray) -> np.ndarray:
        return (fields**2 * weights).mean(axis=(-2, -1))

    for lead, index in verified:
        valid = times[start] + np.timedelta64(round(3600 * reached * model.step_hours), "s")
        state = model.advance(state, (lead - reached) * model.step_hours, valid)
        reached = lead
        reference, normal = data.reference(split, index), climatology.at(times[index])
        one = errors[lead - 1]
        one.count += 1
        one.squares = one.squares + mean_square(np.stack([state, first, normal]) - reference)
        one.variances = one.variances + mean_square(np.stack([state, reference]) - normal)
