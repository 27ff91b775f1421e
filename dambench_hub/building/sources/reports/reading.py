"""What a reader makes of an archive: rows, and counts of what cannot be rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np

from dambench_hub.building.sources.reports.error_std import error_std
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.quality_control import gross_errors, mark
from dambench_hub.observations.station_places import FIXED_REPORTS
from dambench_hub.observations.table import ObservationTable, concatenate

DECIMALS = 5
"""Of a position, about a metre: the most that a message gives. More is noise of its decoding."""


class Refusal(StrEnum):
    """Why a report is no row. Counted are reports; of soundings and flights, levels.

    Attributes:
        DAMAGED: A message that ends too early or contradicts itself; its reports are not known.
        TEMPLATE: A message of another kind, or laid out in a way that is not known here.
        TIME: Year, month, day or hour are absent or impossible. Absent minutes are minute 0.
        POSITION: Latitude or longitude are absent or impossible, or a station on land is at 0/0.
        HEIGHT: The station lies outside -1000 to 9000 m. An unknown height is no reason.
        PRESSURE: A level without a possible pressure.
        SENSOR: A value (not a report) from too far from 2 m or 10 m to be called t2m, u10 and v10.
        NO_VALUE: Nothing was measured that a table holds.
    """

    DAMAGED = "damaged message"
    TEMPLATE = "unknown template"
    TIME = "impossible time"
    POSITION = "impossible position"
    HEIGHT = "impossible height"
    PRESSURE = "impossible pressure"
    SENSOR = "sensor elsewhere"
    NO_VALUE = "no value"


@dataclass(frozen=True, eq=False)
class Reading:
    """Rows of an archive.

    Attributes:
        table: What was measured, with default errors, see `error_std`.
        refused: How many reports are not in it, by the words of `Refusal`; none of them is 0.
    """

    table: ObservationTable
    refused: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Header:
    """Who reported, where and when. N reports.

    Attributes:
        station: Identifiers, str, (N,). Empty ones of fixed stations are replaced by the place;
            of what moves they stay empty, since one ship under the name of each place that it
            passes would be many.
        time: UTC, datetime64, (N,); NaT where it is unknown.
        latitude: Degrees north, (N,); NaN where it is unknown.
        longitude: Degrees east, -180 to 360, (N,); NaN where it is unknown.
        elevation: Height of the station, m, (N,); NaN where it is unknown.
    """

    station: np.ndarray
    time: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    elevation: np.ndarray

    def at(self, rows: np.ndarray) -> Header:
        """Those that an index or boolean selects."""
        return Header(*(getattr(self, column.name)[rows] for column in fields(self)))


@dataclass(frozen=True, eq=False)
class Reports:
    """N reports of one kind, each of one place and time; levels of a sounding are reports, too.

    Attributes:
        report: As in the column `report` of a table.
        header: Who, where and when.
        values: By variable, units of `OBSERVED_VARIABLES`, (N,); NaN where nothing was measured.
        pressure: Pa, (N,), of values on levels.
        elevations: Of variables that are measured elsewhere than the header says, m, (N,).
        suspect: By variable, which values the provider calls wrong, boolean, (N,).
    """

    report: str
    header: Header
    values: Mapping[str, np.ndarray]
    pressure: np.ndarray | None = None
    elevations: Mapping[str, np.ndarray] = field(default_factory=dict)
    suspect: Mapping[str, np.ndarray] = field(default_factory=dict)


def read_reports(reports: Reports, refused: Mapping[str, int] | None = None) -> Reading:
    """The rows of reports, a value each; what cannot be a row is counted with `refused`.

    A report with several faults is counted by the first, in the order of `Refusal`.
    """
    counts = Counter(refused or {})
    left = np.ones(len(reports.header.time), bool)
    for reason, failed in _faults(reports).items():
        counts[reason] += int(np.sum(failed & left))
        left &= ~failed
    tables = [_rows(reports, variable, left) for variable in reports.values]
    table = concatenate([rows for rows in tables if len(rows)])
    table = mark(table, gross_errors(table), Quality.GROSS)
    return Reading(table, _words(counts))


def join(readings: Iterable[Reading], refused: Mapping[str, int] | None = None) -> Reading:
    """All rows of several readings, and the sums of their counts and of `refused`."""
    several = list(readings)
    counts = sum((Counter(reading.refused) for reading in several), Counter(refused or {}))
    return Reading(concatenate([reading.table for reading in several]), _words(counts))


def _words(counts: Mapping[str, int]) -> dict[str, int]:
    return {reason.value: counts[reason] for reason in Refusal if counts[reason]}


def _faults(reports: Reports) -> dict[Refusal, np.ndarray]:
    """Which reports have which fault, boolean, (N,)."""
    header = reports.header
    latitude, longitude = np.round(header.latitude, DECIMALS), header.longitude
    inside = (np.abs(latitude) <= 90) & (longitude >= -180) & (longitude <= 360)
    nowhere = (latitude == 0) & (longitude == 0) & (reports.report in FIXED_REPORTS)
    heights = [header.elevation, *reports.elevations.values()]
    outside = np.any([np.abs(height - 4_000) > 5_000 for height in heights], axis=0)
    faults = {
        Refusal.TIME: np.isnat(reports.header.time),
        Refusal.POSITION: ~inside | nowhere,
        Refusal.HEIGHT: outside,
    }
    if reports.pressure is not None:
        faults[Refusal.PRESSURE] = ~((reports.pressure >= 1) & (reports.pressure <= 120_000))
    faults[Refusal.NO_VALUE] = ~np.any([_is_number(v) for v in reports.values.values()], axis=0)
    return faults


def _is_number(values: np.ndarray) -> np.ndarray:
    """Which values a table can hold, in single precision; boolean, (N,)."""
    return np.abs(values) <= np.finfo(np.float32).max


def _rows(reports: Reports, variable: str, left: np.ndarray) -> ObservationTable:
    """The rows of one variable."""
    rows = left & _is_number(reports.values[variable])
    if not rows.any():
        return ObservationTable.empty()
    header = reports.header.at(rows)
    unknown = np.full(len(left), np.nan)
    levels = unknown if reports.pressure is None else reports.pressure
    pressure = (levels if OBSERVED_VARIABLES[variable].on_levels else unknown)[rows]
    temperature = reports.values.get("t", unknown)[rows]  # errors of humidity depend on it
    latitude = np.round(header.latitude, DECIMALS)
    longitude = np.round(header.longitude % 360, DECIMALS) % 360
    station = header.station
    if reports.report in FIXED_REPORTS:
        places = zip(latitude, longitude, strict=True)
        station = np.where(station == "", [f"{n:.2f}N{e:.2f}E" for n, e in places], station)
    suspect = reports.suspect.get(variable, np.zeros(len(rows), bool))[rows]
    return ObservationTable.from_columns(
        time=header.time,
        latitude=latitude,
        longitude=longitude,
        elevation=reports.elevations.get(variable, reports.header.elevation)[rows],
        pressure=pressure,
        variable=variable,
        value=reports.values[variable][rows],
        error_std=error_std(reports.report, variable, pressure, temperature),
        station=station,
        report=reports.report,
        quality=np.where(suspect, Quality.PROVIDER, Quality.GOOD),
    )
