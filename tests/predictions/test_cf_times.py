"""CF times mean what cftime says, which is what xarray says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.errors import PredictionError
from dambench_hub.predictions.cf_times import UNITS, decode_times

cftime = pytest.importorskip("cftime")
VALUES = np.array([0.0, 1.0, 738_000.0, 17_700_000.5])


def agrees(values, units, calendar):
    wanted = cftime.num2date(values, units, calendar, only_use_cftime_datetimes=True)
    proleptic = [time.change_calendar("proleptic_gregorian").isoformat() for time in wanted]
    right = np.array([text.zfill(19) for text in proleptic], "M8[ms]")
    np.testing.assert_array_equal(decode_times(values, units, calendar), right)


@pytest.mark.parametrize("calendar", ["standard", "gregorian", "proleptic_gregorian", "Standard"])
@pytest.mark.parametrize(
    "units",
    [
        "hours since 1970-01-01",
        "hours since 1-1-1 00:00:00",
        "hours since 1800-01-01 00:00:0.0",
        "hours since 1582-10-15",
        "hours since 1582-10-04 18:30",
        "hours since 1500-02-28",
        "hours since 0004-02-29T6:00Z",
        "minutes since 1900-1-1 0:0:0",
        "Seconds since 2000-01-01 00:00:00.000 UTC",
    ],
)
def test_times_are_those_of_cftime(units, calendar):
    agrees(VALUES, units, calendar)


@settings(max_examples=200, deadline=None)
@given(st.dates(), st.sampled_from(["standard", "proleptic_gregorian"]))
def test_any_reference_is_that_of_cftime(date, calendar):
    units = f"hours since {date.year}-{date.month}-{date.day}"
    try:
        cftime.num2date(0, units, calendar)
    except ValueError:
        with pytest.raises(PredictionError, match="no such date"):
            decode_times(VALUES, units, calendar)
    else:
        agrees(VALUES, units, calendar)


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_lengths_of_time(unit):
    day = np.array([86_400_000 / UNITS[unit]])
    found = decode_times(day, f"{unit} since 2024-02-28", "standard")
    assert found == np.datetime64("2024-02-29", "ms")


@pytest.mark.parametrize(
    ("units", "calendar", "words"),
    [
        ("hours since 1582-10-10", "standard", "no such date"),
        ("hours since 0000-01-01", "standard", "no such date"),
        ("hours since 1500-02-29", "proleptic_gregorian", "no such date"),
        ("hours since 2023-02-29", "standard", "no such date"),
        ("hours since 2023-13-01", "standard", "no such date"),
        ("hours since 2023-01-01 24:00", "standard", "no such date"),
        ("months since 2023-01-01", "standard", "'months since"),
        ("hours since 2023-01-01 -06:00", "standard", "UTC"),
        ("hours since 2023-01-01 12", "standard", "wanted CF times"),
        ("hours after 2023-01-01", "standard", "wanted CF times"),
        ("hours since -4713-01-01", "standard", "wanted CF times"),
        ("", "standard", "wanted CF times"),
        *(
            ("hours since 2023-01-01", calendar, f"calendar '{calendar}'")
            for calendar in ("julian", "noleap", "365_day", "360_day", "all_leap", "none", "")
        ),
    ],
)
def test_other_units_and_calendars_are_refused(units, calendar, words):
    with pytest.raises(PredictionError, match=words):
        decode_times(VALUES, units, calendar)
