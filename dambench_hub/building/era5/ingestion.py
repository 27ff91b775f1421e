"""Fields from slow or far archives to segment files on the local disk, once, to build from.

A `FieldStream` names fields, their times, and how to read some of them. Its times are cut into
segments, each a file that appears whole. Segments are independent: any number of workers and
machines may bring them in, in any order, and a killed run goes on with those that are missing. A
read that fails is tried again with growing pauses; what then still fails, or is not in the archive,
is noted in the segment as missing, and nothing is put in its place.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dambench_hub.building.sources.states import MissingData
from dambench_hub.building.sources.zarr_stores import Unreachable
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import BuildError, DambenchError
from dambench_hub.runtime.files import require_space, write_atomic
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.workers import Run

Found = tuple[np.datetime64, np.ndarray | MissingData]
"""A time with its field, or why there is none."""


@dataclass(frozen=True)
class Patience:
    """How long to insist when a source fails.

    Attributes:
        tries: Reads of the same times before they are called missing.
        pause: Seconds before the second try; each further pause is twice as long, up to a minute.
        timeout: Seconds after which a read that hangs has failed.
        gaps: Share of a stream's times that may be missing; beyond it the build stops.
    """

    tries: int = 5
    pause: float = 1.0
    timeout: float = 900.0
    gaps: float = 0.02


@dataclass(frozen=True)
class FieldStream:
    """Fields of one kind, at the times when they are wanted.

    Attributes:
        name: Of the folder with its segments.
        times: Ascending, whole hours, (N,).
        shape: Of the field at one time.
        read: Gives, for ascending times, what is found; called in the workers, for each segment.
        segment: How many times make one segment.
    """

    name: str
    times: np.ndarray
    shape: tuple[int, ...]
    read: Callable[[np.ndarray], Iterator[Found]]
    segment: int = 4

    @cached_property
    def segments(self) -> list[np.ndarray]:
        """The times of each segment."""
        starts = range(0, len(self.times), self.segment)
        return [self.times[start : start + self.segment] for start in starts]

    def path(self, folder: Path, number: int) -> Path:
        """The file of a segment; its name says the times, so other times are other files."""
        first, last = hours_since_epoch(self.segments[number][[0, -1]])
        count = len(self.segments[number])
        return folder / self.name / f"{first}-{last}-{count}.safetensors"


def ingest(
    folder: Path,
    streams: Sequence[FieldStream],
    run: Run,
    patience: Patience | None = None,
    part: tuple[int, int] = (1, 1),
) -> None:
    """Bring in what is missing of some streams.

    Args:
        folder: Of the segments.
        streams: Each with a name of its own.
        run: Who does it.
        patience: With sources that fail.
        part: (n, m): only every m-th segment, from the n-th on.

    Raises:
        BuildError: When a source is unusable, or has more gaps than `patience` allows.
        DambenchError: When the disk is full, or will be.
    """
    patience = patience or Patience()
    nth, of = part
    todo = [(stream, n) for stream, n in absent(folder, streams) if n % of == nth - 1]
    if not todo:
        return
    size = sum(len(s.segments[n]) * 4 * int(np.prod(s.shape)) for s, n in todo)
    require_space(folder, size)
    left = {stream.name: patience.gaps * len(stream.times) for stream in streams}
    results = run(partial(_store, folder, patience), todo)
    for (stream, _), reasons in track(results, len(todo), "Reading the archives"):
        left[stream.name] -= len(reasons)
        if reasons and left[stream.name] < 0:
            raise BuildError(
                f"More than {100 * patience.gaps:g} % of {stream.name} is missing, the last for: "
                f"{reasons[-1]}. If the source was down or has been mended, run the same command "
                "with --retry-gaps; if it really has such gaps, allow them with --max-gaps."
            )


def absent(folder: Path, streams: Sequence[FieldStream]) -> list[tuple[FieldStream, int]]:
    """Segments that have not been brought in, by stream and number."""
    return [
        (stream, number)
        for stream in streams
        for number in range(len(stream.segments))
        if not stream.path(folder, number).exists()
    ]


def forget_gaps(folder: Path) -> int:
    """Delete the segments with gaps, so that they are read again; how many there were."""
    paths = [path for path in folder.rglob("*.safetensors") if _gaps(path)]
    for path in paths:
        path.unlink()
    return len(paths)


class Segments:
    """The segments of a stream, read time by time."""

    def __init__(self, folder: Path, stream: FieldStream) -> None:
        self.folder, self.stream = folder, stream
        self._first = [segment[0] for segment in stream.segments]

    def read(self, time: np.datetime64) -> np.ndarray:
        """The field at a time of the stream.

        Raises:
            MissingData: When the archive did not have it.
        """
        number = bisect_right(self._first, time) - 1
        path = self.stream.path(self.folder, number)
        hours = int(hours_since_epoch(time))
        try:
            with safe_open(path, "numpy") as file:
                rows = file.get_tensor("hours")
                if hours in rows:
                    return file.get_slice("fields")[int(np.searchsorted(rows, hours))]
                raise MissingData(json.loads(file.metadata()["gaps"])[str(hours)])
        except (OSError, SafetensorError) as error:
            raise BuildError(
                f"{path} cannot be read ({error}). Delete it and run again."
            ) from error

    def gaps(self) -> dict[int, str]:
        """Why there is no field, by hours since 1970-01-01."""
        numbers = range(len(self.stream.segments))
        found = [_gaps(self.stream.path(self.folder, number)) for number in numbers]
        return {hours: reason for gaps in found for hours, reason in gaps.items()}


def _store(folder: Path, patience: Patience, item: tuple[FieldStream, int]) -> list[str]:
    """Bring in one segment; why fields of it are missing."""
    stream, number = item
    found = _persistently(stream, stream.segments[number], patience)
    fields = [field for _, field in found if isinstance(field, np.ndarray)]
    present = [time for time, field in found if isinstance(field, np.ndarray)]
    gaps = {
        str(hours_since_epoch(time)): str(field)
        for time, field in found
        if isinstance(field, MissingData)
    }
    content = {
        "fields": np.array(fields, np.float32).reshape(-1, *stream.shape),
        "hours": hours_since_epoch(np.array(present, "datetime64[h]")),
    }
    write_atomic(stream.path(folder, number), save(content, {"gaps": json.dumps(gaps)}))
    return list(gaps.values())


def _gaps(path: Path) -> dict[int, str]:
    with safe_open(path, "numpy") as file:
        return {int(hours): why for hours, why in json.loads(file.metadata()["gaps"]).items()}


def _persistently(stream: FieldStream, times: np.ndarray, patience: Patience) -> list[Found]:
    """Read some times, together if that works, else each by itself."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    insist = Retrying(
        stop=stop_after_attempt(patience.tries),
        wait=wait_exponential(multiplier=patience.pause, max=60),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        return insist(_within, patience.timeout, lambda: _complete(stream, times))
    except DambenchError:
        raise
    except Exception as error:
        if len(times) == 1:
            reason = f"could not be read in {patience.tries} tries ({_said(error)}) at {times[0]}"
            return [(times[0], MissingData(reason))]
    # One bad time must not take its neighbours with it; they need no patience any more.
    once = Patience(tries=2, pause=patience.pause, timeout=patience.timeout)
    return [found for time in times for found in _persistently(stream, np.array([time]), once)]


def _may_pass(error: BaseException) -> bool:
    """Whether another try may do better: not if the source is unusable, or a person interrupts."""
    if isinstance(error, Unreachable):
        return True
    return isinstance(error, Exception) and not isinstance(error, DambenchError)


def _complete(stream: FieldStream, times: np.ndarray) -> list[Found]:
    found = list(stream.read(times))
    if [time for time, _ in found] != list(times):
        raise OSError(f"the source gave {len(found)} of {len(times)} times")
    for time, field in found:
        if isinstance(field, np.ndarray) and field.shape != stream.shape:
            raise BuildError(
                f"{stream.name} at {time} has shape {field.shape}, wanted is {stream.shape}."
            )
    return found


def _within(seconds: float, function: Callable[[], Any]) -> Any:
    """The function's result; a call that hangs is left behind in its thread."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append((function(), None))
        except BaseException as error:  # to be raised in the caller's thread
            outcome.append((None, error))

    thread = Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer in {seconds:g} s")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _said(error: BaseException) -> str:
    """What an error says, not too long, and what was noted about it."""
    text = str(error) or type(error).__name__
    notes = dict.fromkeys(getattr(error, "__notes__", []))
    return "; ".join([text if len(text) <= 200 else text[:200] + "…", *notes])
