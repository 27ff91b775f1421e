"""Groups of rows as lines beside a table, side by side where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Mark = Literal["", "first", "inner", "last"]
"""What a line does in a row: nothing, begin, go on, end."""


def group_lanes(groups: Sequence[range], rows: int, most: int) -> list[tuple[Mark, ...]]:
    """For each row, what the line in each lane does there.

    >>> group_lanes([range(0, 2), range(1, 3)], 3, most=9)
    [('first', ''), ('last', 'first'), ('', 'last')]

    Args:
        groups: What `rank_groups` returns; a group of one row has no line.
        rows: How many rows there are.
        most: Lanes that there is room for.

    Returns:
        As many marks in each row; none where the lines want more than `most` lanes.
    """
    lanes: list[list[range]] = []
    for group in (group for group in groups if len(group) > 1):
        free = (lane for lane in lanes if lane[-1].stop <= group.start)
        lane = next(free, None)
        if lane is None:
            lanes.append([group])
        else:
            lane.append(group)
    if len(lanes) > most:
        return [()] * rows
    return [tuple(_mark(lane, row) for lane in lanes) for row in range(rows)]


def _mark(lane: Sequence[range], row: int) -> Mark:
    group = next((group for group in lane if row in group), None)
    if group is None:
        return ""
    return "first" if row == group.start else "last" if row == group.stop - 1 else "inner"
