"""GHCNh, NOAA's hourly reports of more than 20,000 stations, as text (`.psv`) or Parquet.

Read are t2m, u10 and v10, ps, msl, and precipitation that is a total of 24 hours. °C become K and
hPa become Pa. Each value has a quality code of its own; what failed a check of the archive is a row
marked `PROVIDER`. Names of columns differ between the files of a year and those of a station's
whole period, and between editions; they are known in all of their forms.

References:
    NOAA NCEI (2023), Global Historical Climatology Network hourly (GHCNh), version 1,
    doi:10.25921/jp3d-3v19, documentation and column names of its files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from dambench_hub.building.sources.reports.reading import Header, Reading, Reports, read_reports
from dambench_hub.building.sources.reports.wind import wind_components
from dambench_hub.errors import BuildError

HEADER = {
    "station": ("station", "station_id"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
    "elevation": ("elevation", "elev"),
}
DATE = "date"
PARTS = ("year", "month", "day", "hour", "minute")
"""Names of columns in small letters; the time is one column or five."""

VALUES = {
    "t2m": "temperature",
    "ps": "station_level_pressure",
    "msl": "sea_level_pressure",
    "direction": "wind_direction",
    "speed": "wind_speed",
    "precipitation": "precipitation_24_hour",
}
HECTOPASCAL, FREEZING = 100.0, 273.15

PASSED = ("", "0", "1", "4", "5", "9", "A")
"""Quality codes of values that no check failed: none, those of older archives that say so, and A,
accepted though suspect. Letters otherwise name the check that failed."""

UNKNOWN_ELEVATIONS = (-999.0, -999.9, -9999.0, 9999.0)


def read_ghcnh(path: Path) -> Reading:
    """All reports of a file, `.psv` or `.parquet`.

    Raises:
        BuildError: When it cannot be read, or is not of this archive.
    """
    frame = _columns(path)
    names = {name for several in HEADER.values() for name in several} - {"elevation", "elev"}
    known = {own: next((n for n in several if n in frame), "") for own, several in HEADER.items()}
    absent = [own for own, name in known.items() if not name and own != "elevation"]
    if absent or not (DATE in frame or set(PARTS) <= set(frame)):
        raise BuildError(
            f"{path} has no column of {', '.join(absent) or 'the time'} as GHCNh has them "
            f"({', '.join(sorted(names))}, {DATE}). Fetch GHCNh_<station>_<year>.psv again."
        )
    return read_reports(_reports(frame, known))


def _columns(path: Path) -> pd.DataFrame:
    """The columns that are used, as text or as they are stored, by their names in small letters."""
    wanted = {name for several in HEADER.values() for name in several} | {DATE, *PARTS}
    wanted |= {*VALUES.values(), *(f"{name}_quality_code" for name in VALUES.values())}
    try:
        if path.suffix == ".parquet":
            names = pq.read_schema(path).names
            table = pq.read_table(path, columns=[n for n in names if n.lower() in wanted])
        else:
            with path.open(encoding="utf-8") as text:
                names = [
                    n for n in text.readline().rstrip("\r\n").split("|") if n.lower() in wanted
                ]
            table = csv.read_csv(
                path,
                parse_options=csv.ParseOptions(delimiter="|"),
                convert_options=csv.ConvertOptions(
                    include_columns=names, column_types=dict.fromkeys(names, pa.string())
                ),
            )
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise BuildError(f"{path} cannot be read as a file of GHCNh ({error}).") from error
    return table.to_pandas().rename(columns=str.lower)


def _reports(frame: pd.DataFrame, known: Mapping[str, str]) -> Reports:
    values = {own: _numbers(frame, name) for own, name in VALUES.items()}
    values["t2m"] += FREEZING
    values["ps"] *= HECTOPASCAL
    values["msl"] *= HECTOPASCAL
    suspect = {own: _failed(frame, name) for own, name in VALUES.items()}
    direction, speed = values.pop("direction"), values.pop("speed")
    u10, v10 = wind_components(direction, speed)
    values |= {"u10": u10, "v10": v10}
    wind = suspect["speed"] | (suspect["direction"] & (speed != 0))  # a calm has no direction
    suspect |= {"u10": wind, "v10": wind}
    elevation = _numbers(frame, known["elevation"])
    header = Header(
        station=frame[known["station"]].astype("string").fillna("").to_numpy(str),
        time=_times(frame),
        latitude=_numbers(frame, known["latitude"]),
        longitude=_numbers(frame, known["longitude"]),
        elevation=np.where(np.isin(elevation, UNKNOWN_ELEVATIONS), np.nan, elevation),
    )
    return Reports("synop", header, values, suspect=suspect)


def _numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column, float64, (N,); NaN where it is empty, no number, or not there."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(float, copy=True)


def _times(frame: pd.DataFrame) -> np.ndarray:
    """UTC, datetime64, (N,); NaT where it is no time."""
    if DATE in frame:
        time = pd.to_datetime(frame[DATE], errors="coerce", utc=True, format="ISO8601")
    else:
        parts = frame[list(PARTS)].apply(pd.to_numeric, errors="coerce")
        time = pd.to_datetime(parts, errors="coerce", utc=True)
    return time.dt.tz_localize(None).to_numpy("datetime64[ms]")


def _failed(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Which values failed a check of the archive, boolean, (N,)."""
    column = f"{name}_quality_code"
    if column not in frame:
        return np.zeros(len(frame), bool)
    codes = frame[column].astype("string").fillna("").str.strip().str.removesuffix(".0")
    return ~codes.isin(PASSED).to_numpy()
