"""A prediction beside background and reference: what the pictures show, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import Channel, parse_channel
from dambench_hub.errors import ChannelError, PredictionError, did_you_mean
from dambench_hub.metrics.spectra import zonal_power
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.validation import header_problems, shortened, task_of
from dambench_hub.runtime.progress import track
from dambench_hub.tasks.task import Task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

PREFERRED_CHANNEL = "z500"
SPECTRA = ("reference", "background", "analysis", "background error", "analysis error")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the pictures show, gathered in one pass over a prediction file.

    Attributes:
        caption: Model, task and data set.
        channels: Channel names, (C,).
        grid: Y×X grid.
        channel: The channel of maps and spectra.
        time: The time of the upper maps.
        observed: Observed grid points of that time and channel, row-major, (P,).
        errors: `background` and `analysis` minus the reference at that time, (Y, X).
        rms: Root mean square of these errors over all times, (Y, X).
        rmse: Root mean square error over times and sphere, (C,).
        spectra: Zonal power of `reference`, `background`, `analysis`, `background error` and
            `analysis error`, mean over times, (X // 2,).
    """

    caption: str
    channels: tuple[str, ...]
    grid: Grid
    channel: Channel
    time: np.datetime64
    observed: np.ndarray
    errors: dict[str, np.ndarray]
    rms: dict[str, np.ndarray]
    rmse: dict[str, np.ndarray]
    spectra: dict[str, np.ndarray]


def compare(
    path: Path, data: Data, task: Task | str | None = None, channel: str | None = None
) -> Comparison:
    """Read a prediction file beside background and reference; see `plots.plot_prediction`."""
    name = channel or (
        PREFERRED_CHANNEL if PREFERRED_CHANNEL in data.channels else data.channels[0]
    )
    if name not in data.channels:
        raise ChannelError(f"There is no channel {name!r}. {did_you_mean(name, data.channels)}")
    with open_prediction(path) as prediction:
        task = task_of(prediction.header, task)
        if problems := shortened(header_problems(prediction.header, data, task)):
            raise PredictionError("\n- ".join([f"{path.name} cannot be plotted:", *problems]))
        model = prediction.header.attributes["model_name"]
        gathered = _Gathered(data, data.channels.index(name))
        middle = len(prediction) // 2
        for index, values in enumerate(track(prediction, len(prediction), "Comparing")):
            analysis = values.mean(axis=0) if values.ndim == 4 else values
            gathered.add(task.split, index * task.stride, analysis, keep=index == middle)
    batch = next(data.batches(task, indices=[middle * task.stride]))
    return Comparison(
        caption=f"{model}  ·  task {task.name}  ·  {data.manifest.name}, revision {data.revision}",
        channels=data.channels,
        grid=data.grid,
        channel=parse_channel(name),
        time=batch.time[0],
        observed=np.flatnonzero(batch.observed[0, gathered.channel]),
        **gathered.means(len(prediction)),
    )


class _Gathered:
    """Sums over times of what `Comparison` shows."""

    def __init__(self, data: Data, channel: int) -> None:
        self.data = data
        self.channel = channel
        self.errors: dict[str, np.ndarray] = {}
        kinds = ("background", "analysis")
        self.squares = {kind: np.zeros(data.grid.shape) for kind in kinds}
        self.by_channel = {kind: np.zeros(len(data.channels)) for kind in kinds}
        self.spectra = {name: np.zeros(data.grid.longitudes // 2) for name in SPECTRA}

    def add(self, split: str, index: int, analysis: np.ndarray, keep: bool) -> None:
        reference = self.data.reference(split, index)
        weights = self.data.grid.weights
        self.spectra["reference"] += zonal_power(reference[self.channel], weights)
        fields = {"background": self.data.background(split, index), "analysis": analysis}
        for kind, field in fields.items():
            error = field.astype(np.float64) - reference
            self.squares[kind] += error[self.channel] ** 2
            self.by_channel[kind] += np.einsum("cyx,cyx,y->c", error, error, weights)
            self.spectra[kind] += zonal_power(field[self.channel], weights)
            self.spectra[f"{kind} error"] += zonal_power(error[self.channel], weights)
            if keep:
                self.errors[kind] = error[self.channel]

    def means(self, times: int) -> dict[str, Any]:
        cells = times * self.data.grid.size
        return {
            "errors": self.errors,
            "rms": {kind: np.sqrt(squares / times) for kind, squares in self.squares.items()},
            "rmse": {kind: np.sqrt(squares / cells) for kind, squares in self.by_channel.items()},
            "spectra": {kind: power / times for kind, power in self.spectra.items()},
        }
