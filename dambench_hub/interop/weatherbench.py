"""Fields as Zarr stores with the names and dimensions of WeatherBench 2, for WeatherBench-X.

Its loaders (`weatherbenchX/data_loaders/xarray_loaders.py`, commit 0a0a304) open a path that ends
in `.zarr` and take `time` for the valid time; in a store with `prediction_timedelta` it is the
initial time of forecasts. So the reference has only `time`, a background the time at which its
forecast began and its age, and a prediction is a forecast of no hours. Members are along `number`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import ERA5_NAMES, Variable, parse_channels
from dambench_hub.data.dataset import Data
from dambench_hub.errors import DambenchError, PredictionError
from dambench_hub.predictions.reader import Prediction, open_prediction
from dambench_hub.predictions.validation import validate
from dambench_hub.runtime.files import atomic_folder
from dambench_hub.runtime.progress import track
from dambench_hub.tasks.task import Task

STD = "_std"
"""Behind a variable's name: of the standard deviation of its error, where a method gives one."""

Fields = Mapping[str, np.ndarray]
"""Of one time, by what stands behind the variables' names: ((M,) C, Y, X) each."""


@dataclass(frozen=True)
class Layout:
    """What a store has beside values.

    Attributes:
        channels: Names of the C channels.
        grid: Y×X grid.
        time: datetime64, (N,); valid times, or with `lead_hours` when forecasts began.
        lead_hours: Age of the forecasts; None where the fields are no forecasts.
        members: M, or None without the dimension `number`.
        kinds: What stands behind the variables' names: "", and perhaps `STD`.
        attributes: Of the store.
    """

    channels: tuple[str, ...]
    grid: Grid
    time: np.ndarray
    lead_hours: int | None = None
    members: int | None = None
    kinds: tuple[str, ...] = ("",)
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def levels(self) -> list[int]:
        """All levels that a channel has, hPa, ascending."""
        return sorted({c.level for c in parse_channels(self.channels) if c.level is not None})

    def positions(self) -> dict[Variable, dict[int | None, int]]:
        """For each variable the channel of each of its levels."""
        found: dict[Variable, dict[int | None, int]] = {}
        for number, channel in enumerate(parse_channels(self.channels)):
            found.setdefault(channel.variable, {})[channel.level] = number
        return found

    def dimensions(self, variable: Variable, kind: str) -> dict[str, int]:
        """Names and lengths."""
        sizes = {"time": len(self.time)}
        sizes |= {"prediction_timedelta": 1} if self.lead_hours is not None else {}
        sizes |= {"number": self.members} if self.members is not None and not kind else {}
        sizes |= {"level": len(self.levels)} if variable.on_levels else {}
        return sizes | {"latitude": self.grid.latitudes, "longitude": self.grid.longitudes}


def export_data(data: Data, split: str, out: Path, *, background: bool = False) -> None:
    """Write the reference of a split as a Zarr store, or its background.

    Args:
        data: The data set.
        split: Which split.
        out: The store, whose name ends in `.zarr`; see `write_store`.
        background: Of both, the background.

    Raises:
        TaskError: When there is no such split.
        DataError: When a shard cannot be read, or the reference is reports.
        DambenchError: As `write_store`.
    """
    manifest, valid_time = data.manifest, data.times(split)
    lead = manifest.lead_hours if background else None
    read = data.background if background else data.reference
    attributes = {
        "title": f"{'background' if background else 'reference'} of {manifest.name}, {split}",
        "dataset_revision": manifest.revision,
        "licence": str(manifest.source.get("licence", "")),
        "attribution": str(manifest.source.get("attribution", "")),
    }
    time = valid_time - np.timedelta64(lead or 0, "h")
    layout = Layout(data.channels, data.grid, time, lead, attributes=attributes)
    write_store(out, layout, ({"": read(split, n)} for n in range(data.size(split))))


def export_prediction(path: Path, data: Data, out: Path, task: Task | str | None = None) -> None:
    """Write the analyses of a prediction file as a Zarr store, forecasts of no hours.

    Args:
        path: The file.
        data: The data set that it was made for.
        out: The store, whose name ends in `.zarr`; see `write_store`.
        task: The task that it was made for; None for the one that the file names.

    Raises:
        PredictionError: When the file could not be scored; the message has all its problems.
        DambenchError: As `write_store`.
    """
    refuse_place(out)
    if problems := validate(path, data, task):
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise PredictionError(f"{path} cannot be exported:\n{listed}")
    with open_prediction(path) as prediction:
        header = prediction.header
        kinds = ("",) if header.std is None else ("", STD)
        layout = Layout(
            header.channels,
            data.grid,
            header.time,
            lead_hours=0,
            members=header.members,
            kinds=kinds,
            attributes=header.attributes,
        )
        write_store(out, layout, _analyses(prediction))


def refuse_place(out: Path) -> None:
    """Refuse a place where no store can be written, or read by WeatherBench-X.

    Raises:
        DambenchError: When the name has another end, something is there, or zarr is not installed.
    """
    if out.suffix != ".zarr":
        raise DambenchError(f"{out}: the name of a store ends in .zarr, by which it is known.")
    if out.exists():
        raise DambenchError(f"{out} is there already; give another name, or delete it first.")
    try:
        import zarr  # noqa: F401
    except ModuleNotFoundError as error:
        raise DambenchError(
            "Stores are written with zarr: pip install 'dambench-hub[interop]'."
        ) from error


def write_store(out: Path, layout: Layout, steps: Iterable[Fields]) -> None:
    """Write a Zarr 3 store, a chunk for each variable and time, whole or not at all.

    Values are float32 as they came, NaN at levels that are no channel of a variable.

    Args:
        out: Where it goes; nothing may be there.
        layout: What it has.
        steps: Fields of each time, in order; one is held in memory.

    Raises:
        DambenchError: When the place cannot be used, the disk is full or the folder cannot be
            written.
    """
    refuse_place(out)
    import zarr

    with atomic_folder(out) as partial:
        _coordinates(layout).to_zarr(partial, zarr_format=3, consolidated=False)
        group = zarr.open_group(partial, mode="r+")
        arrays = {
            (variable, kind): _create(group, layout, variable, kind)
            for variable in layout.positions()
            for kind in layout.kinds
        }
        for number, fields in enumerate(track(steps, len(layout.time), f"Writing {out.name}")):
            for (variable, kind), array in arrays.items():
                block = _block(layout, variable, fields[kind])
                array[number] = block if layout.lead_hours is None else block[None]
        with warnings.catch_warnings():
            # Zarr 3 does not specify it yet; xarray looks for it, and complains without.
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(partial)


def _analyses(prediction: Prediction) -> Iterator[Fields]:
    for number, analysis in enumerate(prediction):
        std = prediction.std(number)
        yield {"": analysis} if std is None else {"": analysis, STD: std}


def _coordinates(layout: Layout) -> Any:
    """A dataset of coordinates and attributes alone."""
    import xarray as xr

    hours = {"units": "hours since 1970-01-01", "dtype": "int64"}
    coordinates: dict[str, Any] = {
        "time": ("time", layout.time.astype("datetime64[ns]"), {"standard_name": "time"}, hours),
        "latitude": ("latitude", layout.grid.latitude, {"units": "degrees_north"}),
        "longitude": ("longitude", layout.grid.longitude, {"units": "degrees_east"}),
    }
    if layout.lead_hours is not None:
        lead = np.array([layout.lead_hours], "timedelta64[h]").astype("timedelta64[ns]")
        coordinates["prediction_timedelta"] = ("prediction_timedelta", lead)
    if layout.levels:
        coordinates["level"] = ("level", np.array(layout.levels, "i8"), {"units": "hPa"})
    if layout.members is not None:
        coordinates["number"] = ("number", np.arange(layout.members))
    return xr.Dataset(coords=coordinates, attrs={"Conventions": "CF-1.10", **layout.attributes})


def _create(group: Any, layout: Layout, variable: Variable, kind: str) -> Any:
    sizes = layout.dimensions(variable, kind)
    named = "standard deviation of the error of " if kind else ""
    return group.create_array(
        ERA5_NAMES[variable.name] + kind,
        shape=tuple(sizes.values()),
        chunks=(1, *list(sizes.values())[1:]),
        dtype="float32",
        fill_value=np.nan,
        dimension_names=list(sizes),
        attributes={"long_name": named + variable.long_name, "units": variable.units},
    )


def _block(layout: Layout, variable: Variable, fields: np.ndarray) -> np.ndarray:
    """A variable of one time: ((M,) Y, X), or ((M,) L, Y, X) on levels."""
    at = layout.positions()[variable]
    if not variable.on_levels:
        return fields[..., at[None], :, :]
    block = np.full((*fields.shape[:-3], len(layout.levels), *layout.grid.shape), np.nan, "f4")
    for number, level in enumerate(layout.levels):
        if level in at:
            block[..., number, :, :] = fields[..., at[level], :, :]
    return block
