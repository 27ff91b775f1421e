"""METAR and SPECI, the reports of aerodromes, as text.

Read are t2m, u10 and v10, ps, and msl where the remarks have it. QNH is no pressure at sea level:
it is what ps would be reduced to in the standard atmosphere, and ps is computed from it and from
the aerodrome's height. A report has neither position nor month: both are given. Winds of variable
direction are left out, and gusts are not read.

References:
    WMO-No. 306, Manual on Codes, volume I.1, FM 15 METAR and FM 16 SPECI; ICAO annex 3, appendix 3,
    4.7: QNH is rounded down to whole hectopascals. Groups are read by the package `metar`.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dambench_hub.building.sources.reports.reading import (
    Header,
    Reading,
    Refusal,
    Reports,
    read_reports,
)
from dambench_hub.building.sources.reports.wind import wind_components
from dambench_hub.coordinates.standard_atmosphere import station_pressure
from dambench_hub.errors import BuildError

if TYPE_CHECKING:
    from metar.Metar import Metar

BEGIN = re.compile(r"\b([A-Z][A-Z0-9]{3}) (\d{2})(\d{2})(\d{2})Z\b")
"""Location indicator, day, hour and minute."""
PERIOD = re.compile(r"\d{4}/\d{4}\b")
"""After the time, what a forecast (TAF) is valid for; it begins as a report does."""
WHOLE_HECTOPASCALS = re.compile(r"\bQ\d{4}\b")
ROUNDED_DOWN = 50.0
"""Pa, half of what was cut off at most."""


class Aerodrome(NamedTuple):
    """Where a location indicator is: degrees north and east, and m above the sea."""

    latitude: float
    longitude: float
    elevation: float


def read_metar(
    path: Path, aerodromes: Mapping[str, Aerodrome], reference: np.datetime64
) -> Reading:
    """All reports of a text file: one a line, or ended by `=` as in bulletins, or by the next.

    Args:
        path: The file.
        aerodromes: By location indicator; reports of others are refused, as without a position.
        reference: A time less than half a month from all reports; it gives the month and year.

    Raises:
        BuildError: When the file cannot be read, or the package `metar` is not installed.
    """
    parse = _parser(path)
    refused: Counter[str] = Counter()
    found = []
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise BuildError(f"{path} cannot be read ({error.strerror}).") from error
    for report in _split(text):
        begin = BEGIN.search(report)
        if begin is None or _is_forecast(report, begin):
            refused[Refusal.TEMPLATE] += 1
            continue
        time = _time(begin, reference.astype("datetime64[s]").item())
        groups = parse(report[begin.start() :], time) if time else {}
        found.append({"station": begin[1], "time": time} | groups)
    return read_reports(_reports(found, aerodromes), refused)


def _split(text: str) -> Iterator[str]:
    """The reports, each on one line. Only where `=` ends reports do they go on in further lines."""
    wrapped = "=" in text
    for part in text.split("="):
        report: list[str] = []
        for line in part.splitlines():
            if report and (BEGIN.search(line) and BEGIN.search(" ".join(report)) or not wrapped):
                yield " ".join(report)
                report = []
            report += line.split()
        if report:
            yield " ".join(report)


def _is_forecast(report: str, begin: re.Match[str]) -> bool:
    heading, rest = report[: begin.start()].split(), report[begin.end() :].lstrip()
    return "TAF" in heading or PERIOD.match(rest) is not None


def _time(begin: re.Match[str], reference: datetime) -> datetime | None:
    """The time nearest to the reference with this day, hour and minute; None if there is none."""
    day, hour, minute = (int(part) for part in begin.groups()[1:])
    months = [divmod(12 * reference.year + reference.month - 1 + step, 12) for step in (-1, 0, 1)]
    times = []
    for year, month in months:
        try:
            times.append(datetime(year, month + 1, day, hour, minute))
        except ValueError:  # no such day in this month, or none at all
            continue
    return min(times, key=lambda time: abs(time - reference), default=None)


def _parser(path: Path) -> Callable[[str, datetime], dict[str, float]]:
    try:
        from metar.Metar import Metar
    except ImportError as error:
        raise BuildError(
            f"{path} is METAR, which needs the package metar: "
            "pip install 'dambench-hub[observations]'."
        ) from error

    def parse(report: str, time: datetime) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of groups it does not know
            values = _values(Metar(report, month=time.month, year=time.year, strict=False))
        if "qnh" in values and WHOLE_HECTOPASCALS.search(report):
            values["qnh"] += ROUNDED_DOWN
        return values

    return parse


def _values(report: Metar) -> dict[str, float]:
    """K, degrees, m/s and Pa; what is not there or not legible is not in it."""
    values = {
        "t2m": None if report.temp is None else report.temp.value("K"),
        "direction": None if report.wind_dir is None else report.wind_dir.value(),
        "speed": None if report.wind_speed is None else report.wind_speed.value("MPS"),
    }
    for name, pressure in (("qnh", report.press), ("msl", report.press_sea_level)):
        values[name] = None if pressure is None else 100 * pressure.value("HPA")
    return {name: value for name, value in values.items() if value is not None}


def _reports(found: list[dict[str, Any]], aerodromes: Mapping[str, Aerodrome]) -> Reports:
    nowhere = Aerodrome(np.nan, np.nan, np.nan)
    places = [aerodromes.get(report["station"], nowhere) for report in found]
    latitude, longitude, elevation = np.array(places, float).reshape(-1, 3).T
    header = Header(
        station=np.array([report["station"] for report in found], str),
        time=np.array([report["time"] for report in found], "datetime64[ms]"),
        latitude=latitude,
        longitude=longitude,
        elevation=elevation,
    )
    t2m, direction, speed, qnh, msl = (
        np.array([report.get(name, np.nan) for report in found], float)
        for name in ("t2m", "direction", "speed", "qnh", "msl")
    )
    u10, v10 = wind_components(direction, speed)
    ps = station_pressure(qnh, elevation)
    return Reports("metar", header, {"t2m": t2m, "u10": u10, "v10": v10, "ps": ps, "msl": msl})
