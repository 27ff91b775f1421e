"""Times of the CF conventions: numbers, counted in a unit from a date of a calendar."""

from __future__ import annotations

import re

import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.runtime.honest_text import quoted

MS_PER_UNIT = {
    86_400_000.0: ("days", "day", "d"),
    3_600_000.0: ("hours", "hour", "hrs", "hr", "h"),
    60_000.0: ("minutes", "minute", "mins", "min"),
    1000.0: ("seconds", "second", "secs", "sec", "s"),
    1.0: ("milliseconds", "millisecond", "msecs", "msec", "ms"),
    1e-3: ("microseconds", "microsecond"),
    1e-6: ("nanoseconds", "nanosecond"),
}
UNITS = {name: ms for ms, names in MS_PER_UNIT.items() for name in names}
STANDARD = ("standard", "gregorian")
"""The calendar that is Julian until 1582-10-04, and Gregorian from the next day, the 15th."""
DAYS_BEFORE_1970 = 2_472_670
"""From 4801-03-01 before our era, Julian, to 1970-01-01."""
CF_UNITS = re.compile(
    r"(?P<unit>[a-z]+) since (?P<year>\d{1,4})-(?P<month>\d\d?)-(?P<day>\d\d?)"
    r"([T ]+(?P<clock>\d\d?(:\d\d?){1,2})(\.0*)?)?( ?(Z|UTC|GMT|\+00:?00))?",
    re.IGNORECASE,
)


def decode_times(values: np.ndarray, units: str, calendar: str) -> np.ndarray:
    """The instants that CF times mean.

    Args:
        values: Numbers, (N,).
        units: Such as `hours since 1970-01-01`; UTC.
        calendar: `standard` or `proleptic_gregorian`; the other ones lack days, or have more.

    Returns:
        datetime64[ms], (N,).

    Raises:
        PredictionError: When it is another unit or calendar, or there is no such date.
    """
    match = CF_UNITS.fullmatch(units.strip())
    unit = UNITS.get(match["unit"].lower()) if match else None
    known = calendar.lower() in (*STANDARD, "proleptic_gregorian")
    if not match or unit is None or not known:
        raise PredictionError(
            f"time has units {quoted(units)} and calendar {quoted(calendar)}; wanted CF times of "
            "fixed length in UTC and the standard calendar, for example 'hours since 1970-01-01'."
        )
    year, month, day = (int(match[name]) for name in ("year", "month", "day"))
    clock = [int(part) for part in (match["clock"] or "0:00").split(":")]
    try:
        start = _date(year, month, day, calendar.lower() in STANDARD)
        if any(part >= limit for part, limit in zip(clock, (24, 60, 60), strict=False)):
            raise ValueError
    except ValueError as error:
        raise PredictionError(
            f"time has units {quoted(units)}: calendar {quoted(calendar)} has no such date."
        ) from error
    seconds = sum(part * size for part, size in zip(clock, (3600, 60, 1), strict=False))
    milliseconds = values.astype(np.float64) * unit + 1000.0 * seconds
    if not np.all(np.abs(milliseconds) < 1e15):
        raise PredictionError("time holds values that are not times.")
    return start.astype("datetime64[ms]") + np.rint(milliseconds).astype("timedelta64[ms]")


def _date(year: int, month: int, day: int, standard: bool) -> np.datetime64:
    """The day on which a calendar has this date.

    Raises:
        ValueError: When it has none.
    """
    if not standard or (year, month, day) >= (1582, 10, 15):
        return np.datetime64(f"{year:04}-{month:02}-{day:02}", "D")
    if year == 0 or (year, month, day) > (1582, 10, 4):
        raise ValueError("the standard calendar goes from year -1 to 1, and skips ten days of 1582")
    np.datetime64(f"{2000 if year % 4 == 0 else 2001}-{month:02}-{day:02}", "D")  # is there one?
    # Days since 4801-03-01 before our era, Julian: years begin in March, leap days end them.
    years, months = year + 4800 - (month < 3), (month + 9) % 12
    days = 365 * years + years // 4 + (153 * months + 2) // 5 + day - 1
    return np.datetime64(days - DAYS_BEFORE_1970, "D")
