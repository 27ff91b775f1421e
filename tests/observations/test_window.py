"""Windows are half-open, so consecutive ones share nothing and lose nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import DataError
from dambench_hub.observations.window import Window

NOON = np.datetime64("2024-02-29T12", "h")


def test_bounds_are_relative_to_the_valid_time():
    start, end = Window(-3, 1.5).bounds(NOON)
    assert (str(start), str(end)) == ("2024-02-29T09:00:00.000", "2024-02-29T13:30:00.000")
    assert start.dtype == end.dtype == "datetime64[ms]"


def test_the_unit_of_the_valid_time_does_not_matter():
    for unit in ("h", "m", "s", "ms", "ns"):
        assert Window().bounds(NOON.astype(f"M8[{unit}]")) == Window().bounds(NOON)


def test_by_default_nothing_after_the_valid_time_belongs_to_it():
    assert Window().bounds(NOON)[1] == NOON
    assert Window().bounds(NOON)[0] == NOON - np.timedelta64(3, "h")


@given(st.floats(-48, 48), st.floats(0.001, 24))
def test_the_next_window_starts_where_this_one_ends(start, hours):
    first = Window(start, start + hours).bounds(NOON)
    second = Window(start + hours, start + 2 * hours).bounds(NOON)
    assert first[0] < first[1] == second[0] < second[1]


@pytest.mark.parametrize(
    "hours", [(0, 0), (0, -3), (np.nan, 0), (-3, np.nan), (-np.inf, 0), (0, np.inf)]
)
def test_empty_and_endless_windows_are_refused(hours):
    with pytest.raises(DataError, match=r"starts before it ends, and ends; got \(.* h, .* h\]"):
        Window(*hours)


def test_it_reads_as_it_is_written():
    assert str(Window(-3, 0.25)) == "(-3 h, 0.25 h]"
