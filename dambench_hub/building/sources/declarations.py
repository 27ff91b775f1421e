"""What archives declare of their variables and levels, held against what is wanted.

Who declares nothing is believed here: the values are checked when they are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import xarray as xr

from dambench_hub.coordinates.units import same_units
from dambench_hub.coordinates.variables import Variable
from dambench_hub.errors import BuildError

SILENT = ("", "unknown", "~", "none")
"""Values of attributes that declare nothing; GRIB has such."""

OTHER_LEVELS = re.compile(
    r"model|hybrid|sigma|\beta\b|height|altitude|depth|theta|isentropic|layer", re.IGNORECASE
)
"""Words for levels that are not of pressure, in their names and in GRIB's `typeOfLevel`."""

COUNTED = 10
"""So many levels 1, 2, 3, … are numbers of levels: no archive has each hPa from 1 on."""


def require_units(array: xr.DataArray, wanted: Sequence[str], place: str, advice: str = "") -> None:
    """Refuse a variable that declares another unit, however its own is spelt.

    Args:
        array: The variable, with its attributes.
        wanted: Units that will do; the first is named in the message.
        place: Path or address, for the message.
        advice: What to do, for the message.

    Raises:
        BuildError: When it declares another unit, or one that cannot be understood.
    """
    came = _declared(array, "units")
    if came and not any(same_units(came, units) for units in wanted):
        raise BuildError(
            f"{place}: {array.name} is in {came!r}; wanted {wanted[0]!r}. {advice}".rstrip()
        )


def require_variable(array: xr.DataArray, variable: Variable, place: str) -> None:
    """Refuse a variable of the state that declares another unit or kind of level than ours.

    Raises:
        BuildError: When it does.
    """
    advice = "Convert it, or take it from a store that has it as ERA5 does."
    require_units(array.rename(variable.name), [variable.units], place, advice)
    kind = _declared(array, "GRIB_typeOfLevel")
    if variable.on_levels and kind and not kind.startswith("isobaric"):
        raise _other_levels(place, f"{variable.name} has levels of the kind {kind!r}")


def declared_hectopascals(level: xr.DataArray, place: str) -> np.ndarray:
    """Pressure levels in whole hPa, int64, of the shape of `level`.

    Without a declared unit, values beyond 2000 are taken for Pa.

    Raises:
        BuildError: When they declare to be no levels of pressure, count from 1 on as numbers of
            levels do, or are no whole hPa.
    """
    names = [_declared(level, "standard_name"), _declared(level, "GRIB_typeOfLevel")]
    if names[0] != "air_pressure":
        names.append(_declared(level, "long_name"))
    if other := [name for name in names if OTHER_LEVELS.search(name)]:
        raise _other_levels(place, f"levels are {other[0]!r}")
    if "formula_terms" in level.attrs:
        raise _other_levels(place, f"levels have the formula {level.attrs['formula_terms']!r}")
    units, values = _declared(level, "units"), level.values.astype(np.float64)
    if units and not same_units(units, "hPa") and not same_units(units, "Pa"):
        raise _other_levels(place, f"levels are in {units!r}")
    if values.size >= COUNTED and np.array_equal(np.sort(values), np.arange(1, values.size + 1)):
        raise _other_levels(place, f"levels count from 1 to {values.size}, as numbers of levels do")
    if same_units(units, "Pa") or values.max() > 2000:
        values = values / 100
    if not np.all(np.abs(values - np.round(values)) <= 1e-6):
        raise BuildError(f"{place}: pressure levels must be whole hPa, got {values}.")
    return np.round(values).astype(np.int64)


def _declared(array: xr.DataArray, name: str) -> str:
    """An attribute as text; empty if it declares nothing."""
    text = str(array.attrs.get(name, "")).strip()
    return "" if text.lower() in SILENT else text


def _other_levels(place: str, what: str) -> BuildError:
    return BuildError(
        f"{place}: {what}; wanted are levels of pressure, in hPa or Pa. Ask the archive for "
        "pressure levels, or interpolate to them."
    )
