"""A split as a lazy xarray data set with CF names, units and coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from dambench_hub.coordinates.variables import (
    EQUIVALENTS,
    MODALITIES,
    equivalent_of,
    members_equivalent_of,
    parse_channels,
)
from dambench_hub.storage.manifest import Manifest

Read = Callable[[int, list[str]], Mapping[str, np.ndarray]]
"""Some columns of one example of the split, by its number."""

MEMBERS_EQUIVALENTS = {members_equivalent_of(name): name for name in MODALITIES}
"""The columns with the equivalents that members have, and their modalities."""

DIMENSIONS = {
    "background": ("time", "channel", "latitude", "longitude"),
    "reference": ("time", "channel", "latitude", "longitude"),
    "observations": ("time", "channel", "point"),
    "observation_index": ("time", "point"),
    **dict.fromkeys((*MODALITIES, *EQUIVALENTS), ("time", "latitude", "longitude")),
    "background_members": ("time", "member", "channel", "latitude", "longitude"),
    **dict.fromkeys(MEMBERS_EQUIVALENTS, ("time", "member", "latitude", "longitude")),
}

LONG_NAMES = {
    "background": "background: forecast valid at time",
    "background_members": "members of the background's ensemble: forecasts valid at time",
    "reference": "reference state at time",
    "observations": "observed values",
    "observation_index": "observed grid point, row-major latitude * X + longitude",
}


def lazy_dataset(
    manifest: Manifest, split: str, shapes: Mapping[str, tuple[int, ...]], read: Read
) -> xr.Dataset:
    """These columns of a split; values are read when they are used, one example at a time.

    Args:
        manifest: Of the data set.
        split: Which split.
        shapes: Of the columns.
        read: Reads the split.
    """
    channels, grid = parse_channels(manifest.channels), manifest.grid
    times = manifest.times(split)
    variables = {
        name: (
            DIMENSIONS[name],
            indexing.LazilyIndexedArray(_Column(name, (len(times), *shape), read)),
            _attributes(manifest, name),
        )
        for name, shape in shapes.items()
        if name != "time"
    }
    coordinates = {
        "time": ("time", times.astype("datetime64[ns]"), {"standard_name": "time"}),
        "channel": ("channel", list(manifest.channels), {"long_name": "variable and level"}),
        "channel_long_name": ("channel", [channel.long_name for channel in channels]),
        "channel_units": ("channel", [channel.units for channel in channels]),
        "latitude": ("latitude", grid.latitude, _axis("latitude", "degrees_north", "Y")),
        "longitude": ("longitude", grid.longitude, _axis("longitude", "degrees_east", "X")),
    }
    attributes = {
        "Conventions": "CF-1.10",
        "title": manifest.source.get("title", manifest.name),
        "dataset_revision": manifest.revision,
        "split": split,
        "licence": manifest.source.get("licence", ""),
        "attribution": manifest.source.get("attribution", ""),
    }
    return xr.Dataset(variables, coordinates, attributes)


def _axis(name: str, units: str, axis: str) -> dict[str, str]:
    return {"standard_name": name, "units": units, "axis": axis}


def _attributes(manifest: Manifest, name: str) -> dict[str, Any]:
    modality = MEMBERS_EQUIVALENTS.get(name, "")
    if variable := {**MODALITIES, **EQUIVALENTS}.get(equivalent_of(modality) if modality else name):
        return {
            "standard_name": variable.standard_name,
            "long_name": variable.long_name,
            "units": variable.units,
        }
    if name in ("background", "background_members"):
        return {"long_name": LONG_NAMES[name], "lead_hours": manifest.lead_hours}
    return {"long_name": LONG_NAMES[name]}


class _Column(BackendArray):
    """One column of a split, (N, …), read example by example."""

    def __init__(self, name: str, shape: tuple[int, ...], read: Read) -> None:
        self.name, self.shape, self.read = name, shape, read
        self.dtype = np.dtype("i4" if name == "observation_index" else "f4")

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        rows, inner = key[0], key[1:]
        examples = np.arange(self.shape[0])[rows]
        values = [self._inner(int(i), inner) for i in np.atleast_1d(examples)]
        if np.ndim(examples) == 0:
            return values[0]
        nothing = _outer(np.empty(self.shape[1:], self.dtype), inner)[np.newaxis][:0]
        return np.stack(values) if values else nothing

    def _inner(self, index: int, inner: tuple[Any, ...]) -> np.ndarray:
        value = self.read(index, [self.name])[self.name]
        return np.array(_outer(value, inner))


def _outer(value: np.ndarray, key: tuple[Any, ...]) -> np.ndarray:
    """Values at these positions; the axes are indexed independently."""
    for axis in reversed(range(len(key))):
        value = value[(slice(None),) * axis + (key[axis],)]
    return value
