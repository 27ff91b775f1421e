"""Two ranked submissions to one task, and whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.errors import TaskError
from dambench_hub.leaderboard.store.ranking import Entry
from dambench_hub.leaderboard.web.markup import shaded
from dambench_hub.leaderboard.web.scorecard import Card, difference_cells, scorecards
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.precision import number, percent
from dambench_hub.scoring.significance import paired_interval

TINY = 1e-300


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
        task: Name of the task.
        time: Its valid times, (N,).
        first: One of them.
        second: The other.
        names: Different names for both, even where they are called the same.
        diagnostics: Of both, where they were kept.
    """

    task: str
    time: np.ndarray
    first: Entry
    second: Entry
    names: tuple[str, str]
    diagnostics: tuple[Diagnostics | None, Diagnostics | None]

    @cached_property
    def verdict(self) -> str:
        """One sentence about the MSE."""
        one, other = (np.array(e.result.sample_mse) for e in (self.first, self.second))
        interval = self._interval(_percent(one, other))
        if interval is None:
            return "There are too few days to say whether the difference is more than chance."
        if interval.low <= 0 <= interval.high:
            return (
                f"Their MSE cannot be told apart: that of {self.names[0]} differs by "
                f"{percent(interval.mean / 100, signs=True)} % (95 % interval {_span(interval)} %)."
            )
        word = "smaller" if interval.high < 0 else "larger"
        ends = [percent(e / 100) for e in sorted((abs(interval.low), abs(interval.high)))]
        return (
            f"The MSE of {self.names[0]} is {percent(abs(interval.mean) / 100)} % {word} than that "
            f"of {self.names[1]} (95 % interval {ends[0]} to {ends[1]} %)."
        )

    @property
    def cards(self) -> list[Card]:
        """Differences of the RMSE by variable and level, in percent of the second's."""
        one, other = self.first.result.scores["rmse"], self.second.result.scores["rmse"]
        shown = difference_cells(one, other)
        return scorecards(shown, "Difference of RMSE in %", physical=False)

    @cached_property
    def channels(self) -> list[ChannelRow]:
        """The channels of which the errors of each time are known: none of a hidden reference."""
        one, other = self.diagnostics
        if one is None or other is None or not (one.has_maps and other.has_maps):
            return []
        rows = []
        for name in (name for name in one.shown if name in other.shown):
            series = one.analysis.series[:, one.shown.index(name)]
            others = other.analysis.series[:, other.shown.index(name)]
            interval = self._interval(_percent(series, others))
            if interval is not None:
                rows.append(self._row(name, interval))
        return rows

    def _row(self, name: str, interval: Interval) -> ChannelRow:
        channel = parse_channel(name)
        first, second = (e.result.scores["rmse"][name] for e in (self.first, self.second))
        return ChannelRow(
            name=channel.long_name,
            units=pretty(channel.units),
            first=number(first),
            second=number(second),
            difference=shaded(percent(interval.mean / 100, signs=True), 1 + interval.mean / 100),
            interval=_span(interval),
            certain=not interval.low <= 0 <= interval.high,
        )

    def _interval(self, difference: np.ndarray) -> Interval | None:
        try:
            return paired_interval(difference, self.time)
        except TaskError:  # too few days
            return None


def _percent(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Differences in percent of the mean of the other."""
    return 100 * (one - other) / max(float(other.mean()), TINY)


def _span(interval: Interval) -> str:
    low, high = (percent(end / 100, signs=True) for end in (interval.low, interval.high))
    return f"{low} to {high}"
