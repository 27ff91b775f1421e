"""What the ranking shows: columns and rows of a table, for an overview or for one variable."""

from __future__ import annotations

from functools import cached_property

from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import (
    HEADLINE_CHANNELS,
    VARIABLES,
    parse_channel,
    variable_groups,
)
from dambench_hub.data.revision_advice import board_advice
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.text_rules import check_url
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import AT_STATIONS, Entry
from dambench_hub.leaderboard.web.markup import cell
from dambench_hub.leaderboard.web.measures import (
    BY_CHANNEL,
    OVERALL,
    by_channel,
    printed,
    scored,
    sort_key,
)
from dambench_hub.leaderboard.web.parameters import parameters
from dambench_hub.leaderboard.web.ranking_rows import Column, Row
from dambench_hub.leaderboard.web.scorecard import relative_cells
from dambench_hub.leaderboard.web.standing_cells import (
    INTERVAL,
    POSSIBLE,
    TIE,
    StandingCells,
    footnotes,
)
from dambench_hub.leaderboard.web.station_cells import StationCells
from dambench_hub.scoring.overall_scores import overall_scores
from dambench_hub.scoring.precision import FARTHEST_PERCENT
from dambench_hub.tasks.task import Task

OVERVIEW, RMSE = "overview", "rmse"
FIRST_TASKS = ("multimodal", "unimodal")


class Board:
    """The table of a task.

    Args:
        site: The site.
        task: Which task.
        view: `overview`, `surface`, or an upper-air variable: `z`, `t` ….
        measure: Which score of each channel, of `BY_CHANNEL`.
        person: Id of who looks at it, to mark what is theirs.
    """

    def __init__(
        self,
        site: Site,
        task: Task,
        view: str = OVERVIEW,
        measure: str = RMSE,
        person: str | None = None,
    ) -> None:
        self.task = task
        self.std = site.std
        self.ranking = site.store.ranking(task.name, site.data.revision)
        times = task.times(site.data.manifest)
        self.times, self.first, self.last = len(times), _day(times[0]), _day(times[-1])
        groups = variable_groups(site.data.channels)
        self.view = view if view in groups else OVERVIEW
        self.all_channels = site.data.channels
        self.channels = [site.data.channels[at] for at in groups.get(self.view, ())] or [
            name for name in HEADLINE_CHANNELS if name in site.data.channels
        ]
        if self.view == OVERVIEW and self.ranking.at_stations:
            self.channels = []  # the one that there is ranks
        self.measures = scored([entry.result for entry in self.ranking.entries])
        self.measure = measure if measure in self.measures else RMSE
        self.person = person
        standings = self.ranking.standings
        self.sure = StandingCells(self.ranking, standings) if standings else None
        self.at_stations = StationCells.of(self.ranking)
        self.footnotes = footnotes(self.ranking)
        self.hidden = self.ranking.hidden
        self.advice = board_advice(site.data.manifest)

    @property
    def heading(self) -> str:
        """What the table shows of each channel, in which units."""
        one = VARIABLES.get(self.view)
        of = "the headline channels" if self.view == OVERVIEW else "single-level variables"
        what = f"{BY_CHANNEL[self.measure].title} of {one.long_name if one else of}"
        if not BY_CHANNEL[self.measure].units:
            return f"{what}{', by pressure level' if one else ''}"
        return f"{what}, " + (
            f"in {pretty(one.units)}, by pressure level" if one else "in the units of each"
        )

    @property
    def main_score(self) -> str:
        """What the score that ranks is called."""
        return OVERALL[self.task.main_score].title

    @property
    def scores(self) -> list[tuple[str, str]]:
        """Scores of each channel that can be shown: titles and names."""
        return [(BY_CHANNEL[name].title, name) for name in self.measures]

    @cached_property
    def columns(self) -> list[Column]:
        """All columns in order."""
        columns = [
            Column("rank", "rank"),
            Column("name", "method", style="method"),
            *([Column("tie", "tie", hint=TIE, style="text")] if self._has_lines else []),
        ]
        for name in self._overall:
            one = OVERALL[name]
            units = one.units_of(self.all_channels)
            columns.append(Column(name, one.title, units, one.better, one.hint))
            if name == "station_rmse" and self.at_stations:
                columns.append(Column("interval", "95 % interval", units, "↓", AT_STATIONS))
            if name == "skill" and self._shows_intervals:
                columns.append(Column("interval", "95 % interval", "%", "↑", INTERVAL))
                columns.append(Column("possible", "possible", "ranks", hint=POSSIBLE))
        columns += [self._channel_column(name) for name in self.channels]
        columns += [Column("date", "handed in", "UTC"), Column("by", "by", style="text")]
        return [*columns, Column("links", "links", style="text")]

    @cached_property
    def rows(self) -> list[Row]:
        """The table, best first."""
        return [self._row(at, entry) for at, entry in enumerate(self.ranking.entries)]

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """What can be hidden: kinds of methods and their titles."""
        return [("baseline", "Baselines"), ("submission", "Submissions")]

    @property
    def any_mine(self) -> bool:
        """Whether something of who looks at it is there."""
        return any(entry.owner.id == self.person for entry in self.ranking.entries)

    @property
    def any_parameters(self) -> bool:
        """Whether a method says how many parameters it has."""
        return any(parameters(entry) is not None for entry in self.ranking.entries)

    @property
    def any_shade(self) -> bool:
        """Whether cells are compared with the background."""
        background = self.ranking.background
        return (
            self.view != OVERVIEW
            and self.measure != "spread_skill"
            and background is not None
            and self.measure in background.result.scores
        )

    @property
    def any_by_day(self) -> bool:
        """Whether errors by day are kept of a row."""
        return any(entry.result.skill_by_day for entry in self.ranking.entries)

    @property
    def any_far(self) -> bool:
        """Whether a skill is too far from nothing to be printed."""
        return any(values.get("skill", 0) < -FARTHEST_PERCENT for values in self._values)

    @cached_property
    def _values(self) -> list[dict[str, float]]:
        """Scores over all channels of each row."""
        return [overall_scores(entry.result.scores, self.std) for entry in self.ranking.entries]

    @property
    def _has_lines(self) -> bool:
        return self.sure is not None and self.sure.lanes > 0

    @property
    def _shows_intervals(self) -> bool:
        return self.sure is not None and self.view == OVERVIEW

    @property
    def _overall(self) -> list[str]:
        shown = {name for values in self._values for name in values}
        names = OVERALL if self.view == OVERVIEW else ("skill",)
        return [name for name in names if name in shown]

    def _channel_column(self, name: str) -> Column:
        channel, measure = parse_channel(name), BY_CHANNEL[self.measure]
        hint = f"{measure.title} of {channel.long_name}: {measure.hint}"
        units = pretty(channel.units) if measure.units else ""
        if self.view in VARIABLES:
            title, units = str(channel.level), "hPa"
        else:
            title = name
        return Column(f"{self.measure}_{name}", title, units, measure.better, hint)

    def _row(self, at: int, entry: Entry) -> Row:
        values = by_channel(entry.result, self.measure)
        cells = [self.sure.tie(at)] if self.sure and self._has_lines else []
        for name in self._overall:
            bare = self._shows_intervals
            cells.append(_score(name, self._values[at].get(name), gauge=not bare))
            if name == "station_rmse" and self.at_stations:
                cells.append(self.at_stations.interval(at))
            if name == "skill" and self.sure and self._shows_intervals:
                cells += [self.sure.interval(at), self.sure.possible(at)]
        cells += self._channel_cells(values)
        cells += [cell(entry.submitted_at[:10]), cell(entry.owner.name, style="text")]
        return Row(
            id=entry.submission,
            rank=entry.rank,
            name=entry.name,
            kind="baseline" if entry.baseline else "submission",
            badge=badge(entry),
            mine=entry.owner.id == self.person,
            parameters=parameters(entry),
            links=links(entry.model_url, entry.paper_url),
            cells=tuple(cells),
        )

    def _channel_cells(self, values: dict[str, float]) -> list[Markup]:
        if self.any_shade and self.ranking.background is not None:
            base = by_channel(self.ranking.background.result, self.measure)
            shown = relative_cells(self.measure, values, base)
            return [shown.get(name, cell("")) for name in self.channels]
        return [_score(self.measure, values.get(name)) for name in self.channels]


def _score(name: str, value: float | None, *, gauge: bool = False) -> Markup:
    if value is None:
        return cell("")
    if name != "skill" or not gauge:
        return cell(printed(name, value), value=sort_key(name, value))
    bar = Markup('<i style="--share: {:.3f}"></i>').format(min(max(value / 100, 0.0), 1.0))
    return cell(printed(name, value), style="gauge", value=value, inner=bar)


def badge(entry: Entry) -> str:
    """What stands beside a name: who made the prediction."""
    return "baseline" if entry.baseline else str(entry.badge)


def tasks_in_order(site: Site) -> list[str]:
    """Names of the site's tasks: those of the paper first, then the variations by name."""
    return sorted(site.tasks, key=lambda name: (name not in FIRST_TASKS, name))


def table_views(site: Site) -> list[tuple[str, str]]:
    """Titles and names of the views that the data set's channels allow."""
    names = [name for name in variable_groups(site.data.channels)]
    titles = {name: variable.long_name for name, variable in VARIABLES.items()}
    return [("overview", OVERVIEW), *((titles.get(name, name), name) for name in names)]


def links(model_url: str | None, paper_url: str | None) -> tuple[tuple[str, str], ...]:
    """Titles and addresses of what can be linked to; files may name anything, which is left out."""
    found = []
    for title, address in (("model", model_url), ("paper", paper_url)):
        try:
            if address and (checked := check_url(address)):
                found.append((title, checked))
        except DambenchError:
            continue
    return tuple(found)


def _day(time: object) -> str:
    return str(time)[:10]
