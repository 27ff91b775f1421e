"""Intervals on a scale that all rows of a table share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dambench_hub.leaderboard.web.markup import cell
from dambench_hub.scoring.interval import Interval

ROOM = 0.04
"""Beside the outermost ends, to see them, as a share of the scale."""


@dataclass(frozen=True)
class IntervalScale:
    """Where values lie in a cell.

    Attributes:
        low: Value at the left.
        high: Value at the right.
        background: That of the background, where a thin line stands.
    """

    low: float
    high: float
    background: float

    @classmethod
    def of(
        cls, intervals: Sequence[Interval], background: float, lowest: float | None = None
    ) -> IntervalScale:
        """One with all intervals and the background.

        Args:
            intervals: Of all rows.
            background: Its value.
            lowest: Where the scale ends, whatever lies below; None for no such end.
        """
        low = min([background, *(found.low for found in intervals)])
        low = low if lowest is None else max(low, lowest)
        high = max([background, *(found.high for found in intervals)])
        room = ROOM * (high - low) or 1.0
        return cls(low - room, high + room, background)

    def cell(self, interval: Interval, text: str) -> Markup:
        """The cell of an interval: in words, and as a strip."""
        values = (interval.low, interval.high, interval.mean, self.background)
        style = "--low: {:.4f}; --high: {:.4f}; --mean: {:.4f}; --zero: {:.4f}"
        strip = Markup('<i class="strip" style="{}"></i>').format(
            style.format(*map(self._place, values))
        )
        return cell(text, style="interval", value=interval.mean, inner=strip)

    def _place(self, value: float) -> float:
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
