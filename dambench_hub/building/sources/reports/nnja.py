"""NNJA-AI: NOAA's and NASA's joint archive of observations since 1979, as Parquet by Brightband.

Read are surface reports (`conv-adpsfc`, messages NC000001, NC000007 and NC000101) and radiosondes
(`conv-adpupa`, message NC002001) at their mandatory levels, which the archive has as columns of
their own. Columns keep NCEP's names of BUFR elements, joined by dots; units are those of BUFR: K,
Pa, m/s, degrees, m, m² s⁻² and kg m⁻². Files are known by their columns.

References:
    nnja-ai 1.0.0 (August 2025), the archive's SDK: its documentation and examples; data under
    `gs://nnja-ai/data/v1/`. NCEP's quality marks: BUFR code tables 0 33 192 to 0 33 218.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dambench_hub.building.sources.reports.reading import (
    Header,
    Reading,
    Reports,
    join,
    read_reports,
)
from dambench_hub.building.sources.reports.soundings import sounding_reports
from dambench_hub.building.sources.reports.wind import wind_components
from dambench_hub.errors import BuildError

REQUIRED = ("OBS_TIMESTAMP", "LAT", "LON")
ELEVATION = ("SELV", "UASID.SELV")
STATION = ("RPID", "UASID.RPID")
BLOCK, NUMBER = "WMOB", "WMOS"

SURFACE = {
    "t2m": ("TMPSQ1.TMDB", "MTRTMP.TMDB", "TEMHUMDA.TMDB"),
    "ps": ("PRSSQ1.PRES", "PRESDATA.PRESSQ03.PRES"),
    "msl": ("PRSSQ1.PMSL", "PRESDATA.PRESSQ03.PMSL"),
    "direction": ("WNDSQ1.WDIR", "MTRWND.WDIR", "BSYWND1.WDIR"),
    "speed": ("WNDSQ1.WSPD", "MTRWND.WSPD", "BSYWND1.WSPD"),
    "precipitation": ("PCPSQ1.PCPSQ2.TP24",),
}
"""Columns by message; a file has one of each."""
METAR = "MTRTMP.TMDB"
"""A column of NC000007 only."""
TRACE = -0.1

LEVEL = re.compile(r"(?:TMDB|TMDP|WDIR|WSPD|GP10)_PRLC(\d+)")
"""Columns of mandatory levels; the number is the pressure in Pa."""
SOUNDING = {"temperature": "TMDB", "dew_point": "TMDP", "direction": "WDIR", "speed": "WSPD"} | {
    "geopotential": "GP10"
}

SURFACE_MARKS = {
    "t2m": ("TMPSQ1.QMAT", "MTRTMP.QMAT", "QMAT"),
    "ps": ("PRSSQ1.QMPR", "QMPR"),
    "msl": ("PRSSQ1.QMPR", "QMPR"),
    "u10": ("WNDSQ1.QMWN", "MTRWND.QMWN", "QMWN"),
    "v10": ("WNDSQ1.QMWN", "MTRWND.QMWN", "QMWN"),
}
SOUNDING_MARKS = {"t": "QMAT", "q": "QMDD", "u": "QMWN", "v": "QMWN", "z": "QMGP"}
SUSPECT = 3
"""Marks: 0 keep, 1 good, 2 neutral, 3 suspect; beyond it rejected, 14 by hand."""

MISSING = 1e9
"""NCEP's missing value is 1e11."""


def read_nnja(path: Path) -> Reading:
    """All reports of a Parquet file, or of all such files below a folder.

    Raises:
        BuildError: When there is none, or it has not the columns of this archive.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise BuildError(f"{path} holds no Parquet files. Give a folder of NNJA-AI, or a file.")
    return join(_read_file(file) for file in files)


def _read_file(path: Path) -> Reading:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BuildError(f"{path} cannot be read as Parquet ({error}).") from error
    names = file.schema_arrow.names
    if absent := [name for name in REQUIRED if name not in names]:
        raise BuildError(
            f"{path} has no column {', '.join(absent)}: it is not of NNJA-AI, version 1. Give "
            "files of conv/adpsfc or conv/adpupa below gs://nnja-ai/data/v1/."
        )
    levels = sorted({int(found[1]) for name in names if (found := LEVEL.fullmatch(name))})
    read = _sounding_columns(levels) if levels else _surface_columns()
    columns = file.read(columns=[name for name in (*_header_columns(), *read) if name in names])
    return read_reports(_soundings(columns, levels) if levels else _surface(columns))


def _header_columns() -> list[str]:
    return [*REQUIRED, *ELEVATION, *STATION, BLOCK, NUMBER]


def _surface_columns() -> list[str]:
    several = (*SURFACE.values(), *SURFACE_MARKS.values())
    return [name for columns in several for name in columns]


def _sounding_columns(levels: Sequence[int]) -> list[str]:
    several = {*SOUNDING.values(), *SOUNDING_MARKS.values()}
    return [f"{name}_PRLC{level}" for level in levels for name in sorted(several)]


def _surface(table: pa.Table) -> Reports:
    values = {name: _numbers(table, *columns) for name, columns in SURFACE.items()}
    u10, v10 = wind_components(values.pop("direction"), values.pop("speed"))
    rain = values["precipitation"]
    values |= {"u10": u10, "v10": v10, "precipitation": np.where(rain == TRACE, 0.0, rain)}
    suspect = {name: _numbers(table, *marks) > SUSPECT for name, marks in SURFACE_MARKS.items()}
    report = "metar" if METAR in table.column_names else "synop"
    return Reports(report, _header(table), values, suspect=suspect)


def _soundings(table: pa.Table, levels: Sequence[int]) -> Reports:
    """Each level of each sounding, level by level."""

    def at_levels(names: Mapping[str, str]) -> dict[str, np.ndarray]:
        return {
            own: np.concatenate([_numbers(table, f"{name}_PRLC{level}") for level in levels])
            for own, name in names.items()
        }

    measured = at_levels(SOUNDING)
    there = np.any([np.isfinite(values) for values in measured.values()], axis=0)
    rows = np.tile(np.arange(len(table)), len(levels))[there]
    pressure = np.repeat(np.array(levels, float), len(table))[there]
    suspect = {name: (marks > SUSPECT)[there] for name, marks in at_levels(SOUNDING_MARKS).items()}
    measured = {name: values[there] for name, values in measured.items()}
    return sounding_reports(_header(table).at(rows), pressure, measured, suspect)


def _header(table: pa.Table) -> Header:
    time = table.column("OBS_TIMESTAMP").cast(pa.timestamp("ms", tz="UTC"), safe=False)
    return Header(
        station=_stations(table),
        time=time.cast(pa.timestamp("ms")).to_numpy(),
        latitude=_numbers(table, "LAT"),
        longitude=_numbers(table, "LON"),
        elevation=_numbers(table, *ELEVATION),
    )


def _stations(table: pa.Table) -> np.ndarray:
    """The report's identifier, or else the WMO number, str, (N,); empty if there is neither."""
    unknown = np.full(len(table), "")
    named = next((name for name in STATION if name in table.column_names), None)
    if named:
        words = pc.utf8_trim_whitespace(table.column(named).cast(pa.string()))
        unknown = words.fill_null("").to_numpy(zero_copy_only=False).astype(str)
    block, number = _numbers(table, BLOCK), _numbers(table, NUMBER)
    known = np.isfinite(block) & np.isfinite(number)
    wmo = [
        f"{b:02.0f}{n:03.0f}" if there else ""
        for b, n, there in zip(block, number, known, strict=True)
    ]
    return np.where(unknown == "", np.array(wmo, str), unknown)


def _numbers(table: pa.Table, *names: str) -> np.ndarray:
    """The first of these columns that is there, float64, (N,); NaN where a value is missing."""
    for name in names:
        if name in table.column_names:
            column = table.column(name).cast(pa.float64()).to_numpy()
            return np.where(np.abs(column) < MISSING, column, np.nan)
    return np.full(len(table), np.nan)
