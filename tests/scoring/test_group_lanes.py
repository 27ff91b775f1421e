"""Lines beside a table: each group is one line, and no two lines meet."""

from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.scoring.group_lanes import group_lanes

ROWS = 12
GROUPS = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(1, ROWS)), max_size=8).map(
    lambda ends: [range(first, max(stop, first + 1)) for first, stop in sorted(ends)]
)


def lines(marks):
    """The groups that a reader sees."""
    found = []
    for lane in zip(*marks, strict=True):
        for row, mark in enumerate(lane):
            if mark == "first":
                found.append(range(row, row + 1 + lane[row:].index("last")))
    return found


@given(GROUPS)
def test_each_group_is_read_back(groups):
    found = lines(group_lanes(groups, ROWS, most=99))
    assert sorted(found, key=str) == sorted((g for g in groups if len(g) > 1), key=str)


@given(GROUPS)
def test_there_are_no_more_lanes_than_groups_in_one_row(groups):
    marks = group_lanes(groups, ROWS, most=99)
    crowd = max(sum(row in group for group in groups if len(group) > 1) for row in range(ROWS))
    assert {len(row) for row in marks} == {crowd}


def test_too_many_lines_are_not_drawn():
    groups = [range(first, first + 5) for first in range(6)]
    assert {len(row) for row in group_lanes(groups, 10, most=5)} == {5}
    assert group_lanes(groups, 10, most=4) == [()] * 10
