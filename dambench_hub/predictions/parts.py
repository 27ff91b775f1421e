"""Predictions in parts: one file per valid time, made by any number of processes, then merged.

The parts lie in `OUT.parts/`, beside the prediction file OUT that they become. Each appears whole,
so a run that was killed goes on with those that are missing. Batches are cut in the same way
whoever makes them: neither the number of processes nor an interruption changes the result.
"""

from __future__ import annotations

import fcntl
import glob
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dambench_hub.data.batch import Analysis, Array, as_numpy
from dambench_hub.errors import DambenchError, PredictionError, TaskError
from dambench_hub.predictions.header import STD
from dambench_hub.runtime.differences import require_same
from dambench_hub.runtime.files import atomic_path, write_atomic, writing

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Share:
    """What one of several processes does.

    Attributes:
        number: Which of them, 0 … count − 1.
        count: How many there are.

    Raises:
        TaskError: When there is no such share.

    >>> print(Share.parse("2/4"))
    2/4
    """

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise TaskError(f"There is no part {self}: parts of {self.count} are 1 … {self.count}.")

    def __str__(self) -> str:
        return f"{self.number + 1}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Share:
        """The share n/m, counted from 1.

        Raises:
            TaskError: When the text is none.
        """
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise TaskError(f"Wanted is a part like 2/4, got {text!r}.")
        return cls(int(number) - 1, int(count))

    @classmethod
    def of_process(cls, environment: Mapping[str, str]) -> Share:
        """The share of this process, as torchrun and `accelerate launch` set the environment.

        Raises:
            TaskError: When the variables are no numbers.
        """
        rank, count = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
        if not (rank.isdecimal() and count.isdecimal()):
            raise TaskError(
                f"RANK={rank} and WORLD_SIZE={count} are not numbers. Unset them, or start this "
                "with torchrun or accelerate launch."
            )
        return cls(int(rank), int(count))


class Parts:
    """The analyses of one run, as far as they are done.

    Args:
        out: The prediction file that they become.
        settings: All that the analyses depend on, JSON; parts of other settings are not used.
        times: Valid times of the task, datetime64[h], (N,), ascending.

    Raises:
        PredictionError: When there are parts of another run; the message says what differs.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], times: np.ndarray) -> None:
        self.out, self.times = out, times
        self.settings = json.loads(json.dumps(settings))
        self.folder = out.with_name(f"{out.name}.parts")
        self._begun = False
        if self.folder.exists():
            self._require_same_run()

    def unfinished(self, share: Share, batch_size: int) -> np.ndarray:
        """Which times are left to a share: whole batches, one after the other.

        A batch that lacks one time is made again, so that every analysis always comes from the same
        batch: the last bits of a matrix product depend on its size.

        Returns:
            int64 indices of `times`, ascending, a multiple of `batch_size` but for the last batch.
        """
        starts = range(0, len(self.times), batch_size)[share.number :: share.count]
        batches = [np.arange(n, min(n + batch_size, len(self.times))) for n in starts]
        left = [batch for batch in batches if self._missing(self.times[batch])]
        return np.concatenate([np.arange(0), *left])

    def add(self, time: np.ndarray, values: Array, std: Array | None = None) -> None:
        """Keep the analyses of a batch.

        Args:
            time: Valid times, datetime64[h], (B,).
            values: Numpy array or torch tensor, (B, C, Y, X), or (B, M, C, Y, X) with members.
            std: Standard deviation of the analysis's error, (B, C, Y, X), of a method that predicts
                it without members.

        Raises:
            PredictionError: When a value is not finite, or one of std is not above 0.
            DambenchError: When the disk is full or the folder cannot be written.
        """
        fields = {"analysis": as_numpy(values)}
        if std is not None:
            fields[STD] = as_numpy(std)
        for valid_time, *found in zip(time, *fields.values(), strict=True):
            named = dict(zip(fields, found, strict=True))
            _require_values(valid_time, **named)
            self._begin()
            with atomic_path(self._path(valid_time)) as partial, partial.open("wb") as file:
                np.savez(file, **named)

    def finish(self, share: Share, write: Callable[[Iterator[Analysis]], None]) -> bool:
        """Note that a share is done; if it was the last one, make the prediction file.

        Args:
            share: What this process did.
            write: Makes the file of the analyses of all times, which it gets in order, each a batch
                of one. The parts are removed after it.

        Returns:
            Whether the file was made here; otherwise other shares are left, or another process
            makes it.

        Raises:
            PredictionError: When a part cannot be read.
        """
        self._begin()
        try:
            write_atomic(self._mark(share), "")
        except DambenchError:
            if self.folder.exists():
                raise
            return False  # once it is noted, another process may be done before this one goes on
        if not all(self._mark(Share(n, share.count)).exists() for n in range(share.count)):
            return False
        try:
            lock = (self.folder / SETTINGS).open("r+b")
        except FileNotFoundError:
            return False
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if not self.folder.exists():  # the process that held the lock before has done it
                return False
            for left in self.out.parent.glob(f".{glob.escape(self.out.name)}.*.partial"):
                # Of a process that was killed here.
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            write(map(self._read, self.times))
            # Renamed first, so that another process finds all parts or none.
            done = self.folder.rename(_beside(self.folder))
        shutil.rmtree(done)
        return True

    def _read(self, time: np.datetime64) -> Analysis:
        try:
            with np.load(self._path(time), allow_pickle=False) as file:
                return _analysis(np.array([time]), **{name: file[name] for name in file})
        except (OSError, ValueError, TypeError, BadZipFile) as error:
            raise PredictionError(
                f"{self._path(time)} cannot be read ({error}). Delete it and run this again."
            ) from error

    def _missing(self, times: np.ndarray) -> bool:
        return not all(self._path(time).exists() for time in times)

    def _path(self, time: np.datetime64) -> Path:
        return self.folder / f"{time.astype('datetime64[h]')}.npz"

    def _mark(self, share: Share) -> Path:
        return self.folder / f"part-{share.number + 1}-of-{share.count}"

    def _begin(self) -> None:
        """Make the folder, settings and all, unless another process of this run has."""
        if self._begun:
            return
        if not self.folder.exists():
            self._make_folder()
        self._require_same_run()
        self._begun = True

    def _make_folder(self) -> None:
        with writing(self.folder):
            new = _beside(self.folder)
            new.mkdir(parents=True)
            try:
                write_atomic(new / SETTINGS, json.dumps(self.settings, indent=1))
                new.rename(self.folder)
            except OSError:
                if not self.folder.exists():  # else another process was faster
                    raise
            finally:
                shutil.rmtree(new, ignore_errors=True)

    def _require_same_run(self) -> None:
        try:
            found = json.loads((self.folder / SETTINGS).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise PredictionError(
                f"{self.folder} is in the way: it holds no parts of a prediction ({error}). "
                "Move it away, or choose another --out."
            ) from error
        place = f"{self.folder} holds parts of another run"
        require_same(place, found, self.settings, PredictionError)


def _require_values(
    time: np.datetime64, analysis: np.ndarray, std: np.ndarray | None = None
) -> None:
    """Refuse what no file could be written of, as soon as it is there."""
    if not np.isfinite(analysis).all():
        raise PredictionError(
            f"The analysis at {time} has values that are NaN or infinite. "
            "Every value is scored; find where the method diverges."
        )
    if std is not None and not np.all(np.isfinite(std) & (std > 0)):
        raise PredictionError(
            f"The std at {time} has values that are no finite numbers above 0. A standard "
            "deviation of each value is scored; find where the method fails."
        )


def _analysis(time: np.ndarray, analysis: np.ndarray, std: np.ndarray | None = None) -> Analysis:
    """A kept analysis, (C, Y, X), or one with members, (M, C, Y, X), as a batch of one."""
    if analysis.ndim == 4:
        return Analysis(mean=analysis.mean(axis=0)[None], members=analysis[None], time=time)
    return Analysis(mean=analysis[None], std=None if std is None else std[None], time=time)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
