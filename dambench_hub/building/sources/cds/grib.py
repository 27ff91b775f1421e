"""A GRIB file, opened by cfgrib once each of its messages has been looked at.

cfgrib builds arrays from messages of any kind of run, and where two of them are one field it takes
one without a word. So the headers are read first: each of our fields must be an analysis, and must
stand in the file once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dambench_hub.building.sources.analyses import WANTED, why_none
from dambench_hub.coordinates.variables import VARIABLES
from dambench_hub.errors import BuildError

OPTIONS = {
    "indexpath": "",  # the index would be a pickle beside the data, and pickles run code
    "time_dims": ["valid_time"],
    "extra_coords": {"expver": "valid_time"},
    "errors": "raise",
}
HECTOPASCALS = {"isobaricInhPa": 1, "isobaricInPa": 100}
"""Pressure levels by `typeOfLevel`, and how many of their units are one hPa."""


def open_grib(path: Path) -> tuple[xr.Dataset, ...]:
    """A GRIB file as one data set, or as several whose variables lie on different levels or times.

    Raises:
        BuildError: When cfgrib or eccodes is not installed.
    """
    _require_cfgrib(path)
    from cfgrib import DatasetBuildError
    from cfgrib.xarray_store import open_variable_datasets

    try:
        return (xr.open_dataset(path, engine="cfgrib", cache=False, backend_kwargs=OPTIONS),)
    except DatasetBuildError:
        return tuple(open_variable_datasets(str(path), backend_kwargs=OPTIONS, cache=False))


def check_messages(path: Path) -> None:
    """Refuse a file in which one of our fields is no analysis, or stands more than once.

    Raises:
        BuildError: When there is one, or the file is truncated, or cfgrib is not installed.
    """
    _require_cfgrib(path)
    _require_end(path)
    from cfgrib.messages import FileStream

    stream = FileStream(str(path), errors="raise")
    # To the end in any case: on the way eccodes is in a state of its own, which cfgrib ends there.
    messages = [
        (place, field, why_none(message))
        for place, message in stream.items()
        if (field := _field(message))
    ]
    places: dict[tuple[Any, ...], Any] = {}
    twice = []
    for place, field, why in messages:
        if why:
            raise BuildError(f"{path}: {_words(field)} holds {why}. {WANTED}")
        if field in places:
            twice.append((field, places[field], place))
        places.setdefault(field, place)
    if twice:
        field, *two = twice[0]
        first, second = (stream[place] for place in two)
        more = f", and {len(twice) - 1} more fields" if len(twice) > 1 else ""
        raise BuildError(
            f"{path} holds {_words(field)} twice{more}: {_difference(first, second)}. Each field "
            "must stand there once: fetch the file again, or keep one by `grib_copy -w "
            "KEY=VALUE IN OUT`."
        )


def _require_cfgrib(path: Path) -> None:
    try:
        import cfgrib  # noqa: F401
    except (ImportError, RuntimeError) as error:  # RuntimeError: the library of eccodes is absent
        raise BuildError(
            f"{path} is GRIB, which needs cfgrib and eccodes: pip install 'dambench-hub[era5]'. "
            "Or ask the Climate Data Store for data_format netcdf."
        ) from error


def _require_end(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 256))
        if not file.read().rstrip(b"\0").endswith(b"7777"):
            raise BuildError(f"{path} is truncated: GRIB ends with 7777. Fetch it again.")


def _field(message: Mapping[str, Any]) -> tuple[str, float | None, np.datetime64] | None:
    """Variable, level in hPa and valid time of a message; None if it is no field of ours."""
    variable = VARIABLES.get(message.get("cfVarName", ""))
    if variable is None:
        return None
    level = None
    if variable.on_levels:
        unit = HECTOPASCALS.get(message.get("typeOfLevel", ""))
        if unit is None:
            return None
        level = message["level:float"] / unit
    day, clock = f"{message['validityDate']:08d}", f"{message['validityTime']:04d}"
    time = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:]}")
    return variable.name, level, time


def _words(field: tuple[str, float | None, np.datetime64]) -> str:
    name, level, time = field
    return f"{name} of {time}" if level is None else f"{name} at {level:g} hPa of {time}"


def _difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """In what two messages of one field differ."""
    for key in ("expver", "stream", "number"):
        if (one := first.get(key)) != (other := second.get(key)):
            return f"with {key} {one} and {other}"
    same = np.array_equal(first["values"], second["values"])
    return "with the same values" if same else "with different values"
