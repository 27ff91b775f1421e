"""Coordinates of the archives under many names and in many orders, brought to one convention."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dambench_hub.building.sources.declarations import declared_hectopascals
from dambench_hub.errors import BuildError

ALIASES = {
    "time": ("valid_time", "date"),
    "level": (
        *("pressure_level", "isobaricInhPa", "isobaricInPa", "plev", "lev", "levels"),
        *("isobaric", "pressure", "pressure_levels", "air_pressure", "pres"),
    ),
    "latitude": ("lat",),
    "longitude": ("lon",),
}
"""Other names that archives give the coordinates."""

STANDARD_NAMES = {"air_pressure": "level", "latitude": "latitude", "longitude": "longitude"}
"""CF's names of the coordinates, for axes of no name that we know (`isobaric3`)."""

HOUR = np.timedelta64(1, "h").astype("timedelta64[ns]")


def harmonized(dataset: xr.Dataset, place: str) -> xr.Dataset:
    """The data set with our names and orders of the coordinates; nothing but them is read.

    Latitude becomes north to south, longitude 0 to 360 eastward, level ascending in whole hPa, time
    ascending. Times that are off the hour by rounding only, in files that have them as floating
    point numbers, become whole hours.

    Args:
        dataset: As the archive has it, times decoded.
        place: Path or address, for messages.

    Raises:
        BuildError: When latitude or longitude is absent, or an axis unusable: empty, not numbers,
            not dates, out of range, repeated, no levels of pressure, or times too coarse to tell
            which hour is meant.
    """
    dataset = dataset.rename(_our_names(dataset))
    if empty := [str(name) for name, size in dataset.sizes.items() if size == 0]:
        raise BuildError(f"{place} is empty along {', '.join(empty)}.")
    for name in ("latitude", "longitude"):
        if name not in dataset.coords or dataset[name].ndim != 1:
            has = ", ".join(map(str, dataset.dims))
            raise BuildError(f"{place} has no axis {name}; it has {has}.")
        if np.any(~np.isfinite(dataset[name].values.astype(np.float64))):
            raise BuildError(f"{place}: {name} holds values that are not numbers.")
    dataset = _sorted(dataset, "latitude", dataset.latitude.values, place, descending=True)
    if np.abs(dataset.latitude.values).max() > 90.001:
        raise BuildError(f"{place}: latitude goes beyond the poles; wanted degrees north.")
    eastward = np.mod(dataset.longitude.values.astype(np.float64), 360)
    dataset = _sorted(dataset.assign_coords(longitude=eastward), "longitude", eastward, place)
    if "level" in dataset.coords:
        level = dataset.level.dims, declared_hectopascals(dataset.level, place)
        dataset = dataset.assign_coords(level=level)
    if "level" in dataset.dims:
        dataset = _sorted(dataset, "level", dataset.level.values, place)
    if "time" in dataset.dims:
        times = _whole_hours(dataset.time, place)
        dataset = _sorted(dataset.assign_coords(time=times), "time", times, place)
    return dataset


def _our_names(dataset: xr.Dataset) -> dict[str, str]:
    """Ours for the names of coordinates in one dimension or none; by a known one, else by CF."""
    lines = {str(name): c for name, c in dataset.coords.items() if c.ndim <= 1}
    found: dict[str, str] = {}
    for ours, aliases in ALIASES.items():
        # A forecast may have a valid time beside its time: then that is no other name of it.
        if ours in dataset.variables:
            continue
        named = [alias for alias in aliases if alias in lines]
        standard = [
            name
            for name, line in lines.items()
            if line.dims == (name,)
            and STANDARD_NAMES.get(line.attrs.get("standard_name", "")) == ours
        ]
        if named or len(standard) == 1:
            found[[*named, *standard][0]] = ours
    return found


def _sorted(
    dataset: xr.Dataset, name: str, values: np.ndarray, place: str, descending: bool = False
) -> xr.Dataset:
    """Sorted along an axis; by slices, which stay lazy, wherever slices do it."""
    order = np.argsort(-values if descending else values, kind="stable")
    same = np.flatnonzero(values[order][1:] == values[order][:-1])
    if len(same):
        raise BuildError(
            f"{place}: {name} has a value twice, {values[order][same[0]]}; each must stand there "
            "once. The file is damaged or joined wrongly; fetch it again."
        )
    steps = np.diff(order)
    if np.all(steps == 1):
        return dataset
    if np.all(steps == -1):
        return dataset.isel({name: slice(None, None, -1)})
    return dataset.isel({name: order})


def _whole_hours(time: xr.DataArray, place: str) -> np.ndarray:
    """The times, datetime64[ns]; whole hours where a floating point number can only mean these."""
    if time.dtype.kind != "M":
        raise BuildError(
            f"{place}: time is {time.dtype}, not dates; wanted units like "
            "'hours since 1900-01-01' in a standard calendar."
        )
    times = time.values.astype("datetime64[ns]")
    if np.any(np.isnat(times)):
        raise BuildError(f"{place}: times must be dates, but some are missing.")
    stored = np.dtype(time.encoding.get("dtype", "i8"))
    if stored.kind != "f":
        return times
    step = _resolution(time)
    if step >= HOUR:
        raise BuildError(
            f"{place}: times are stored as {stored} in {time.encoding['units']!r}, where one "
            f"number and the next are {step / HOUR:g} hours apart, so that nobody can tell the "
            "hours. Write them as integers, or as float64."
        )
    hours = (times + HOUR / 2).astype("datetime64[h]").astype("datetime64[ns]")
    return np.where(np.abs(times - hours) <= step, hours, times)


def _resolution(time: xr.DataArray) -> np.timedelta64:
    """How far apart times are that differ in the last digit of the floating point numbers."""
    numbers = xr.conventions.encode_cf_variable(time.variable)
    following = numbers.copy(data=np.nextafter(numbers.values, np.inf, dtype=numbers.dtype))
    decoded = xr.decode_cf(xr.Dataset({"these": numbers, "following": following}))
    return (decoded.following - decoded.these).values.max()
