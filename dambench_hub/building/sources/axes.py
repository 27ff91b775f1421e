"""Coordinates of the archives under many names and in many orders, brought to one convention."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dambench_hub.errors import BuildError

ALIASES = {
    "time": ("valid_time", "date"),
    "level": ("pressure_level", "isobaricInhPa", "plev"),
    "latitude": ("lat",),
    "longitude": ("lon",),
}
"""Other names that archives give the coordinates."""


def harmonized(dataset: xr.Dataset, place: str) -> xr.Dataset:
    """The data set with our names and orders of the coordinates; nothing but them is read.

    Latitude becomes north to south, longitude 0 to 360 eastward, level ascending in whole hPa.

    Args:
        dataset: As the archive has it, times decoded.
        place: Path or address, for messages.

    Raises:
        BuildError: When latitude or longitude is absent, or an axis unusable: empty, not numbers,
            not dates, out of range, repeated, or times that do not ascend.
    """
    dataset = dataset.rename(
        {
            next(old for old in aliases if old in dataset.variables): name
            for name, aliases in ALIASES.items()
            # A forecast may have a valid time beside its time: then that is no other name of it.
            if name not in dataset.variables and set(aliases) & set(dataset.variables)
        }
    )
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
    if "level" in dataset.dims:
        dataset = dataset.assign_coords(level=_hectopascals(dataset.level, place))
        dataset = _sorted(dataset, "level", dataset.level.values, place)
    if "time" in dataset.dims:
        _check_times(dataset.time, place)
    return dataset


def _sorted(
    dataset: xr.Dataset, name: str, values: np.ndarray, place: str, descending: bool = False
) -> xr.Dataset:
    """Sorted along an axis; by slices, which stay lazy, wherever slices do it."""
    if len(np.unique(values)) < len(values):
        raise BuildError(f"{place}: {name} has a value twice; each must stand there once.")
    order = np.argsort(-values if descending else values)
    steps = np.diff(order)
    if np.all(steps == 1):
        return dataset
    if np.all(steps == -1):
        return dataset.isel({name: slice(None, None, -1)})
    return dataset.isel({name: order})


def _hectopascals(level: xr.DataArray, place: str) -> np.ndarray:
    values = level.values.astype(np.float64)
    if level.attrs.get("units") == "Pa" or values.max() > 2000:
        values = values / 100
    if not np.all(np.abs(values - np.round(values)) <= 1e-6):
        raise BuildError(f"{place}: pressure levels must be whole hPa, got {values}.")
    return np.round(values).astype(np.int64)


def _check_times(time: xr.DataArray, place: str) -> None:
    if time.dtype.kind != "M":
        raise BuildError(
            f"{place}: time is {time.dtype}, not dates; wanted units like "
            "'hours since 1900-01-01' in a standard calendar."
        )
    if np.any(np.isnat(time.values)):
        raise BuildError(f"{place}: times must be dates, but some are missing.")
    steps = np.diff(time.values)
    if np.any(steps <= np.timedelta64(0)):
        where = int(np.argmax(steps <= np.timedelta64(0)))
        raise BuildError(
            f"{place}: times must ascend, each once, but {time.values[where + 1]} follows "
            f"{time.values[where]}. The file is damaged or joined wrongly; fetch it again."
        )
