"""Tables of observations as earth2studio's frames, and back: other names, and UTC without a zone.

Both have a row for each measured value, pressures in Pa, longitudes from 0 to 360, and the same
units. A frame of ours has two columns that earth2studio does not know, `error_std` and `withheld`,
and is known by them; one that has lost `error_std` gets the prescribed errors. In frames of
earth2studio's sources, `type` and `quality` are codes of the source, and whoever wants to select by
them does so before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dambench_hub.building.sources.reports.error_std import LEVELS, SURFACE, error_std
from dambench_hub.errors import DataError
from dambench_hub.observations.columns import from_series
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES
from dambench_hub.observations.table import ObservationTable

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ns")),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("elev", pa.float32()),
        ("observation", pa.float32()),
        ("variable", pa.string()),
        ("pres", pa.float32()),
        ("type", pa.string()),
        ("station", pa.string()),
        ("quality", pa.uint16()),
        ("error_std", pa.float32()),
        ("withheld", pa.bool_()),
    ]
)
"""Columns of a frame of ours. Places have the precision of the table, twice that of
earth2studio's, so that nothing is lost on the way back."""

COLUMNS = {
    "lat": "latitude",
    "lon": "longitude",
    "elev": "elevation",
    "observation": "value",
    "pres": "pressure",
    "type": "report",
}
"""Of a frame and of a table, where they have different names."""

REQUIRED = ("time", "lat", "lon", "observation", "variable")
"""Columns that every frame has."""

OWN = ("error_std", "withheld")
"""Columns by which a frame of ours is known."""

VARIABLES = {"u10": "u10m", "v10": "v10m", "ps": "pres"}
"""What earth2studio calls variables that it does not call as we do. `precipitation`, `olr` and
`brightness_temperature` have no name there, as its own are of other quantities: they keep ours."""

_OURS = {theirs: ours for ours, theirs in VARIABLES.items()}


def earth2studio_name(name: str) -> str:
    """Name of a channel, or of a variable, in earth2studio's lexicon.

    >>> earth2studio_name("u10"), earth2studio_name("z500")
    ('u10m', 'z500')
    """
    return VARIABLES.get(name, name)


def dambench_name(name: str) -> str:
    """The inverse of `earth2studio_name`."""
    return _OURS.get(name, name)


def to_frame(table: ObservationTable) -> pd.DataFrame:
    """A frame with the columns of `SCHEMA`, a row for each of the table.

    Raises:
        DataError: When a time lies outside the years 1678 to 2261, which pandas cannot count in ns.
    """
    names = {ours: theirs for theirs, ours in COLUMNS.items()}
    arrow = table.arrow.rename_columns([names.get(name, name) for name in table.arrow.column_names])
    variables = [earth2studio_name(name) for name in table.labels("variable").tolist()]
    at = arrow.schema.get_field_index("variable")
    arrow = arrow.set_column(at, "variable", pa.array(variables, pa.string()))
    try:
        return arrow.select(SCHEMA.names).cast(SCHEMA).to_pandas()
    except pa.ArrowInvalid as error:
        raise DataError(
            f"The table has times that a frame in nanoseconds cannot hold ({error}); leave out "
            "what is before 1678 or after 2261."
        ) from error


def from_frame(frame: pd.DataFrame, **columns: Any) -> ObservationTable:
    """The table of a frame, of `to_frame` or of one of earth2studio's sources.

    What a frame of earth2studio's sources does not say is filled in: stations are "", values at the
    surface `synop` reports and those on levels `temp`, both with the errors that are prescribed for
    these, see `building.sources.reports.error_std`. Pressures of surface values and elevations of
    values on levels are left out, as are columns that a table does not have.

    Args:
        frame: Rows in any order of time, at least with the columns of `REQUIRED`.
        columns: Columns of the table, (R,) each or one value for all rows, in the place of the
            frame's: `report="metar"`, `error_std=1.5`.

    Raises:
        DataError: When the frame lacks a column or holds what is impossible in a table, or no error
            is prescribed for a variable and none is given.
    """
    if absent := [name for name in REQUIRED if name not in frame.columns]:
        raise DataError(
            f"The frame has no column {', '.join(absent)}; those of earth2studio have "
            f"{', '.join(REQUIRED)}, and more."
        )
    found = {
        COLUMNS.get(name, name): from_series(frame[name])
        for name in SCHEMA.names
        if name in frame.columns
    }
    found["variable"] = np.array([dambench_name(name) for name in found["variable"]], object)
    if not all(name in frame.columns for name in OWN):
        found = _of_other_sources(found, columns)
    return ObservationTable.from_columns(**(found | columns))


def _of_other_sources(found: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The columns of a frame that is not ours, brought to our rules and completed."""
    columns = {name: found[name] for name in ("time", "latitude", "value", "variable")}
    on_levels = np.array(
        [n in OBSERVED_VARIABLES and OBSERVED_VARIABLES[n].on_levels for n in columns["variable"]],
        bool,
    )
    missing = np.full(len(on_levels), np.nan, np.float32)
    longitude = found["longitude"].astype(np.float64)
    columns["longitude"] = np.where(longitude == 360, 0, longitude)  # rounded up to it, as float32
    columns["elevation"] = np.where(on_levels, np.nan, found.get("elevation", missing))
    columns["pressure"] = np.where(on_levels, found.get("pressure", missing), np.nan)
    station = found.get("station", missing.astype(object))
    columns["station"] = np.where([isinstance(s, str) for s in station], station, "")
    columns["report"] = np.where(on_levels, "temp", "synop")
    if "withheld" in found:  # a frame of ours without errors: what was kept and refused stays so
        columns |= {name: found[name] for name in ("withheld", "quality") if name in found}
    if "error_std" in found:
        columns["error_std"] = found["error_std"]
    elif "error_std" not in given:
        report = np.broadcast_to(given.get("report", columns["report"]), on_levels.shape)
        columns["error_std"] = _prescribed(columns, report)
    return columns


def _prescribed(columns: dict[str, Any], report: np.ndarray) -> np.ndarray:
    """Standard deviation of the observation error by report and variable, (R,)."""
    std = np.full(len(report), np.nan)
    pairs = {(str(r), str(v)) for r, v in zip(report, columns["variable"], strict=True)}
    for kind, variable in sorted(pairs):
        rows = (report == kind) & (columns["variable"] == variable)
        known = {"q"} | SURFACE.get(kind, {}).keys() | LEVELS.get(kind, {}).keys()
        if variable in OBSERVED_VARIABLES and variable not in known:
            raise DataError(
                f"No error is prescribed for {variable} of {kind} reports; give error_std, in the "
                "units of the variable."
            )
        if variable in OBSERVED_VARIABLES:
            pressure = columns["pressure"][rows].astype(np.float64)
            std[rows] = error_std(kind, variable, pressure, np.full(pressure.shape, np.nan))
    return std
