"""Whole hours go there and back; anything else is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.coordinates.times import from_hours, hours_since_epoch
from dambench_hub.errors import DataError


@given(st.lists(st.integers(0, 2_000_000), max_size=5))
def test_there_and_back(hours):
    times = from_hours(hours)
    np.testing.assert_array_equal(hours_since_epoch(times), hours)
    for unit in ("s", "ms", "ns"):
        np.testing.assert_array_equal(hours_since_epoch(times.astype(f"M8[{unit}]")), hours)


def test_known_time():
    assert hours_since_epoch(np.datetime64("2024-01-01T06")) == 473358


@pytest.mark.parametrize(
    "time",
    ["1969-12-31T23", "2020-01-01T00:30", "2020-01-01T00:00:00.000000001", "NaT", "1900-01-01"],
)
def test_other_times_are_refused(time):
    good = np.datetime64("2020-01-01", "ns")
    for times in (np.datetime64(time, "ns"), np.array([good, np.datetime64(time, "ns")])):
        with pytest.raises(DataError, match=f"whole hours from 1970.*{time[:10]}"):
            hours_since_epoch(times)
