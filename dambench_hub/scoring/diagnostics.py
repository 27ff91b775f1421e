"""What a submission's page shows beside its scores, gathered in the pass that scores it.

`Gatherer` is the observer of `scoring.score`: sums over times of errors, increments and spectra, in
constant memory. What holds for the background is the same for all submissions;
`BackgroundDiagnostics.of` gathers it once for a data set and split.

Maps of the error would give away a reference that is not public, and so would errors of each time
by channel: for such a one, `maps=False` leaves out all errors, and what remains are spectra.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import HEADLINE_CHANNELS
from dambench_hub.errors import DataError
from dambench_hub.metrics import Scorer
from dambench_hub.metrics.spectra import zonal_power
from dambench_hub.runtime.files import write_atomic
from dambench_hub.tasks.task import Task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data
    from dambench_hub.scoring.evaluation import Result

FOLDER = "views"
"""Where a leaderboard keeps the files of diagnostics, within its own folder."""

FEWEST_SAMPLES = 60
"""Spectra and increments are means over every k-th time, of at least so many where there are."""
FEW_CHANNELS = 4
"""How many channels are shown of a data set that has none of `HEADLINE_CHANNELS`."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of one kind of field, analysis or background, against the reference.

    C counts all channels, B those with maps and spectra. Without maps, all but the spectra have
    length 0.

    Attributes:
        rmse: The score of that name, (C,), units of the channels.
        rms: Root mean square error over all times, float32, (B, Y, X).
        bias: Mean error over all times, float32, (B, Y, X).
        example: Error at the example's time, float32, (B, Y, X).
        spectra: `zonal_power` of the field itself, mean over sampled times, (B, X // 2).
        series: Latitude-weighted root mean square error of each time, float32, (N, B).
    """

    rmse: np.ndarray
    rms: np.ndarray
    bias: np.ndarray
    example: np.ndarray
    spectra: np.ndarray
    series: np.ndarray


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Everything but the scores that the page of a submission shows.

    Attributes:
        submission: Its id.
        task: Name of the task.
        dataset_revision: What it was scored with.
        value_hash: Of the scored values.
        channels: All channel names, (C,).
        shown: Names of the channels with maps and spectra, (B,).
        grid: Y×X grid.
        time: The example's time, datetime64[h]: that of the background's median mse, the same for
            all submissions to a task.
        observed: Observed grid points at that time, row-major y·X + x, (P,), or (B, P) where each
            channel has its own; −1 where the channel is not seen.
        analysis: Errors of the submission.
        background: Errors of the background.
        reference_spectra: `zonal_power` of the reference, mean over sampled times, (B, X // 2).
        increment_rms: Root mean square of analysis − background over sampled times, float32,
            (B, Y, X).
    """

    submission: str
    task: str
    dataset_revision: str
    value_hash: str
    channels: tuple[str, ...]
    shown: tuple[str, ...]
    grid: Grid
    time: np.datetime64
    observed: np.ndarray
    analysis: Errors
    background: Errors
    reference_spectra: np.ndarray
    increment_rms: np.ndarray

    @property
    def has_maps(self) -> bool:
        """Whether there are maps; a reference that is not public has none."""
        return len(self.analysis.rms) > 0

    @property
    def increment_mean(self) -> np.ndarray:
        """Mean of analysis − background over all times, (B, Y, X)."""
        return self.analysis.bias - self.background.bias

    @property
    def increment_example(self) -> np.ndarray:
        """Analysis − background at the example's time, (B, Y, X)."""
        return self.analysis.example - self.background.example

    def write(self, path: Path) -> None:
        """Write to safetensors, whole or not at all."""
        arrays = {
            "observed": self.observed,
            "reference_spectra": self.reference_spectra,
            "increment_rms": self.increment_rms,
        }
        arrays |= _named("analysis", self.analysis) | _named("background", self.background)
        described = {
            "submission": self.submission,
            "task": self.task,
            "dataset_revision": self.dataset_revision,
            "value_hash": self.value_hash,
            "channels": self.channels,
            "shown": self.shown,
            "grid": str(self.grid),
            "time": str(self.time),
        }
        _write(path, arrays, described)

    @classmethod
    def read(cls, path: Path) -> Diagnostics:
        """Read what `write` wrote.

        Raises:
            DataError: When there is no such file, or it is damaged.
        """
        try:
            arrays, described = _read(path)
            return cls(
                submission=described["submission"],
                task=described["task"],
                dataset_revision=described["dataset_revision"],
                value_hash=described["value_hash"],
                channels=tuple(described["channels"]),
                shown=tuple(described["shown"]),
                grid=Grid.parse(described["grid"]),
                time=np.datetime64(described["time"], "h"),
                observed=arrays["observed"],
                analysis=_errors("analysis", arrays),
                background=_errors("background", arrays),
                reference_spectra=arrays["reference_spectra"],
                increment_rms=arrays["increment_rms"],
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path.name} holds no diagnostics ({error}). Score again.") from error


@dataclass(frozen=True, eq=False)
class BackgroundDiagnostics:
    """What the diagnostics of all submissions to a data set's split share.

    Attributes:
        errors: Of the background.
        reference_spectra: See `Diagnostics`.
        example: Number of the example's time among the task's.
    """

    errors: Errors
    reference_spectra: np.ndarray
    example: int

    @classmethod
    def of(cls, data: Data, task: Task, *, maps: bool = True) -> BackgroundDiagnostics:
        """Gather it in one pass over the task's times."""
        times = len(task.times(data.manifest))
        scorer = Scorer(data.channels, data.grid.latitude, data.statistics.std)
        sums = _Sums(data, times)
        reference_spectra = np.zeros_like(sums.spectra)
        for index in range(times):
            field = data.background(task.split, index * task.stride)
            reference = data.reference(task.split, index * task.stride)
            scorer.update(field[None], reference[None])
            sums.add(index, field, reference)
            if sums.is_sampled(index):
                reference_spectra += sums.power(reference)
        order = np.argsort(scorer.per_sample_mse, kind="stable")
        example = int(order[(times - 1) // 2])
        field = data.background(task.split, example * task.stride)
        sums.example = sums.error(field, data.reference(task.split, example * task.stride))
        errors = sums.errors(scorer.compute()["rmse"], maps=maps)
        return cls(errors, reference_spectra / sums.sampled, example)

    @classmethod
    def cached(
        cls, path: Path, data: Data, task: Task, *, maps: bool = True
    ) -> BackgroundDiagnostics:
        """The one kept in `path`; gathered and written there if the file is absent or damaged."""
        try:
            arrays, described = _read(path)
            return cls(
                _errors("background", arrays), arrays["reference_spectra"], described["example"]
            )
        except (OSError, SafetensorError, KeyError, ValueError):
            background = cls.of(data, task, maps=maps)
        arrays = _named("background", background.errors)
        arrays["reference_spectra"] = background.reference_spectra
        _write(path, arrays, {"example": background.example})
        return background


class Gatherer:
    """The observer that a score is computed with; `finish` gives the diagnostics.

    Args:
        data: The data set that is scored with.
        task: The task that is scored.
        background: Of the same data set and split.
        maps: Whether maps of the error, and errors of single times, may be shown.
    """

    def __init__(
        self, data: Data, task: Task, background: BackgroundDiagnostics, *, maps: bool = True
    ) -> None:
        self.data = data
        self.task = task
        self.background = background
        self.maps = maps
        self.sums = _Sums(data, len(task.times(data.manifest)))
        self.increment_squares = np.zeros_like(self.sums.squares)

    def __call__(self, index: int, analysis: np.ndarray, reference: np.ndarray) -> None:
        """Take the next time.

        Args:
            index: Its number among the task's times.
            analysis: x^a, ([M,] C, Y, X); of members, the mean counts.
            reference: (C, Y, X).
        """
        error = self.sums.add(index, analysis, reference)
        if index == self.background.example:
            self.sums.example = error
        if self.sums.is_sampled(index) and self.maps:
            background = self.data.background(self.task.split, index * self.task.stride)
            self.increment_squares += (error - self.sums.error(background, reference)) ** 2

    def finish(self, submission: str, result: Result) -> Diagnostics:
        """The diagnostics, once every time was taken.

        Args:
            submission: Its id.
            result: What the same pass scored.
        """
        example, sums = self.background.example, self.sums
        batch = next(self.data.batches(self.task, indices=[example * self.task.stride]))
        observed, seen = batch.observation_index[0], ~np.isnan(batch.observation_values[0])
        if not seen.all():
            observed = np.where(seen, observed, -1)
        increment_rms = np.sqrt(self.increment_squares / sums.sampled).astype("f4")
        return Diagnostics(
            submission=submission,
            task=result.task,
            dataset_revision=result.dataset_revision,
            value_hash=result.value_hash,
            channels=self.data.channels,
            shown=tuple(self.data.channels[row] for row in sums.rows),
            grid=self.data.grid,
            time=batch.time[0],
            observed=observed if observed.ndim == 1 else observed[sums.rows],
            analysis=sums.errors(result.scores["rmse"], maps=self.maps),
            background=self.background.errors,
            reference_spectra=self.background.reference_spectra,
            increment_rms=increment_rms if self.maps else increment_rms[:0],
        )


class _Sums:
    """Sums over times of the errors of one kind of field, in the channels that are shown."""

    def __init__(self, data: Data, times: int) -> None:
        self.weights = data.grid.weights
        self.rows = shown_rows(data.channels)
        self.every = max(1, times // FEWEST_SAMPLES)
        self.times = times
        self.sampled = len(range(0, times, self.every))
        shape = (len(self.rows), *data.grid.shape)
        self.squares, self.total, self.example = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.spectra = np.zeros((len(self.rows), data.grid.longitudes // 2))
        self.series = np.zeros((times, len(self.rows)))

    def is_sampled(self, index: int) -> bool:
        return index % self.every == 0

    def add(self, index: int, field: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Add one time; returns its error, float64, (B, Y, X)."""
        error = self.error(field, reference)
        for row, values in enumerate(error):  # a channel at a time stays in the processor's cache
            square = values**2
            self.squares[row] += square
            self.total[row] += values
            self.series[index, row] = (self.weights * square.mean(axis=-1)).mean()
        if self.is_sampled(index):
            self.spectra += self.power(field)
        return error

    def error(self, field: np.ndarray, reference: np.ndarray) -> np.ndarray:
        error = self.selected(field)
        for row, channel in enumerate(self.rows):
            error[row] -= reference[channel]
        return error

    def power(self, field: np.ndarray) -> np.ndarray:
        return np.stack([zonal_power(values, self.weights) for values in self.selected(field)])

    def selected(self, field: np.ndarray) -> np.ndarray:
        """The shown channels in float64, the mean of members, (B, Y, X)."""
        selected = np.empty(self.squares.shape)
        members = field if field.ndim == 4 else field[None]
        for row, channel in enumerate(self.rows):
            members[:, channel].mean(axis=0, dtype=np.float64, out=selected[row])
        return selected

    def errors(self, rmse: dict[str, float], *, maps: bool) -> Errors:
        shown = slice(None) if maps else slice(0)
        return Errors(
            rmse=np.array(list(rmse.values()))[shown],
            rms=np.sqrt(self.squares[shown] / self.times).astype("f4"),
            bias=(self.total[shown] / self.times).astype("f4"),
            example=self.example[shown].astype("f4"),
            spectra=self.spectra / self.sampled,
            series=np.sqrt(self.series[shown]).astype("f4"),
        )


def shown_rows(channels: tuple[str, ...]) -> list[int]:
    """Which channels have maps and spectra: the headline channels, else the first few."""
    rows = [channels.index(name) for name in HEADLINE_CHANNELS if name in channels]
    return rows or list(range(len(channels)))[:FEW_CHANNELS]


def _named(kind: str, errors: Errors) -> dict[str, np.ndarray]:
    return {f"{kind}_{name}": array for name, array in vars(errors).items()}


def _errors(kind: str, arrays: dict[str, np.ndarray]) -> Errors:
    return Errors(**{field.name: arrays[f"{kind}_{field.name}"] for field in fields(Errors)})


def _write(path: Path, arrays: dict[str, np.ndarray], described: dict[str, Any]) -> None:
    content = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomic(path, save(content, {"diagnostics": json.dumps(described)}))


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with safe_open(path, "np") as file:
        names = file.keys()
        arrays = {name: file.get_tensor(name) for name in names}
        return arrays, json.loads(file.metadata()["diagnostics"])
