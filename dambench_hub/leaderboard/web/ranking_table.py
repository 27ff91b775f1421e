"""What the ranking shows: columns and rows of a table, for an overview or for one variable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from dambench_hub.coordinates.units import pretty
from dambench_hub.coordinates.variables import (
    HEADLINE_CHANNELS,
    VARIABLES,
    parse_channel,
    variable_groups,
)
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.text_rules import check_url
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.ranking import Entry, Ranking
from dambench_hub.leaderboard.web.markup import cell
from dambench_hub.leaderboard.web.measures import (
    BY_CHANNEL,
    OVERALL,
    by_channel,
    overall,
    printed,
    scored,
    sort_key,
)
from dambench_hub.leaderboard.web.scorecard import relative_cells
from dambench_hub.scoring.precision import FARTHEST_PERCENT
from dambench_hub.tasks.task import Task

OVERVIEW, RMSE = "overview", "rmse"
FIRST_TASKS = ("multimodal", "unimodal")
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "": 1.0}


@dataclass(frozen=True)
class Column:
    """A column of the ranking.

    Attributes:
        name: In the address.
        title: At its head.
        units: Below the title.
        better: ↓ where smaller is better, ↑ where larger is, empty where neither.
        hint: What it means.
        style: Class of its cells.
    """

    name: str
    title: str
    units: str = ""
    better: str = ""
    hint: str = ""
    style: str = ""

    @property
    def first(self) -> str:
        """The direction that a first click sorts in: `up` or `down`."""
        return "down" if self.better == "↑" else "up"


@dataclass(frozen=True)
class Row:
    """A row of the ranking; `cells` are those after rank and name."""

    id: str
    rank: int
    name: str
    kind: str
    badge: str
    mine: bool
    parameters: float | None
    links: tuple[tuple[str, str], ...]
    cells: tuple[Markup, ...]


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
        self.channels = [site.data.channels[at] for at in groups.get(self.view, ())] or [
            name for name in HEADLINE_CHANNELS if name in site.data.channels
        ]
        self.measures = scored([entry.result for entry in self.ranking.entries])
        self.measure = measure if measure in self.measures else RMSE
        self.person = person
        self.ties = _ties(self.ranking, times)
        self.hidden = self.ranking.hidden

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
    def scores(self) -> list[tuple[str, str]]:
        """Scores of each channel that can be shown: titles and names."""
        return [(BY_CHANNEL[name].title, name) for name in self.measures]

    @cached_property
    def columns(self) -> list[Column]:
        """All columns in order."""
        columns = [
            Column("rank", "rank"),
            Column("name", "method", style="method"),
            *([Column("tie", "tie", hint="ranks that cannot be told apart")] if self.ties else []),
        ]
        columns += [
            Column(name, one.title, one.units, one.better, one.hint)
            for name, one in ((name, OVERALL[name]) for name in self._overall)
        ]
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
    def any_far(self) -> bool:
        """Whether a skill is too far from nothing to be printed."""
        return any(values.get("skill", 0) < -FARTHEST_PERCENT for values in self._values)

    @cached_property
    def _values(self) -> list[dict[str, float]]:
        """Scores over all channels of each row."""
        return [overall(entry.result, self.std) for entry in self.ranking.entries]

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
        cells = [cell(self.ties[at], style="tie")] if self.ties else []
        cells += [_score(name, self._values[at].get(name)) for name in self._overall]
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


def _score(name: str, value: float | None) -> Markup:
    if value is None:
        return cell("")
    if name != "skill":
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


def _ties(ranking: Ranking, times: object) -> list[str]:
    """For each entry the ranks that cannot be told apart from its own; empty if nobody can say."""
    groups = ranking.groups(times) if len(ranking.entries) > 1 else None  # type: ignore[arg-type]
    if groups is None:
        return []
    ranks: dict[int, list[int]] = {}
    for group, entry in zip(groups, ranking.entries, strict=True):
        ranks.setdefault(group, []).append(entry.rank)
    spans = {g: "–".join(map(str, sorted({r[0], r[-1]}))) for g, r in ranks.items()}
    ties = [spans[group] if len(ranks[group]) > 1 else "" for group in groups]
    return ties if any(ties) else []


def parameters(entry: Entry) -> float | None:
    """How many parameters a method says it has: `12 M`, `3.5e6`, `1 200 000`."""
    text = entry.result.attributes.get("parameters", "").replace(",", "").replace(" ", "").lower()
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d{1,2})?)([kmbg]?)(?:parameters)?", text)
    return float(match[1]) * SUFFIXES[match[2]] if match else None


def _day(time: object) -> str:
    return str(time)[:10]
