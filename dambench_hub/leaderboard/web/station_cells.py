"""How sure errors at stations are, as cells of a ranking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from dambench_hub.leaderboard.store.ranking import Ranking
from dambench_hub.leaderboard.web.interval_scale import IntervalScale
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.precision import number


@dataclass(frozen=True, eq=False)
class StationCells:
    """The cells of a ranking's rows.

    Attributes:
        ranking: The ranking.
        intervals: Of each row.
    """

    ranking: Ranking
    intervals: tuple[Interval, ...]

    @classmethod
    def of(cls, ranking: Ranking) -> StationCells | None:
        """None where methods are not ranked at stations, or an interval is not known."""
        known = tuple(ends for ends in ranking.intervals if ends is not None)
        return cls(ranking, known) if ranking.at_stations and known == ranking.intervals else None

    def interval(self, row: int) -> Markup:
        """The interval of a row's RMSE: in numbers, and on the scale that all rows share."""
        return self._scale.cell(self.intervals[row], span(self.intervals[row]))

    @cached_property
    def _scale(self) -> IntervalScale:
        """With the background; where it is not ranked, its line stands at the best."""
        line = self.ranking.background or self.ranking.entries[0]
        return IntervalScale.of(self.intervals, line.result.main_score)


def span(interval: Interval) -> str:
    """The ends of an interval of an error, in its units."""
    return f"{number(interval.low)} to {number(interval.high)}"
