"""Two ranked submissions to one task, and whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.errors import TaskError
from dambench_hub.leaderboard.diagnostics_files import DiagnosticsFiles
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import Entry
from dambench_hub.leaderboard.web.markup import shaded
from dambench_hub.leaderboard.web.ranking_table import SCORES
from dambench_hub.leaderboard.web.scorecard import FULL_SHADE, Card, difference_cells, scorecards
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.precision import number, signed
from dambench_hub.scoring.significance import Interval, paired_interval

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
        diagnostics: Of both, where they were kept.
    """

    task: str
    time: np.ndarray
    first: Entry
    second: Entry
    diagnostics: tuple[Diagnostics | None, Diagnostics | None]

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
        interval = self._interval(_percent(one, other))
        if interval is None:
            return "There are too few days to say whether the difference is more than chance."
        if interval.low <= 0 <= interval.high:
            return (
                f"Their MSE cannot be told apart: that of {self.names[0]} differs by "
                f"{signed(interval.mean)} % (95 % interval {_span(interval)} %)."
            )
        word = "smaller" if interval.high < 0 else "larger"
        ends = sorted((abs(interval.low), abs(interval.high)))
        return (
            f"The MSE of {self.names[0]} is {abs(interval.mean):.1f} % {word} than that of "
            f"{self.names[1]} (95 % interval {ends[0]:.1f} to {ends[1]:.1f} %)."
        )

    @property
    def figures(self) -> list[tuple[str, str, str]]:
        """Scores over all channels, of both."""
        one, other = self.first.result.scores, self.second.result.scores
        return [(title, number(one[n]), number(other[n])) for n, (title, _) in SCORES.items()]

    @property
    def cards(self) -> list[Card]:
        """Differences of the RMSE by variable and level, in percent of the second's."""
        one, other = self.first.result.scores["rmse"], self.second.result.scores["rmse"]
        return scorecards(difference_cells(one, other), "Difference of RMSE in %")

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
            difference=shaded(signed(interval.mean), 1 + interval.mean / FULL_SHADE),
            interval=_span(interval),
            certain=not interval.low <= 0 <= interval.high,
        )

    def _interval(self, difference: np.ndarray) -> Interval | None:
        try:
            return paired_interval(difference, self.time)
        except TaskError:  # too few days
            return None


def find_comparison(site: Site, task: str, first: str, second: str) -> PairedComparison | None:
    """The two submissions with these ids, if both are ranked in the task."""
    if task not in site.tasks:
        return None
    ranking = site.store.ranking(task, site.data.revision)
    one, other = ranking.of(first), ranking.of(second)
    if one is None or other is None or one is other:
        return None
    time = site.tasks[task].times(site.data.manifest)
    files = DiagnosticsFiles(site.diagnostics)
    return PairedComparison(task, time, one, other, (files.read(first), files.read(second)))


def _percent(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Differences in percent of the mean of the other."""
    return 100 * (one - other) / max(float(other.mean()), TINY)


def _span(interval: Interval) -> str:
    return f"{signed(interval.low)} to {signed(interval.high)}"
