"""An ensemble for tasks that have none: the background plus errors of other days.

    x_i = x^b − b + α (e_i − ē)

with the part b of the mean error that will repeat, and errors e_i of the training days of the same
season. It knows of no flow: an ensemble method on it differs from optimal interpolation in that its
covariance is not isotropic and holds all balances, and in what few members leave of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import HOURS_PER_YEAR
from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError
from dambench_hub.estimation.mean_error import MeanError
from dambench_hub.estimation.training_departures import TrainingDepartures
from dambench_hub.models.background_errors import background_errors

KEPT = 200
"""Training errors that are kept at most: what a fit holds in memory, and a saved method on disk."""

SEASON_DAYS = 45
"""Errors from so many days of the year before and after are of the same season."""


@dataclass(frozen=True, eq=False)
class ClimatologicalEnsemble:
    """Background errors of training days, to be drawn from.

    Attributes:
        channels: Names of the C channels.
        grid: Y×X grid.
        errors: background − reference − bias, float32, (K, C, Y, X), units of the channels.
        hours: Their valid times, hours since 1970-01-01, (K,).
        bias: Mean background error that will repeat, (C, Y, X).
        departures: Of modalities on the days of the errors; None where there were none.

    Raises:
        DataError: When shapes do not belong together.
    """

    channels: tuple[str, ...]
    grid: Grid
    errors: np.ndarray
    hours: np.ndarray
    bias: np.ndarray
    departures: TrainingDepartures | None = None

    def __post_init__(self) -> None:
        state = (len(self.channels), *self.grid.shape)
        if self.errors.shape != (len(self.hours), *state) or self.bias.shape != state:
            raise DataError(
                f"Errors of {len(self.hours)} times need shape {(len(self.hours), *state)} and "
                f"their bias {state}, got {self.errors.shape} and {self.bias.shape}."
            )
        if self.departures is not None and len(self.departures.values) != len(self.errors):
            raise DataError(
                f"Errors of {len(self.errors)} times need departures of the same, got "
                f"{len(self.departures.values)}."
            )

    @classmethod
    def fit(cls, training: Iterable[Batch]) -> Self:
        """Mean error of all samples, and errors and departures of at most `KEPT` of them.

        Which ones are kept is drawn by valid time: it does not depend on their order.

        Raises:
            TaskError: When there is no training sample, or one without its reference.
        """
        sums: MeanError | None = None
        kept: list[tuple[float, int, int, np.ndarray, np.ndarray]] = []
        found = background_errors(training, "A climatological ensemble")
        for batch, error, hours, departures in found:
            if sums is None:
                sums = MeanError(error.shape)
                channels, grid = batch.channels, batch.grid
                modalities = tuple(batch.modalities)
            sums.add(error, hours)
            priority = np.random.default_rng(hours).random()
            one = (priority, hours, sums.count, error.astype(np.float32), departures)
            heapq.heappush(kept, one)
            if len(kept) > KEPT:
                heapq.heappop(kept)
        assert sums is not None  # or there was an error
        kept.sort(key=lambda one: one[1])
        errors = np.stack([one[3] for one in kept])
        errors -= sums.bias.astype(np.float32)
        times = np.array([one[1] for one in kept])
        seen = TrainingDepartures.of(modalities, np.stack([one[4] for one in kept]), times)
        seen = seen.only(modalities)
        return cls(channels, grid, errors, times, sums.bias, seen if seen.names else None)

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of the errors, (C,); 1 for a channel that has none."""
        squares = [np.mean(error.astype(np.float64) ** 2, axis=(1, 2)) for error in self.errors]
        std = np.sqrt(np.mean(squares, axis=0))
        return np.where(std > 0, std, 1.0)

    def draw(
        self, background: np.ndarray, hours: int, members: int, scale: float, seed: int
    ) -> np.ndarray:
        """Members around one background.

        Drawn without replacement among the errors of the season, if it has enough, else among all.
        Where members are more than errors, R times as many, there are R rounds, each of them turned
        about the Earth's axis by an R-th of the circle against the one before.

        Args:
            background: x^b, (C, Y, X).
            hours: Its valid time, hours since 1970-01-01; keys the draw, with the seed.
            members: N.
            scale: α.
            seed: Makes other draws.

        Returns:
            x_i, float32, (N, C, Y, X); their mean is x^b − b.
        """
        return self._around(background - self.bias, self.errors, hours, members, scale, seed)

    def draw_equivalents(
        self,
        equivalents: np.ndarray,
        departures: TrainingDepartures,
        hours: int,
        members: int,
        scale: float,
        seed: int,
    ) -> np.ndarray:
        """Equivalents of the members that `draw` makes of the same arguments.

        The errors of equivalents are departures of the same days with their sign changed, so they
        have those of the measurements in them.

        Args:
            equivalents: The background's, (F, Y, X), units of the modalities.
            departures: Of F modalities, from `departures`.
            hours: See `draw`.
            members: N.
            scale: α.
            seed: See `draw`.

        Returns:
            float32, (N, F, Y, X); their mean is the background's plus the mean departure.
        """
        centre = equivalents + departures.mean
        return self._around(centre, departures.anomalies, hours, members, scale, seed)

    def _around(
        self,
        centre: np.ndarray,
        errors: np.ndarray,
        hours: int,
        members: int,
        scale: float,
        seed: int,
    ) -> np.ndarray:
        """Drawn errors without their mean, times α, about a centre, float32, (N, *)."""
        generator = np.random.default_rng([seed, hours])
        pool = self._pool(hours, members)
        rounds = -(-members // len(pool))
        chosen = np.concatenate([generator.permutation(pool) for _ in range(rounds)])[:members]
        turns = np.arange(members) // len(pool) * self.grid.longitudes // rounds
        ensemble = np.empty((members, *centre.shape), np.float32)
        for member, error, turn in zip(ensemble, chosen, turns, strict=True):
            member[:] = np.roll(errors[error], turn, axis=-1)
        ensemble -= ensemble.mean(axis=0, dtype=np.float64).astype(np.float32)
        ensemble *= np.float32(scale)
        ensemble += centre.astype(np.float32)
        return ensemble

    def _pool(self, hours: int, members: int) -> np.ndarray:
        """Numbers of the errors that may be drawn."""
        apart = np.abs(
            (self.hours - hours + HOURS_PER_YEAR / 2) % HOURS_PER_YEAR - HOURS_PER_YEAR / 2
        )
        season = np.flatnonzero(apart <= SEASON_DAYS * 24)
        return season if len(season) >= members else np.arange(len(self.errors))
