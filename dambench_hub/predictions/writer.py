"""The prediction file: analyses of one method at the times of one task, with all they depend on.

NetCDF-4 for everybody's tools, compressed (gzip 1 with shuffle: a third smaller at 60 MB/s), or
safetensors, uncompressed, where writing speed matters more. `reader` reads them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5netcdf
import h5py
import numpy as np

from dambench_hub.coordinates.labels import label_problem
from dambench_hub.coordinates.missing import FILL
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.data.batch import Analysis
from dambench_hub.errors import PredictionError, did_you_mean
from dambench_hub.predictions.header import OPTIONAL_ATTRIBUTES, Header, text_problems
from dambench_hub.predictions.order import OrderCheck
from dambench_hub.predictions.reader import CONTAINERS, Prediction, open_prediction
from dambench_hub.runtime.files import atomic_path
from dambench_hub.tasks.task import Task, load_task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

__all__ = ["FORMAT", "Header", "Prediction", "open_prediction", "write_predictions"]

FORMAT = "1"
"""Version of the prediction file, its attribute `dambench_format`."""

Append = Callable[[np.ndarray], object]
"""Adds the analysis of the next time, float32, (C, Y, X) or (M, C, Y, X), to a file."""


def write_predictions(
    path: str | Path,
    analyses: Iterable[Analysis],
    *,
    task: Task | str,
    data: Data,
    model_name: str,
    **attributes: str | int,
) -> None:
    """Write analyses to a prediction file, as they come and whole or not at all.

    Args:
        path: Ends in `.nc` (or `.h5`) for NetCDF-4 or in `.safetensors`. An existing file is
            replaced when the new one is complete.
        analyses: One per batch, in the order of the task's times; those with members are written
            with their members, else the mean is. Numpy arrays, torch tensors, or xarray's arrays.
        task: What was assimilated.
        data: Where the observations came from; gives times, channels and grid.
        model_name: What the method is called.
        **attributes: `model_url`, `paper_url`, `authors`, `parameters`, `training_data`.

    Raises:
        PredictionError: When the analyses are too few or too many, of other times (as far as they,
            their labels or the observations tell), of the wrong shape or not finite, or an
            attribute is unknown or cannot be shown. No file is left then.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix not in CONTAINERS:
        raise PredictionError(
            f"{path.name}: the name of a prediction file ends in {' or '.join(CONTAINERS)}."
        )
    task = load_task(task)
    times = task.times(data.manifest)
    fields = _checked(analyses, times, data, OrderCheck(data, task))
    described = _attributes(task, data, model_name, attributes)
    first = next(fields, None)
    if first is None:
        raise PredictionError(f"The split {task.split} has no times, there is nothing to write.")
    header = Header(
        shape=(len(times), *first.shape),
        dtype="<f4",
        time=times,
        channels=data.channels,
        latitude=data.grid.latitude,
        longitude=data.grid.longitude,
        attributes=described,
    )
    create = _netcdf if CONTAINERS[path.suffix] == "NetCDF-4" else _safetensors
    with atomic_path(path) as partial, create(partial, header) as append:
        append(first)
        for values in fields:
            append(values)


def require_free(out: Path, overwrite: bool) -> None:
    """Refuse a name for a prediction file that is taken, or is none, before work begins.

    Raises:
        PredictionError: When it is so.
    """
    if out.exists() and not overwrite:
        raise PredictionError(f"{out} exists. Add --overwrite, or choose another file with --out.")
    if out.suffix not in CONTAINERS:
        raise PredictionError(f"{out} must end in {' or '.join(CONTAINERS)}. Choose another --out.")


def _attributes(
    task: Task, data: Data, model_name: str, optional: Mapping[str, str | int]
) -> dict[str, str]:
    """The attributes of the file, all as text."""
    if unknown := [name for name in optional if name not in OPTIONAL_ATTRIBUTES]:
        advice = did_you_mean(unknown[0], OPTIONAL_ATTRIBUTES)
        raise PredictionError(f"Unknown attribute {unknown[0]!r}. {advice}")
    attributes = {
        "dambench_format": FORMAT,
        "task": task.name,
        "dataset_revision": data.revision,
        "model_name": model_name.strip(),
        **{name: str(value) for name, value in optional.items()},
    }
    if problems := text_problems(attributes):
        raise PredictionError("\n".join(problems))
    return attributes


def _checked(
    analyses: Iterable[Analysis], times: np.ndarray, data: Data, order: OrderCheck
) -> Iterator[np.ndarray]:
    """The analysis of each time, once it has been found right."""
    done, wanted = 0, None
    for analysis in analyses:
        values = analysis.mean if analysis.members is None else analysis.members
        own = times[done : done + len(values)]
        _require_times(analysis, own)
        _require_labels(values, own, data)
        for field in _as_float32(values):
            if done == len(times):
                raise PredictionError(f"The task has {len(times)} times, got more analyses.")
            wanted = wanted or (*field.shape[:-3], len(data.channels), *data.grid.shape)
            if field.shape != wanted:
                raise PredictionError(
                    f"The analysis at {times[done]} has shape {field.shape}, wanted {wanted}: "
                    "(channel, latitude, longitude), after member if there is one, as in the "
                    "data set and always the same."
                )
            _require_values(field, times[done], data.channels)
            if analysis.time is None:
                order.require_own(done, field)
            yield field
            done += 1
    if done < len(times):
        raise PredictionError(
            f"The task has {len(times)} times, got analyses of the first {done}. "
            "Assimilate every batch of data.batches(task), in order."
        )


def _require_times(analysis: Analysis, wanted: np.ndarray) -> None:
    """Refuse an analysis that says it is of other times; too many are another problem."""
    if analysis.time is None:
        return
    found = analysis.time[: len(wanted)]
    for got, time in zip(found[found != wanted], wanted[found != wanted], strict=True):
        raise PredictionError(
            f"The analysis of {got} came where that of {time} was wanted. Analyses come in the "
            "order of the task's times: sort them by their time, or assimilate the batches of "
            "data.batches(task) one after the other."
        )


def _require_labels(values: object, times: np.ndarray, data: Data) -> None:
    """Refuse a labelled array (of xarray) whose axes are others than those of the file."""
    state = {
        "channel": data.channels,
        "latitude": data.grid.latitude,
        "longitude": data.grid.longitude,
    }
    for axes in {"time": times}, {"time": times, "member": None}:
        if problem := label_problem(values, axes | state):
            raise PredictionError(f"The analysis from {times[:1]} on {problem}")


def _as_float32(values: object) -> np.ndarray:
    if hasattr(values, "detach"):  # a torch tensor; bfloat16 has no numpy form
        values = values.detach().float().cpu().numpy()
    return np.ascontiguousarray(values, "<f4")


def _require_values(field: np.ndarray, time: np.datetime64, channels: tuple[str, ...]) -> None:
    """Refuse an analysis with a value that is not finite, or stands for a missing one."""
    values = field.reshape(-1, len(channels), field.shape[-2] * field.shape[-1])
    for fine, what in (
        (np.isfinite(values), "NaN or infinite"),
        (np.abs(values) < FILL, f"fill values (beyond {FILL:g})"),
    ):
        if fine.all():
            continue
        bad = [name for name, ok in zip(channels, fine.all(axis=(0, 2)), strict=True) if not ok]
        raise PredictionError(
            f"The analysis at {time} has {np.count_nonzero(~fine)} values that are {what} "
            f"(channels {', '.join(bad[:5])}{' …' if len(bad) > 5 else ''}). "
            "Every value is scored; find where the method diverges."
        )


class _PatientFile(io.FileIO):
    """A file whose errors HDF5 does not see: it may crash the process when the disk is full."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = self.error or error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def raise_error(self) -> None:
        if self.error:
            raise self.error


@contextmanager
def _netcdf(path: Path, header: Header) -> Iterator[Append]:
    with _PatientFile(path, "w+") as raw:
        with h5netcdf.File(raw, "w") as file:
            analysis = _define(file, header)
            rows = iter(range(header.shape[0]))

            def append(values: np.ndarray) -> None:
                analysis[next(rows)] = values
                raw.raise_error()

            yield append
        raw.raise_error()


def _define(file: h5netcdf.File, header: Header) -> h5netcdf.Variable:
    """Dimensions, coordinates and attributes; returns the variable `analysis`, still empty."""
    members = () if header.members is None else ("member",)
    dimensions = ("time", *members, "channel", "latitude", "longitude")
    file.dimensions = dict(zip(dimensions, header.shape, strict=True))
    file.attrs.update({"Conventions": "CF-1.11", "title": "DAMBench prediction"})
    file.attrs.update(header.attributes)
    for name, (dimension, values, attributes) in _coordinates(header).items():
        dtype = h5py.string_dtype() if values.dtype == object else values.dtype
        file.create_variable(name, (dimension,), dtype, data=values).attrs.update(attributes)
    if members:
        realization = file.create_variable("member", members, data=np.arange(header.shape[1]))
        realization.attrs["standard_name"] = "realization"
    analysis = file.create_variable(
        "analysis",
        dimensions,
        np.dtype("<f4"),
        chunks=(1, *header.shape[1:]),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )
    analysis.attrs["long_name"] = "analysed state of the atmosphere, units in channel_units"
    analysis.attrs["coordinates"] = "channel_long_name channel_units"
    return analysis


def _coordinates(header: Header) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """Dimension, values and CF attributes of each coordinate."""
    channels = parse_channels(header.channels)
    time = {
        "units": "hours since 1970-01-01 00:00:00",
        "calendar": "proleptic_gregorian",
        "standard_name": "time",
        "long_name": "valid time of the analysis, UTC",
        "axis": "T",
    }
    latitude = {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"}
    longitude = {"units": "degrees_east", "standard_name": "longitude", "axis": "X"}
    long_names = [channel.long_name for channel in channels]
    units = [channel.units for channel in channels]
    return {
        "time": ("time", hours_since_epoch(header.time), time),
        "channel": ("channel", np.array(header.channels, object), {"long_name": "channel name"}),
        "channel_long_name": ("channel", np.array(long_names, object), {}),
        "channel_units": ("channel", np.array(units, object), {}),
        "latitude": ("latitude", header.latitude, latitude),
        "longitude": ("longitude", header.longitude, longitude),
    }


@contextmanager
def _safetensors(path: Path, header: Header) -> Iterator[Append]:
    coordinates = {
        "time": [str(time) for time in header.time],
        "channel": list(header.channels),
        "latitude": header.latitude.tolist(),
        "longitude": header.longitude.tolist(),
    }
    size = int(np.prod(header.shape)) * 4
    content = {
        "__metadata__": {
            **header.attributes,
            **{name: json.dumps(values) for name, values in coordinates.items()},
        },
        "analysis": {"dtype": "F32", "shape": list(header.shape), "data_offsets": [0, size]},
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # values start at a multiple of 8, as the format asks
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        yield lambda values: file.write(values.data)
