"""Fields of ERA5 that lie in many files, joined to one lazy array for each variable.

A field is a variable at a level and a time, and one file owns it. Preliminary fields (ERA5T, the
last months, `expver` 0005) give way to final ones (0001). Any other two values for one field are
refused: nobody could say which is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from dambench_hub.coordinates.grids import TOLERANCE_DEGREES
from dambench_hub.coordinates.variables import VARIABLES, Variable
from dambench_hub.errors import BuildError

EXPVER = ("0001", "", "0005")
"""`expver` of final fields, of those whose file does not say, and of preliminary ones."""
FINAL, UNSAID, PRELIMINARY = range(3)

NO_LEVEL = np.zeros(1, np.int64)
"""The levels of a single-level variable."""

DIMENSIONS = ("time", "level", "latitude", "longitude")
BLOCK_BYTES = 256 << 20
"""The most of a variable that a reader is advised to read at once."""


@dataclass(frozen=True, eq=False)
class Part:
    """One variable in one file.

    Attributes:
        file: The file.
        datasets: Opens the file as harmonized data sets; to be called often, so it keeps some.
        number: Which of the data sets of the file.
        name: Of the variable, here and in the file.
        times: datetime64[s], (n,), ascending.
        rows: Where they lie along the time axis of the file, (n,).
        versions: Places in `EXPVER`, (n,), int8.
        levels: hPa, ascending, or `NO_LEVEL`.
        at: Places along the other dimensions of the file.
        grid: Latitudes and longitudes, degrees, float64.
    """

    file: Path
    datasets: Callable[[Path], Sequence[xr.Dataset]]
    number: int
    name: str
    times: np.ndarray
    rows: np.ndarray
    versions: np.ndarray
    levels: np.ndarray
    at: Mapping[str, int]
    grid: tuple[np.ndarray, np.ndarray]

    @property
    def variable(self) -> xr.Variable:
        """The variable in the opened file, lazy."""
        return self.datasets(self.file)[self.number].variables[self.name]

    def read(
        self, times: np.ndarray, levels: np.ndarray, latitude: np.ndarray, longitude: np.ndarray
    ) -> np.ndarray:
        """Values at times and levels of this part and at places of the grid.

        Returns:
            (time, level, latitude, longitude), float32; NaN where the file has none.
        """
        places = {
            "time": self.rows[np.searchsorted(self.times, times)],
            "level": np.searchsorted(self.levels, levels),
            "latitude": latitude,
            "longitude": longitude,
        }
        keys = {name: _slice(place) for name, place in places.items()}
        picked = self.variable.isel(keys | dict(self.at), missing_dims="ignore")
        order = [picked.dims.index(name) for name in DIMENSIONS if name in picked.dims]
        values = np.asarray(picked.values, np.float32).transpose(order)
        return values.reshape([len(place) for place in places.values()])


def joined(parts: Sequence[Part]) -> xr.Dataset:
    """All parts, at least one, as one lazy data set with the coordinate `expver` (time).

    Raises:
        BuildError: When files have different grids, or two of them have one field, and it is not
            final in one and preliminary in the other.
    """
    latitude, longitude = _one_grid(parts)
    times = np.unique(np.concatenate([part.times for part in parts]))
    upper = [part.levels for part in parts if VARIABLES[part.name].on_levels]
    levels = np.unique(np.concatenate(upper)) if upper else NO_LEVEL
    variables, version = {}, np.full(len(times), FINAL, np.int8)
    for name, variable in VARIABLES.items():
        if mine := [part for part in parts if part.name == name]:
            own = levels if variable.on_levels else NO_LEVEL
            array = _JoinedArray(variable, mine, times, own)
            version = np.maximum(version, array.version.max(axis=1))
            variables[name] = array.lazy()
    coordinates = {
        "time": times.astype("datetime64[ns]"),
        "latitude": latitude,
        "longitude": longitude,
        "expver": ("time", np.array(EXPVER)[version]),
    }
    if upper:
        coordinates["level"] = levels
    return xr.Dataset(variables, coordinates)


class _JoinedArray(BackendArray):
    """One variable of all files, (N, L, Y, X), or (N, Y, X) without levels; NaN where no file is.

    Attributes:
        owner: Place in `parts`, (N, L), −1 where no file has the field.
        version: Place in `EXPVER`, (N, L), −1 where no file has the field.
    """

    def __init__(
        self, variable: Variable, parts: Sequence[Part], times: np.ndarray, levels: np.ndarray
    ) -> None:
        self.variable, self.parts, self.times, self.levels = variable, parts, times, levels
        size = (len(times), len(levels))
        grid = tuple(len(axis) for axis in parts[0].grid)
        self.shape = (*(size if variable.on_levels else size[:1]), *grid)
        self.dtype = np.dtype(np.float32)
        self.owner = np.full(size, -1, np.int32)
        self.version = np.full(size, -1, np.int8)
        for number in range(len(parts)):
            self._add(number)

    def lazy(self) -> xr.Variable:
        """As a variable of xarray, with names and units."""
        attributes = {
            "standard_name": self.variable.standard_name,
            "long_name": self.variable.long_name,
            "units": self.variable.units,
        }
        dims = [name for name in DIMENSIONS if name != "level" or self.variable.on_levels]
        # Chunks of the files hold several times: read together, these are unpacked only once.
        encoding = {"preferred_chunks": {"time": self._times_in_chunk()}}
        return xr.Variable(dims, indexing.LazilyIndexedArray(self), attributes, encoding)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _times_in_chunk(self) -> int:
        """How many times a chunk of the first file holds, as far as memory allows."""
        stored = self.parts[0].variable.encoding.get("chunksizes")
        dims = self.parts[0].variable.dims
        if not stored or len(stored) != len(dims) or "time" not in dims:
            return 1
        bytes_per_time = 4 * int(np.prod(self.shape[1:]))
        return max(1, min(int(stored[dims.index("time")]), BLOCK_BYTES // bytes_per_time))

    def _add(self, number: int) -> None:
        """Let a part own its fields, unless others own them rightly."""
        part = self.parts[number]
        at = np.ix_(
            np.searchsorted(self.times, part.times), np.searchsorted(self.levels, part.levels)
        )
        held, before = self.owner[at], self.version[at]
        version = np.broadcast_to(part.versions[:, None], held.shape)
        better = (held < 0) | ((version == FINAL) & (before == PRELIMINARY))
        worse = (version == PRELIMINARY) & (before == FINAL)
        if np.any(clash := ~(better | worse)):
            row, column = np.argwhere(clash)[0]
            level = f" at {part.levels[column]} hPa" if self.variable.on_levels else ""
            raise BuildError(
                f"{self.parts[held[row, column]].file} and {part.file} both hold {part.name}"
                f"{level} of {part.times[row]}. Keep one of them; only a final field (expver 0001) "
                "replaces another, a preliminary one (0005)."
            )
        self.owner[at] = np.where(better, number, held)
        self.version[at] = np.where(better, version, before)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        axes = [np.arange(size)[k] for size, k in zip(self.shape, key, strict=True)]
        places = [np.atleast_1d(axis) for axis in axes]
        if not self.variable.on_levels:
            places.insert(1, NO_LEVEL)
        rows, columns, latitude, longitude = places
        owner = self.owner[np.ix_(rows, columns)]
        values = np.full([len(place) for place in places], np.nan, np.float32)
        for number in np.unique(owner[owner >= 0]):
            mine = owner == number
            n, m = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
            times, levels = self.times[rows[n]], self.levels[columns[m]]
            block = self.parts[number].read(times, levels, latitude, longitude)
            values[mine] = block[mine[np.ix_(n, m)]]
        return values.reshape([axis.size for axis in axes if axis.ndim])


def _one_grid(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """The latitudes and longitudes that all parts share."""
    first = parts[0]
    for part in parts:
        for mine, wanted in zip(part.grid, first.grid, strict=True):
            if mine.shape != wanted.shape or np.abs(mine - wanted).max() > TOLERANCE_DEGREES:
                raise BuildError(
                    f"{part.file} has {_extent(part)}, {first.file} has {_extent(first)}. "
                    "Files to be joined need one grid: keep those of the other one elsewhere."
                )
    return first.grid


def _extent(part: Part) -> str:
    latitude, longitude = part.grid
    return (
        f"{len(latitude)}x{len(longitude)} points from {latitude[0]:g} to {latitude[-1]:g} north, "
        f"{longitude[0]:g} to {longitude[-1]:g} east"
    )


def _slice(places: np.ndarray) -> slice | np.ndarray:
    """A slice where one does: files read it much faster than single places."""
    steps = np.diff(places)
    if len(places) and np.all(steps == 1):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
