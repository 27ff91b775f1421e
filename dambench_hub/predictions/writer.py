"""The prediction file: analyses of one method at the times of one task, with all they depend on.

NetCDF-4 for everybody's tools, compressed (gzip 1 with shuffle: a third smaller at 60 MB/s), or
safetensors, uncompressed, where writing speed matters more. `reader` reads them. What a method says
of its error stands beside the analysis: as members, or as its standard deviation `std`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dambench_hub.coordinates.labels import label_problem
from dambench_hub.coordinates.missing import FILL
from dambench_hub.data.batch import Analysis, Array, as_numpy
from dambench_hub.errors import PredictionError, did_you_mean
from dambench_hub.predictions.container_writers import create_netcdf, create_safetensors
from dambench_hub.predictions.header import (
    OPTIONAL_ATTRIBUTES,
    Header,
    StoredField,
    text_problems,
)
from dambench_hub.predictions.order import OrderCheck
from dambench_hub.predictions.reader import CONTAINERS, Prediction, open_prediction
from dambench_hub.runtime.files import atomic_path
from dambench_hub.runtime.listing import listed
from dambench_hub.tasks.task import Task, load_task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

__all__ = ["FORMAT", "Header", "Prediction", "open_prediction", "write_predictions"]

FORMAT = "1"
"""Version of the prediction file, its attribute `dambench_format`."""


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
            with their members and nothing else, else the mean is, with `std` where they have it.
            Numpy arrays, torch tensors, or xarray's arrays.
        task: What was assimilated.
        data: Where the observations came from; gives times, channels and grid.
        model_name: What the method is called.
        **attributes: `model_url`, `paper_url`, `authors`, `parameters`, `training_data`.

    Raises:
        PredictionError: When the analyses are too few or too many, of other times (as far as they,
            their labels or the observations tell), of the wrong shape or not finite, a std is not
            above 0 or some have one and others do not, or an attribute is unknown or cannot be
            shown. No file is left then.
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
    shape = (len(times), *first[0].shape)
    header = Header(
        shape=shape,
        dtype="<f4",
        time=times,
        channels=data.channels,
        latitude=data.grid.latitude,
        longitude=data.grid.longitude,
        attributes=described,
        std=StoredField(shape, "<f4") if first[1:] else None,
    )
    create = create_netcdf if CONTAINERS[path.suffix] == "NetCDF-4" else create_safetensors
    with atomic_path(path) as partial, create(partial, header) as append:
        append(*first)
        for of_one_time in fields:
            append(*of_one_time)


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
) -> Iterator[tuple[np.ndarray, ...]]:
    """The analysis of each time, and its std if it has one, once they have been found right."""
    done, wanted, count = 0, None, 0
    for analysis in analyses:
        kept = _kept(analysis)
        own = times[done : done + len(kept[0])]
        _require_times(analysis, own)
        for values in kept:
            _require_labels(values, own, data)
        count = count or len(kept)
        if len(kept) != count:
            found, before = ("a", "none") if kept[1:] else ("no", "one")
            raise PredictionError(
                f"The analyses from {own[0]} on have {found} std, those before have {before}. "
                "Give all of them a std, or none."
            )
        for field, *std in zip(*map(as_numpy, kept), strict=True):
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
            for deviation in std:
                _require_std(deviation, times[done], data.channels)
            yield field, *std
            done += 1
    if done < len(times):
        raise PredictionError(
            f"The task has {len(times)} times, got analyses of the first {done}. "
            "Assimilate every batch of data.batches(task), in order."
        )


def _kept(analysis: Analysis) -> tuple[Array, ...]:
    """What is written of an analysis: its members alone, else its mean, and its std if any."""
    if analysis.members is not None:
        return (analysis.members,)
    return (analysis.mean,) if analysis.std is None else (analysis.mean, analysis.std)


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


def _require_values(field: np.ndarray, time: np.datetime64, channels: tuple[str, ...]) -> None:
    """Refuse an analysis with a value that is not finite, or stands for a missing one."""
    values = field.reshape(-1, len(channels), field.shape[-2] * field.shape[-1])
    for fine, what in (
        (np.isfinite(values), "NaN or infinite"),
        (np.abs(values) < FILL, f"fill values (beyond {FILL:g})"),
    ):
        if fine.all():
            continue
        raise PredictionError(
            f"The analysis at {time} has {np.count_nonzero(~fine)} values that are {what} "
            f"({_named(np.flatnonzero((~fine).any(axis=(0, 2))), channels)}). "
            "Every value is scored; find where the method diverges."
        )


def _require_std(std: np.ndarray, time: np.datetime64, channels: tuple[str, ...]) -> None:
    """Refuse a standard deviation, (C, Y, X), that is none."""
    right = (std > 0) & (std < FILL)  # NaN is neither
    if not right.all():
        named = _named(np.flatnonzero((~right).any(axis=(1, 2))), channels)
        raise PredictionError(
            f"The std at {time} has {np.count_nonzero(~right)} values that are no finite numbers "
            f"above 0 ({named}); the first is {std[~right][0]}. Give a standard deviation of each "
            "value, or Analysis(mean) alone."
        )


def _named(numbers: np.ndarray, channels: tuple[str, ...]) -> str:
    """The channels of these numbers, in words."""
    return f"channels {listed([channels[number] for number in numbers])}"
