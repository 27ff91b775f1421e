"""Two ranked submissions to one task, and whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import HEADLINE_CHANNELS, parse_channel
from dambench_hub.errors import ScoreError, TaskError
from dambench_hub.leaderboard.store.ranking import Entry
from dambench_hub.leaderboard.web.markup import shaded
from dambench_hub.leaderboard.web.scorecard import Card, difference_cells, scorecards
from dambench_hub.scoring.block_mean import block_mean
from dambench_hub.scoring.holm import holm
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.paired_difference import paired_difference
from dambench_hub.scoring.paired_stations import rmse_difference
from dambench_hub.scoring.precision import number, percent, signed_number
from dambench_hub.scoring.rmse_ratio_by_day import rmse_ratio_by_day
from dambench_hub.scoring.seed_variance import SeedVariance
from dambench_hub.scoring.station_errors import StationErrors
from dambench_hub.scoring.uncertain_mean import UncertainMean

LEVEL = 0.95
TOO_FEW = "Skill by day is not known of both, or the days are too few to say more."
NO_STATIONS = "Errors at single stations were not kept of both, so that no more can be said."


@dataclass(frozen=True)
class ChannelRow:
    """A channel: RMSE of both, their difference in percent of the second, and if it is certain."""

    name: str
    units: str
    first: str
    second: str
    difference: Markup
    interval: str
    certain: bool


@dataclass(frozen=True, eq=False)
class PairedComparison:
    """Two rows of a ranking.

    Attributes:
        first: One of them.
        second: The other.
        names: Different names for both, even where they are called the same.
        errors: `Result.square_errors` of both, (N, C), where they were kept.
        between_seeds: Variance of the skill over training seeds, where it is known.
        pairs: How many pairs are looked at together; the more, the plainer a difference must be.
        stations: Errors at stations of both, where these are the reference and were kept.
    """

    first: Entry
    second: Entry
    names: tuple[str, str]
    errors: tuple[np.ndarray | None, np.ndarray | None]
    between_seeds: SeedVariance | None
    pairs: int
    stations: tuple[StationErrors | None, StationErrors | None] = (None, None)

    @cached_property
    def verdict(self) -> str:
        """One sentence about the skill."""
        one, other = self.names
        if self.first.method == self.second.method:
            return f"{one} and {other} are trainings of one method that differ in their seed."
        if "station_rmse" in self.first.result.scores:
            return self._at_stations
        if (found := self._difference) is None:
            return TOO_FEW
        ends = found.interval(1 - (1 - LEVEL) / self.pairs)  # holds in all pairs at once
        points = _span(ends)
        if ends.holds_zero:
            return (
                f"{one} and {other} cannot be told apart: their skills differ by "
                f"{percent(ends.mean, digits=2, signs=True)} points (95 % interval {points}, which "
                "holds 0)."
            )
        word = "better" if ends.mean > 0 else "worse"
        return (
            f"{one} is {word} than {other}: its skill differs by "
            f"{percent(ends.mean, digits=2, signs=True)} points (95 % interval {points})."
        )

    @property
    def _at_stations(self) -> str:
        """One sentence about the RMSE at stations."""
        (one, other), (errors, others) = self.names, self.stations
        if errors is None or others is None:
            return NO_STATIONS
        (channel,) = errors.channels
        ends = rmse_difference(errors, others, channel, 1 - (1 - LEVEL) / self.pairs)
        units = pretty(parse_channel(channel).units)
        by, low, high = map(signed_number, (ends.mean, ends.low, ends.high))
        count = len(np.unique(errors.station))
        said = f"RMSE at the same {count} stations differs by {by} {units}"
        if ends.holds_zero:
            return (
                f"{one} and {other} cannot be told apart: their {said} (95 % interval {low} to "
                f"{high}, which holds 0)."
            )
        word = "better" if ends.mean < 0 else "worse"
        return f"{one} is {word} than {other}: its {said} (95 % interval {low} to {high})."

    @property
    def cards(self) -> list[Card]:
        """Differences of the RMSE by variable and level, in percent of the second's."""
        one, other = self.first.result.scores["rmse"], self.second.result.scores["rmse"]
        shown = difference_cells(one, other)
        return scorecards(shown, "Difference of RMSE in %", physical=False)

    @cached_property
    def channels(self) -> list[ChannelRow]:
        """The headline channels, if errors of each time are known: none of a hidden reference."""
        one, other = self.errors
        if one is None or other is None or one.shape != other.shape:
            return []
        names = list(self.first.result.scores["rmse"])
        shown = [name for name in HEADLINE_CHANNELS if name in names]
        try:
            found = [self._channel(one[:, at], other[:, at]) for at in map(names.index, shown)]
        except (TaskError, ScoreError):  # too few days, or no error
            return []
        sure = holm(np.array([difference.p_value for difference in found])) <= 1 - LEVEL
        rmse = (np.sqrt(errors.mean(axis=0)) for errors in (one, other))
        first, second = (dict(zip(names, values.tolist(), strict=True)) for values in rmse)
        return [
            _row(name, first[name], second[name], difference.interval(LEVEL), bool(certain))
            for name, difference, certain in zip(shown, found, sure, strict=True)
        ]

    def _channel(self, one: np.ndarray, other: np.ndarray) -> UncertainMean:
        """Difference of two RMSEs in percent of the second."""
        return block_mean(100 * (rmse_ratio_by_day(one, other) - 1), self._time)

    @cached_property
    def _difference(self) -> UncertainMean | None:
        """First minus second skill, in points; None where nobody can say."""
        one, other = self.first.result, self.second.result
        try:
            return paired_difference(
                np.array(one.skill_by_day),
                np.array(other.skill_by_day),
                self._time,
                between_seeds=self.between_seeds,
                seeds=(self.first.trainings, self.second.trainings),
            )
        except (TaskError, ScoreError, ValueError):  # too few days, or none are known
            return None

    @property
    def _time(self) -> np.ndarray:
        return np.array(self.first.result.hours, "datetime64[h]")


def _row(name: str, first: float, second: float, interval: Interval, certain: bool) -> ChannelRow:
    channel = parse_channel(name)
    return ChannelRow(
        name=channel.long_name,
        units=pretty(channel.units),
        first=number(first),
        second=number(second),
        difference=shaded(percent(interval.mean, signs=True), 1 + interval.mean / 100),
        interval=_span(interval),
        certain=certain,
    )


def _span(interval: Interval) -> str:
    low, high = (percent(end, signs=True) for end in (interval.low, interval.high))
    return f"{low} to {high}"
