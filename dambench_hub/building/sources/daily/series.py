"""A daily product as one lazy series over all its files, and one day of it on our grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from dambench_hub.building.sources.daily.files import DailyFile
from dambench_hub.building.sources.states import MissingData, require_times
from dambench_hub.coordinates.variables import MODALITIES
from dambench_hub.errors import BuildError


def join_days(
    name: str,
    files: Sequence[DailyFile],
    left_out: Mapping[str, str],
    attributes: Mapping[str, str],
) -> xr.DataArray:
    """The days of all files, ascending, each from the one file that has it.

    A preliminary file gives only the days that no final one has. A file is opened when a day of it
    is read, and closed again.

    Args:
        name: `precipitation` or `olr`.
        files: All of one layout, at least one.
        left_out: Name → reason of files that were found and not used.
        attributes: Sentences for the card.

    Returns:
        float32, dimensions (time, latitude, longitude), NaN where nothing was measured; `time` is
        the day at 00 UTC. Attributes, besides those given: `units`, `product` (a key of
        `era5.alignment.PRODUCTS`), `holes` (days that are absent between the first and the last)
        and `left_out`, each empty if there is nothing to say.

    Raises:
        BuildError: When two files, both final or both preliminary, have the same day.
    """
    found = _locate(files)
    days = np.array(sorted(found), "datetime64[D]")
    layout = files[0].layout
    values = indexing.LazilyIndexedArray(_Days([found[day] for day in days.tolist()]))
    notes = {
        "units": MODALITIES[name].units,
        "product": layout.product,
        "holes": _holes(days),
        "left_out": "; ".join(f"{file} {reason}" for file, reason in left_out.items()),
    }
    coordinates = {
        "time": days.astype("datetime64[ns]"),
        "latitude": layout.latitude,
        "longitude": layout.longitude,
    }
    variable = xr.Variable(tuple(coordinates), values)
    return xr.DataArray(variable, coordinates, name=name, attrs={**attributes, **notes})


def require_days(product: xr.DataArray, days: np.ndarray) -> None:
    """Refuse days before the first or after the last that a product covers.

    Raises:
        BuildError: When there are such days; it says what covers which years.
    """
    hours = days.astype("datetime64[h]")
    title, coverage = product.attrs["title"], product.attrs["coverage"]
    require_times(product.to_dataset(), hours, title, coverage)


def read_day(
    product: xr.DataArray, day: np.datetime64, regrid: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray | MissingData:
    """One day of a product on the data set's grid.

    Args:
        product: As opened, or any other series of days with the same coordinates.
        day: The day D, as `era5.alignment.product_day` names it; never another one is given
            instead.
        regrid: (Ys, Xs) -> (Y, X), which leaves NaN where too little was measured.

    Returns:
        (Y, X), float32, in the unit of `product`, NaN where nothing was measured; or why there is
        no value at all.

    Raises:
        BuildError: When the file that has the day cannot be read or holds impossible values.
    """
    name, date = product.name, day.astype("datetime64[D]")
    row = product.indexes["time"].get_indexer(np.array([date], "datetime64[ns]"))[0]
    if row < 0:
        return MissingData(f"{name}: the files have no day {date}")
    field = product.isel(time=int(row)).load().transpose("latitude", "longitude").values
    if np.isnan(field).all():
        return MissingData(f"{name}: nothing was measured on {date}")
    coarse = np.asarray(regrid(field), np.float32)
    if np.isnan(coarse).all():
        return MissingData(f"{name}: too little was measured on {date} for any point of the grid")
    return coarse


class _Days(BackendArray):
    """Fields in one place each, (N, Ys, Xs), read day by day."""

    def __init__(self, places: Sequence[tuple[DailyFile, int]]) -> None:
        layout = places[0][0].layout
        self.places = places
        self.shape = (len(places), layout.latitude.size, layout.longitude.size)
        self.dtype = np.dtype("f4")

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        numbers = np.arange(self.shape[0])[key[0]]
        places = [self.places[number] for number in np.atleast_1d(numbers)]
        fields = [file.read(row)[key[1]][..., key[2]] for file, row in places]
        if numbers.ndim == 0:
            return fields[0]
        nothing = np.empty((0, *self.shape[1:]), self.dtype)[:, key[1]][..., key[2]]
        return np.stack(fields) if fields else nothing


def _locate(files: Sequence[DailyFile]) -> dict[Any, tuple[DailyFile, int]]:
    """Day → the file that gives it, and its row there."""
    found: dict[Any, tuple[DailyFile, int]] = {}
    for file in sorted(files, key=lambda file: file.preliminary):
        for row, day in enumerate(file.days.tolist()):
            if day not in found:
                found[day] = (file, row)
            elif (other := found[day][0]).preliminary == file.preliminary:
                raise BuildError(
                    f"{other.path} and {file.path} both have {day}. Keep the newer of the two, or "
                    "name the files to use by a glob."
                )
    return found


def _holes(days: np.ndarray) -> str:
    """Days that are absent between the first and the last, as text."""
    ends = np.flatnonzero(np.diff(days) > np.timedelta64(1, "D"))
    one = np.timedelta64(1, "D")
    runs = [(days[end] + one, days[end + 1] - one) for end in ends]
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in runs)
