"""How sure a ranking is, as cells: lines that join methods, intervals on one scale, ranks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from dambench_hub.leaderboard.store.ranking import Ranking
from dambench_hub.leaderboard.web.interval_scale import IntervalScale
from dambench_hub.leaderboard.web.markup import cell
from dambench_hub.scoring.group_lanes import group_lanes
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.precision import percent
from dambench_hub.scoring.standings import Standing, Standings

MOST_LANES = 12
"""Lines side by side that there is room for."""

WORST_SHOWN = -10.0
"""Where the scale of intervals ends, %: far below the background, differences do not matter."""

INTERVAL = "19 of 20 such intervals hold the skill that endless days and trainings would give"
POSSIBLE = "the best and the worst rank that the differences of all pairs leave open"
TIE = "lines join methods that cannot be told apart"


@dataclass(frozen=True, eq=False)
class StandingCells:
    """The cells of a ranking's rows.

    Attributes:
        ranking: The ranking.
        standings: How sure it is.
    """

    ranking: Ranking
    standings: Standings

    @cached_property
    def lanes(self) -> int:
        """How many lines stand side by side; 0 where there are none, or too many to draw."""
        return len(self._marks[0]) if self._marks else 0

    def tie(self, row: int) -> Markup:
        """The lines of a row; as text, the ranks that they join."""
        spans = [
            f"{self._rank(group[0])}–{self._rank(group[-1])}"
            for group in self.standings.groups
            if row in group and len(group) > 1
        ]
        lines = Markup("").join(
            Markup('<i class="{}" style="--lane: {}"></i>').format(mark, lane)
            for lane, mark in enumerate(self._marks[row])
            if mark
        )
        text = Markup('<span class="visually-hidden">{}</span>').format(", ".join(spans))
        title = f"cannot be told apart: ranks {' and '.join(spans)}" if spans else ""
        return Markup('<td class="tie" title="{}">{}{}</td>').format(title, text, lines)

    def interval(self, row: int) -> Markup:
        """The interval of a row's skill: in numbers, and on the scale that all rows share."""
        found = self._row(row).interval
        return self._scale.cell(found, span(found))

    def possible(self, row: int) -> Markup:
        """The ranks that a row may have."""
        return cell(ranks(self._row(row)), style="possible", value=self._row(row).best_rank)

    @cached_property
    def _marks(self) -> list[tuple[str, ...]]:
        found = group_lanes(self.standings.groups, len(self.standings.rows), MOST_LANES)
        return [tuple(marks) for marks in found]

    @cached_property
    def _scale(self) -> IntervalScale:
        """In %, the background at 0."""
        return IntervalScale.of([row.interval for row in self.standings.rows], 0.0, WORST_SHOWN)

    def _rank(self, row: int) -> int:
        return self.ranking.entries[row].rank

    def _row(self, row: int) -> Standing:
        return self.standings.rows[row]


def span(interval: Interval) -> str:
    """The ends of an interval of skill, %."""
    return f"{percent(interval.low)} to {percent(interval.high)}"


def ranks(row: Standing) -> str:
    """The ranks that a row may have: one, or the best and the worst."""
    ends = (row.best_rank, row.worst_rank)
    return "–".join(map(str, dict.fromkeys(ends)))


def footnotes(ranking: Ranking) -> list[str]:
    """What intervals, lines and ranks mean, for people who read them for the first time."""
    if (found := ranking.standings) is None:
        return [ranking.unsure] if ranking.unsure else []
    notes = [
        "Lines join methods whose difference may be chance. Possible ranks are those that all "
        "pairs, compared at once, leave open.",
        "95 %: of 20 such intervals, 19 hold the skill that endless days would give; the thin line "
        "is the background, at 0. Other weather counts, by blocks of at least 30 days, and so does "
        + (
            f"another training: seeds of one method differ by {percent(found.seed_error)} points "
            "of skill (standard deviation). Names that end in a seed, like fnp-0 and fnp-1, are "
            "one method, and never told apart."
            if found.seed_error is not None
            else "nothing else: no method of this board was trained with several seeds (rows of "
            "its keeper called METHOD-0, METHOD-1 …), so differences may be chance of training."
        ),
    ]
    return notes
