"""What is wrong with a prediction file: all of it at once, each with the way to mend it.

One small function per check. Nothing here looks at the reference: a method's maker may see every
message, and learns about his own file only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dambench_hub.errors import PredictionError, did_you_mean
from dambench_hub.predictions.header import REQUIRED_ATTRIBUTES, Header, text_problems
from dambench_hub.predictions.reader import Opener, open_prediction
from dambench_hub.predictions.value_check import ValueCheck
from dambench_hub.predictions.writer import FORMAT
from dambench_hub.runtime.honest_text import quoted
from dambench_hub.runtime.listing import NAMED, listed
from dambench_hub.runtime.progress import track
from dambench_hub.tasks.task import Task, load_task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data
from dambench_hub.data.revision_advice import revision_advice

MAX_PROBLEMS = 20
MAX_LENGTH = 600
MAX_MEMBERS = 64


def validate(
    path: str | Path,
    data: Data,
    task: Task | str | None = None,
    open: Opener = open_prediction,
) -> list[str]:
    """Everything that keeps a prediction file from being scored.

    Args:
        path: The file.
        data: The data set it was made for.
        task: The task it was made for; None for the one that the file names.
        open: How the file is opened.

    Returns:
        One sentence or two per problem, at most 20; empty for a file that can be scored.

    Raises:
        TaskError: When there is no such task.
    """
    path = Path(path)
    try:
        with open(path) as prediction:
            header = prediction.header
            problems = header_problems(header, data, task_of(header, task))
            if not shape_problems(header):
                check = ValueCheck(header, data)
                fields = track(prediction, len(prediction), "Checking values")
                for index, field in enumerate(fields):
                    check.update(field, prediction.std(index))
                problems += check.problems()
    except PredictionError as error:
        problems = reading_problems(error, path)
    return shortened(problems)


def reading_problems(error: PredictionError, path: Path) -> list[str]:
    """Why a file cannot be read; the name that begins each line is left out."""
    return [problem.removeprefix(f"{path.name}: ") for problem in error.problems]


def task_of(header: Header, task: Task | str | None) -> Task:
    """The task asked for, or else the one that a prediction file says it is for."""
    return load_task(task or header.attributes.get("task", "multimodal"))


def header_problems(header: Header, data: Data, task: Task) -> list[str]:
    """What is wrong with everything but the values."""
    if other := task.other_reference(data.manifest):
        return [other]
    return [
        *attribute_problems(header, data, task),
        *shape_problems(header),
        *time_problems(header.time, task.times(data.manifest)),
        *channel_problems(header.channels, data.channels),
        *(
            f"{problem} The data set's grid is {data.grid}."
            for problem in data.grid.coordinate_problems(header.latitude, header.longitude)
        ),
    ]


def attribute_problems(header: Header, data: Data, task: Task) -> list[str]:
    """Is the file of this format, for this task and this data set?"""
    found = header.attributes
    problems = []
    if missing := [name for name in REQUIRED_ATTRIBUTES if name not in found]:
        problems.append(f"The attribute {', '.join(missing)} is missing; add it to the file.")
    if found.get("dambench_format", FORMAT) != FORMAT:
        problems.append(
            f"dambench_format is {quoted(found['dambench_format'])}, this version reads "
            f"{FORMAT!r}; write the file with this version of dambench-hub."
        )
    if found.get("task", task.name) != task.name:
        problems.append(
            f"The file is for the task {quoted(found['task'])}, not for {task.name!r}; "
            f"predict for {task.name}, or choose the file's task with --task."
        )
    if (revision := found.get("dataset_revision", data.revision)) != data.revision:
        problems.append(
            f"The file was made for revision {quoted(revision)} of the data set, "
            f"{data.manifest.name} here is {data.revision}. {revision_advice(data.manifest)}"
        )
    return problems + text_problems(found)


def shape_problems(header: Header) -> list[str]:
    """Do `analysis`, and `std` if it is there, hold one float32 number for each coordinate?"""
    return [*analysis_problems(header), *std_problems(header)]


def analysis_problems(header: Header) -> list[str]:
    """Does `analysis` hold one float32 number for each of its own coordinates?"""
    problems = type_problems("analysis", header.dtype)
    axes: dict[str, Sized] = {
        "time": header.time,
        "channel": header.channels,
        "latitude": header.latitude,
        "longitude": header.longitude,
    }
    wanted = tuple(len(values) for values in axes.values())
    if len(header.shape) not in (4, 5) or (header.shape[0], *header.shape[-3:]) != wanted:
        sizes = ", ".join(f"{name} {len(values)}" for name, values in axes.items())
        problems.append(
            f"analysis has shape {header.shape}, its coordinates have {sizes}. The order is (time, "
            "channel, latitude, longitude), with member after time if there is one: transpose it."
        )
    elif problem := axis_problem("analysis", header.axes, header.members):
        problems.append(problem)
    elif header.members is not None and header.members > MAX_MEMBERS:
        problems.append(f"There are {header.members} members; at most {MAX_MEMBERS} are scored.")
    return problems


def std_problems(header: Header) -> list[str]:
    """Does `std` belong to an analysis without members, number by number?"""
    if header.std is None:
        return []
    if header.members is not None:
        return [
            "The file has members and std. Members say by themselves how sure an ensemble is: "
            "leave std out, or give the mean of the members with it."
        ]
    problems = type_problems("std", header.std.dtype)
    if header.std.shape != header.shape:
        problems.append(
            f"std has shape {header.std.shape}, analysis {header.shape}. There is one standard "
            "deviation for each value, in the same order."
        )
    elif problem := axis_problem("std", header.std.axes, None):
        problems.append(problem)
    return problems


def type_problems(name: str, dtype: str) -> list[str]:
    """Is this the type of the values?"""
    if dtype == "<f4":
        return []
    return [
        f"{name} is stored as {quoted(dtype)}, wanted float32 ('<f4'); "
        "convert it with .astype('float32')."
    ]


def axis_problem(name: str, found: tuple[str, ...], members: int | None) -> str | None:
    """Do the axes lie in the right order, as far as the file says which is which?

    Sizes do not tell: there may be as many members as channels.
    """
    wanted = ["time", "channel", "latitude", "longitude"]
    coordinates = set(wanted)
    if members is not None:
        wanted.insert(1, "member")
    pairs = [(axis, right) for axis, right in zip(found, wanted, strict=False) if axis]
    if all(axis == right or not {axis, right} & coordinates for axis, right in pairs):
        return None
    axes = ", ".join(axis or "?" for axis in found)
    order = ", ".join(wanted)
    if coordinates <= set(found):
        return f"{name} has the axes ({axes}), wanted ({order}): transpose it."
    return (
        f"{name} has the axes ({axes}), wanted ({order}), each but member with the coordinate of "
        "that name: give both the same dimension."
    )


def time_problems(time: np.ndarray, wanted: np.ndarray) -> list[str]:
    """Are these exactly the task's times, ascending?"""
    unique, counts = np.unique(time, return_counts=True)
    missing, extra = np.setdiff1d(wanted, unique), np.setdiff1d(unique, wanted)
    problems = []
    if len(missing):
        problems.append(
            f"{len(missing)} of the task's {len(wanted)} times are missing: {listed(missing)}. "
            "Every one is scored."
        )
    if len(extra):
        problems.append(
            f"{len(extra)} times are not in the task: {listed(extra)}. Leave them out; the task "
            f"runs from {wanted[0]} to {wanted[-1]}, UTC."
        )
    if np.any(counts > 1):
        problems.append(f"Times stand there twice: {listed(unique[counts > 1])}. Keep one each.")
    if np.any(np.diff(time) < np.timedelta64(0)):
        problems.append("Times are not ascending; sort the file by time.")
    return problems


def channel_problems(channels: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Are these the data set's channels, in its order?"""
    problems = []
    for name in [name for name in channels if name not in wanted][:NAMED]:
        problems.append(f"Unknown channel {quoted(name)}. {did_you_mean(name, wanted)}")
    if missing := [name for name in wanted if name not in channels]:
        problems.append(
            f"{len(missing)} of {len(wanted)} channels are missing: {listed(missing)}. "
            "Where a method leaves a channel alone, give the background."
        )
    if twice := sorted(name for name, count in Counter(channels).items() if count > 1):
        problems.append(f"Channels stand there twice: {listed([quoted(name) for name in twice])}.")
    if not problems and list(channels) != list(wanted):
        first = next(
            i for i, pair in enumerate(zip(channels, wanted, strict=True)) if len(set(pair)) > 1
        )
        problems.append(
            f"Channels are in another order: number {first} is {channels[first]!r}, wanted "
            f"{wanted[first]!r}. Sort the file by the data set's channels (dambench info)."
        )
    return problems


def shortened(problems: list[str]) -> list[str]:
    """At most 20 problems of at most 600 characters."""
    kept = problems if len(problems) <= MAX_PROBLEMS else problems[: MAX_PROBLEMS - 1]
    if more := len(problems) - len(kept):
        kept = [*kept, f"There are {more} more problems."]
    return [text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…" for text in kept]
