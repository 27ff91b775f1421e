"""Whether fields are analyses: nothing else may become the reference.

An analysis is one state of the atmosphere at one moment: no forecast, no mean or extreme over
time, no mean, spread or perturbed member of an ensemble. Archives tell by keys of GRIB, by
attributes that netCDF and Zarr took over from these (`GRIB_dataType`), by CF's `cell_methods`, by
coordinates that only forecasts and ensembles have, and by the history of what was done to them.
What says nothing is taken for analyses.

References:
    CF conventions 1.11, section 7.3 and appendix E; ECMWF's tables of MARS types and streams.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from dambench_hub.coordinates.variables import VARIABLES
from dambench_hub.errors import BuildError

WANTED = (
    "The reference is made of analyses, each the state at one moment. Ask for the product type "
    "reanalysis, hourly."
)

OTHER_VARIABLE = (
    "If that was done to another variable only, remove the attribute history: "
    "`ncatted -a history,global,d,, FILE`."
)

KEYS = {
    # GRIB 2 that says no more is af, analysis or forecast: then the step tells.
    "dataType": ("an", "af"),
    "stream": ("oper", "scda", "lwda", "enda", "elda"),
    "stepType": ("instant",),
    "derivedForecast": (),
}
"""Values of GRIB's keys that an analysis may have. Streams of means over months are not here."""

ZERO = ("step", "stepRange", "endStep", "number")
"""Keys that are 0 for an analysis; member 0 of ERA5's ensemble is the unperturbed one."""

SILENT = ("None", "", "unknown", "undef")

WORDS = {
    "fc": "forecasts",
    "cf": "control forecasts",
    "pf": "perturbed forecasts",
    "em": "ensemble means",
    "es": "ensemble spreads",
    "moda": "monthly means",
    "mnth": "monthly means",
    "edmo": "monthly means",
    "edmm": "monthly means",
    "msmm": "monthly means",
    "accum": "sums over time",
    "avg": "means over time",
    "max": "maxima over time",
    "min": "minima over time",
    "stepType": "statistics over time",
    "derivedForecast": "statistics of an ensemble",
}
"""What the values that come most often mean, and those of a key in general."""

LEADS = (
    "step",
    "forecast_period",
    "forecast_hour",
    "prediction_timedelta",
    "lead_time",
    "leadtime",
)
"""Names of coordinates that say how far a forecast looks."""
STARTS = ("forecast_reference_time", "forecast_initial_time", "initial_time")
"""When it started."""
MEMBERS = ("number", "realization", "member", "ensemble", "ensemble_member")
"""Which one of an ensemble it is."""
TIMES = ("time", "valid_time", "date", *LEADS, *STARTS)

CELL_METHOD = re.compile(r"((?:\w+: *)+)(\w+)")
"""Axes, and what was done along them."""
INSTANTS = ("point", "instantaneous")

PERIODS = "hour|day|mon|seas|year|tim|timsel|run|ydrun|yhour|yday|ymon|ens"
STATISTICS = "mean|avg|min|max|sum|range|median|std1?|var1?|pctl"
REDUCED = re.compile(
    rf"(?<=[\s-])(?:{PERIODS})(?:{STATISTICS})(?=[\s,])|(?<=\s)(?:ncra|nces|ncea)(?=\s)"
    r"|\b(?:daily|monthly)_\w+(?=\()"
)
"""Operators in a history that leave a statistic over time or members: of CDO, of NCO, and those
(earthkit's) by which the Climate Data Store makes its daily statistics."""


def require_analyses(dataset: xr.Dataset, place: str) -> None:
    """Refuse an archive that says of one of our variables that it holds no analyses.

    Args:
        dataset: With our names of variables; coordinates and attributes as the archive has them.
            Only coordinates are read.
        place: Path or address, for the message.

    Raises:
        BuildError: When a variable is no analysis; the message says what it is, and by which sign.
    """
    history = [
        f"a statistic, by its history: {line.strip()!r}"
        for line in str(dataset.attrs.get("history", "")).splitlines()
        if REDUCED.search(f" {line} ")
    ]
    for name in VARIABLES:
        if name in dataset.data_vars and (why := [*_reasons(dataset[name]), *history]):
            other = f" {OTHER_VARIABLE}" if why == history else ""
            raise BuildError(f"{place}: {name} holds {why[0]}. {WANTED}{other}")


def why_none(keys: Mapping[str, object]) -> str | None:
    """What a field is instead of an analysis, by GRIB's keys; None if they do not say so.

    Args:
        keys: Values by name of the key; keys that are absent or None say nothing.
    """
    for key, allowed in KEYS.items():
        value = str(keys.get(key))
        if value not in (*SILENT, *allowed):
            what = WORDS.get(value) or WORDS.get(key, "no analyses")
            return f"{what} ({key} is {value})"
    for key in ZERO:
        # A step may be a range or have a unit: 0-6, 30m. A member may come as an array of one.
        if any(int(digits) for digits in re.findall(r"\d+", str(keys.get(key)))):
            what = "a perturbed member" if key == "number" else "forecasts"
            return f"{what} ({key} is {keys[key]})"
    return None


def _reasons(variable: xr.DataArray) -> Iterator[str]:
    """What a variable holds instead of analyses, by each of the signs."""
    if why := why_none({key: variable.attrs.get(f"GRIB_{key}") for key in (*KEYS, *ZERO)}):
        yield why
    yield from _methods(str(variable.attrs.get("cell_methods", "")))
    for name, coordinate in variable.coords.items():
        kind = (str(name), coordinate.attrs.get("standard_name"))
        if {*kind} & {*LEADS}:
            yield from _lead(coordinate)
        elif {*kind} & {*MEMBERS}:
            yield from _member(coordinate)
        if {*kind} & {"time", *STARTS}:
            yield from _start(coordinate, variable)
        if "climatology" in coordinate.attrs and name in TIMES:
            yield f"a climatology ({name} has climatological bounds)"
    for name in MEMBERS:
        if (count := variable.sizes.get(name, 1)) > 1:
            yield f"{count} members of an ensemble along {name}"


def _methods(text: str) -> Iterator[str]:
    for axes, method in CELL_METHOD.findall(re.sub(r"\(.*?\)", "", text)):
        names = {name.strip() for name in axes.split(":")}
        if names & {*TIMES} and method not in INSTANTS:
            yield f"a {method} over time (cell_methods is {text!r})"
        if names & {*MEMBERS}:
            yield f"a {method} over an ensemble (cell_methods is {text!r})"


def _lead(coordinate: xr.DataArray) -> Iterator[str]:
    leads = np.atleast_1d(coordinate.values).ravel()
    if leads.dtype.kind == "m":
        leads = leads / np.timedelta64(1, "h")
    if leads.dtype.kind in "iuf" and len(ahead := leads[np.isfinite(leads) & (leads != 0)]):
        unit = coordinate.attrs.get("units", "hours")
        yield f"forecasts ({coordinate.name} is {ahead[0]:g} {unit})"


def _member(coordinate: xr.DataArray) -> Iterator[str]:
    members = np.atleast_1d(coordinate.values).ravel()
    if len(members) == 1 and members.dtype.kind in "iuf" and members[0] != 0:
        yield f"a perturbed member ({coordinate.name} is {members[0]:g})"


def _start(coordinate: xr.DataArray, variable: xr.DataArray) -> Iterator[str]:
    """A time that is not the valid time is when a forecast started."""
    names = [name for name in ("valid_time", "time", "date") if name in variable.coords]
    if names and {coordinate.dtype.kind, variable[names[0]].dtype.kind} == {"M"}:
        valid = variable[names[0]].variable
        if bool((coordinate.variable != valid).any()):
            yield f"forecasts: {coordinate.name} is not {names[0]}"
