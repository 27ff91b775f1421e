"""States of the atmosphere from an opened archive, checked and regridded as they are read."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

import numpy as np
import xarray as xr

from dambench_hub.building.sources.plausibility import why_missing
from dambench_hub.coordinates.variables import Channel, parse_channels
from dambench_hub.errors import BuildError

Regrid = Callable[[np.ndarray], np.ndarray]
"""(…, Ys, Xs) -> (…, Y, X)."""


class MissingData(BuildError):
    """What an archive does not have at one time; the message says what and why."""


def require_channels(dataset: xr.Dataset, channels: Sequence[str], place: str) -> None:
    """Refuse an archive that lacks variables or levels; all that are missing are listed.

    Raises:
        BuildError: When something is missing.
    """
    parsed = parse_channels(list(channels))
    levels = set(dataset.level.values.tolist()) if "level" in dataset.coords else set()
    absent = [c.name for c in parsed if c.variable.name not in dataset.data_vars]
    below = [
        c.name
        for c in parsed
        if c.variable.name in dataset.data_vars and c.level is not None and c.level not in levels
    ]
    if absent or below:
        kinds = {"no variable for": absent, "no level for": below}
        parts = "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names)
        raise BuildError(
            f"{place} has {parts}. It has {', '.join(map(str, dataset.data_vars))} on "
            f"{len(levels)} levels. Choose other --channels, or another source."
        )


def require_times(dataset: xr.Dataset, times: np.ndarray, place: str, advice: str = "") -> None:
    """Refuse times before the first or after the last that the archive covers.

    Raises:
        BuildError: When there are such times; `advice` says which archive covers them.
    """
    first, last = dataset.time.values[[0, -1]].astype("datetime64[h]")
    outside = times[(times < first) | (times > last)]
    if len(outside):
        raise BuildError(
            f"{place} covers {first} to {last}; wanted are {len(outside)} times outside, from "
            f"{outside[0]} to {outside[-1]}. {advice}".rstrip()
        )


def read_states(
    dataset: xr.Dataset, channels: Sequence[str], times: np.ndarray, regrid: Regrid
) -> Iterator[tuple[np.datetime64, np.ndarray | MissingData]]:
    """States at the given times, each variable regridded as soon as it is read.

    Times that lie in one chunk of the store are read together, so each chunk is read once. Memory
    is that of one variable of such times, and of their regridded states.

    Args:
        dataset: A harmonized archive that has the channels (see `require_channels`).
        channels: C channel names.
        times: datetime64, ascending.
        regrid: From the archive's grid to the data set's.

    Yields:
        Each time in its order, and the state (C, Y, X), float32, or why there is none.
    """
    parsed = parse_channels(list(channels))
    index = dataset.indexes["time"].get_indexer(times.astype("datetime64[ns]"))
    absent = ((time, MissingData(f"the archive has no time {time}")) for time in times[index < 0])
    there, rows = times[index >= 0], index[index >= 0]
    present = (
        found
        for group in _by_chunk(dataset, parsed, rows)
        for found in _read_group(dataset, parsed, there[group], rows[group], regrid)
    )
    yield from heapq.merge(absent, present, key=itemgetter(0))


def _by_chunk(dataset: xr.Dataset, channels: Sequence[Channel], rows: np.ndarray) -> list[slice]:
    """Slices of `rows` that lie in one chunk of the store along time."""
    first = dataset[channels[0].variable.name]
    chunk = first.encoding.get("preferred_chunks", {}).get("time", 1)
    cuts = np.flatnonzero(np.diff(rows // chunk)) + 1
    bounds = [0, *cuts.tolist(), len(rows)]
    return [slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if a < b]


def _read_group(
    dataset: xr.Dataset,
    channels: Sequence[Channel],
    times: np.ndarray,
    rows: np.ndarray,
    regrid: Regrid,
) -> Iterator[tuple[np.datetime64, np.ndarray | MissingData]]:
    """States of times that are read together, or one by one where not all can be read."""
    try:
        yield from zip(times, _together(dataset, channels, times, rows, regrid), strict=True)
    except MissingData as error:
        if len(times) == 1:
            yield times[0], MissingData(f"{times[0]}, {error}")
            return
        for n in range(len(times)):
            one = slice(n, n + 1)
            yield from _read_group(dataset, channels, times[one], rows[one], regrid)


def _together(
    dataset: xr.Dataset,
    channels: Sequence[Channel],
    times: np.ndarray,
    rows: np.ndarray,
    regrid: Regrid,
) -> list[np.ndarray | MissingData]:
    states: list[list[np.ndarray]] = [[] for _ in times]
    missing: dict[int, MissingData] = {}
    for name in dict.fromkeys(channel.variable.name for channel in channels):
        levels = [c.level for c in channels if c.variable.name == name and c.level is not None]
        fields = _fields(dataset, name, levels, rows)
        for n, values in enumerate(fields):
            if n not in missing and (why := why_missing(name, levels, values)):
                missing[n] = MissingData(f"{why} at {times[n]}")
        coarse = regrid(fields)
        for n in range(len(times)):
            states[n].append(coarse[n])
    order = _order(channels)
    return [
        missing[n] if n in missing else np.concatenate(states[n])[order] for n in range(len(times))
    ]


def _fields(dataset: xr.Dataset, name: str, levels: list[int], rows: np.ndarray) -> np.ndarray:
    """One variable at some times, (N, L, Ys, Xs), float32; L is 1 without levels.

    Levels are picked after reading: all of them lie in the chunks that are read anyway.

    Raises:
        MissingData: When what holds it is damaged. Other errors are left as they are, for another
            try may do better, but get a note with the name.
    """
    contiguous = np.all(np.diff(rows) == 1)
    step = slice(int(rows[0]), int(rows[-1]) + 1)
    dims = ("time", *(["level"] if levels else []), "latitude", "longitude")
    variable = dataset[name].isel(time=step if contiguous else rows)
    try:
        # Transposed only when it is read: xarray would read it point by point, ten times as long.
        values = variable.values.transpose([variable.dims.index(name) for name in dims])
    except MissingData as error:
        raise MissingData(f"{name}: {error}") from error
    except Exception as error:  # the libraries and the network have many kinds
        error.add_note(f"{name} was being read")
        raise
    if not levels:
        return np.asarray(values, np.float32)[:, None]
    order = dataset.indexes["level"].get_indexer(levels)
    everything = np.array_equal(order, np.arange(values.shape[1]))
    return np.asarray(values if everything else values[:, order], np.float32)


def _order(channels: Sequence[Channel]) -> np.ndarray:
    """Where each channel lies once the variables are stacked in the order of their first use."""
    stacked = sorted(
        range(len(channels)),
        key=lambda i: [c.variable.name for c in channels].index(channels[i].variable.name),
    )
    return np.argsort(stacked)
