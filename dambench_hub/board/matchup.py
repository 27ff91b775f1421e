"""Two ranked submissions to one task, and whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup

from dambench_hub.board.diagnostics import Diagnostics
from dambench_hub.board.markup import shaded
from dambench_hub.board.site import Site
from dambench_hub.board.views import SCORES
from dambench_hub.bootstrap import Interval, paired_interval
from dambench_hub.errors import TaskError
from dambench_hub.plots import pretty
from dambench_hub.results import Entry
from dambench_hub.tables import number
from dambench_hub.variables import parse_channel


@dataclass(frozen=True)
class ChannelRow:
    """A channel: RMSE of both, and their difference in percent of the second."""

    name: str
    long_name: str
    units: str
    first: str
    second: str
    difference: Markup
    interval: str


@dataclass(frozen=True, eq=False)
class Matchup:
    """Two rows of a ranking.

    Attributes:
        task: Name of the task.
        time: Its valid times, (N,).
        first: One of them.
        second: The other.
        seen: Diagnostics of both, where they were kept.
    """

    task: str
    time: np.ndarray
    first: Entry
    second: Entry
    seen: tuple[Diagnostics | None, Diagnostics | None]

    @property
    def times(self) -> int:
        """How many analyses are compared."""
        return len(self.time)

    @property
    def names(self) -> tuple[str, str]:
        """Different names for both, even where they are called the same."""
        one, other = self.first.name, self.second.name
        return (one, other) if one != other else (f"{one}, first", f"{other}, second")

    @cached_property
    def verdict(self) -> str:
        """One sentence about the MSE."""
        one, other = (np.array(e.result.sample_mse) for e in (self.first, self.second))
        interval = self._interval(one - other)
        if interval is None:
            return "There are too few days to say whether the difference is more than chance."
        amount = f"{_signed(interval.mean)}, 95 % interval {_signed(interval.low)} to {_signed(interval.high)}"
        if interval.low <= 0 <= interval.high:
            return f"Their MSE cannot be told apart: the difference is {amount}."
        better = self.first if interval.high < 0 else self.second
        return f"{better.name} has the smaller MSE: the difference is {amount}."

    @property
    def figures(self) -> list[tuple[str, str, str]]:
        """Scores over all channels, of both."""
        one, other = self.first.result.scores, self.second.result.scores
        return [(title, number(one[n]), number(other[n])) for n, (title, _) in SCORES.items()]

    @property
    def any_interval(self) -> bool:
        """Whether there are intervals for some channels."""
        return bool(self._intervals)

    @property
    def channels(self) -> list[ChannelRow]:
        """A row for each channel."""
        one, other = self.first.result.scores["rmse"], self.second.result.scores["rmse"]
        return [self._row(name, one[name], other[name]) for name in one if name in other]

    def _row(self, name: str, one: float, other: float) -> ChannelRow:
        channel = parse_channel(name)
        percent = 100 * (one / other - 1) if other > 0 else 0.0
        interval = self._intervals.get(name)
        return ChannelRow(
            name=name,
            long_name=channel.long_name,
            units=pretty(channel.units),
            first=number(one),
            second=number(other),
            difference=shaded(_signed(percent, 1), 1 + percent / 100),
            interval=f"{_signed(interval.low, 1)} to {_signed(interval.high, 1)}" if interval else "",
        )

    @cached_property
    def _intervals(self) -> dict[str, Interval]:
        """Of the difference in percent of the second's mean, for the channels with series."""
        one, other = self.seen
        if one is None or other is None:
            return {}
        found = {}
        for name in one.shown:
            if name in other.shown:
                a = one.analysis.series[:, one.shown.index(name)]
                b = other.analysis.series[:, other.shown.index(name)]
                interval = self._interval(100 * (a - b) / max(float(b.mean()), 1e-300))
                if interval is not None:
                    found[name] = interval
        return found

    def _interval(self, difference: np.ndarray) -> Interval | None:
        try:
            return paired_interval(difference, self.time)
        except TaskError:  # too few days
            return None


def find_matchup(
    site: Site, task: str, first: str, second: str, seen: tuple[Diagnostics | None, ...]
) -> Matchup | None:
    """The two submissions with these ids, if both are ranked in the task."""
    if task not in site.tasks:
        return None
    entries = {e.submission: e for e in site.store.ranking(task, site.data.revision).entries}
    if first not in entries or second not in entries or first == second:
        return None
    time = site.tasks[task].times(site.data.manifest)
    return Matchup(task, time, entries[first], entries[second], (seen[0], seen[1]))


def _signed(value: float, digits: int | None = None) -> str:
    text = f"{value:+.{digits}f}" if digits is not None else f"{value:+.3g}"
    return text.replace("-", "−")
