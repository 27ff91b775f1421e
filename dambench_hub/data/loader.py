"""Samples of a task: columns of the shards, observations perhaps drawn anew, as a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.coordinates.variables import equivalent_of, members_equivalent_of
from dambench_hub.data.batch import Batch
from dambench_hub.data.off_grid_observations import OffGridObservations
from dambench_hub.data.stored_examples import StoredExamples
from dambench_hub.errors import TaskError
from dambench_hub.observations import draw_observations
from dambench_hub.observations.blocks import Blocks
from dambench_hub.observations.table import ObservationTable
from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.statistics import Statistics
from dambench_hub.tasks.task import Task


class Loader:
    """Fills arrays with the samples of one task.

    Args:
        manifest: Of the data set.
        statistics: Of the data set.
        examples: Of the data set.
        members: Of the background's ensemble, if they are wanted.
        task: What a sample has.
        split: Which samples.
        redraw: Draw other observations, keyed by this number; None for those of the task.

    Raises:
        TaskError: When observations are to be drawn from a reference that is reports.
    """

    def __init__(
        self,
        manifest: Manifest,
        statistics: Statistics,
        examples: StoredExamples,
        members: StoredExamples | None,
        task: Task,
        split: str,
        redraw: int | None = None,
    ) -> None:
        self.manifest, self.examples, self.members = manifest, examples, members
        self.split, self.redraw = split, redraw
        self.modalities = task.modalities(manifest)
        self.settings = task.observation_settings(manifest)
        self.of_fields = not manifest.reference_is_reports
        if not self.of_fields and (redraw is not None or task.observations):
            raise TaskError(
                f"Observations cannot be drawn for the task {task.name}: the reference of "
                f"{manifest.name} is reports, no fields. Use a task that takes observations as "
                "they are, and no redraw."
            )
        self.stored = redraw is None and self.settings == manifest.observations
        of_background, grid = statistics.background_error_std, manifest.grid
        self.drawn_std = self.settings.instrument_error_std(of_background, manifest.channels)
        self.off_grid: OffGridObservations | None = None
        if self.settings.network == "off_grid":
            self.off_grid = OffGridObservations(manifest, statistics, examples, self.settings)
            self.error_std = self.off_grid.error_std_on_grid
        else:
            channels = manifest.channels
            self.error_std = self.settings.observation_error_std(of_background, channels, grid)
        equivalents = map(equivalent_of, self.modalities)
        columns = ["background", *["reference"] * self.of_fields, *self.modalities, *equivalents]
        stored = self.stored and self.of_fields
        self.columns = columns + ["observation_index", "observations"] * stored
        of_members = ["background_members", *map(members_equivalent_of, self.modalities)]
        self.member_columns = of_members if members else []
        self.times = manifest.times(split)

    def empty(self, size: int) -> dict[str, np.ndarray]:
        """Arrays for `size` samples."""
        grid, shapes = self.manifest.grid, dict(self.examples.shapes)
        shapes |= self.members.shapes if self.members else {}
        channels = len(self.manifest.channels)
        points = self.settings.points(grid) if self.of_fields else 0
        iid = self.settings.network == "iid"
        shapes["observation_index"] = (channels, points) if iid else (points,)
        shapes["observations"] = (channels, points)
        types = {"time": "datetime64[h]", "observation_index": "int32"}
        names = dict.fromkeys(["time", *self.columns, "observation_index", "observations"])
        names |= dict.fromkeys(self.member_columns)
        return {name: np.empty((size, *shapes[name]), types.get(name, "f4")) for name in names}

    def load(self, indices: Sequence[int] | np.ndarray, arrays: dict[str, np.ndarray]) -> Batch:
        """Copy the samples into `arrays` and wrap them."""
        arrays = {name: array[: len(indices)] for name, array in arrays.items()}
        reports: list[ObservationTable] = []
        for row, index in enumerate(indices):
            self.examples.fill(self.split, int(index), {n: arrays[n][row] for n in self.columns})
            if self.members:
                of_row = {n: arrays[n][row] for n in self.member_columns}
                self.members.fill(self.split, int(index), of_row)
            arrays["time"][row] = self.times[index]
            if not self.of_fields:  # there is nothing to draw observations from
                continue
            drawn = arrays["reference"][row], arrays["background"][row], arrays["time"][row]
            if self.off_grid:
                table, arrays["observations"][row] = self.off_grid.observe(*drawn, self.redraw)
                arrays["observation_index"][row] = self.off_grid.cells
                reports.append(table)
            elif not self.stored:
                arrays["observation_index"][row], arrays["observations"][row] = self._drawn(*drawn)
        return Batch(
            channels=self.manifest.channels,
            grid=self.manifest.grid,
            time=arrays["time"],
            background=arrays["background"],
            observation_index=arrays["observation_index"],
            observation_values=arrays["observations"],
            observation_error_std=self.error_std,
            modalities={name: arrays[name] for name in self.modalities},
            background_modalities={n: arrays[equivalent_of(n)] for n in self.modalities},
            reference=arrays.get("reference"),
            background_members=arrays.get("background_members"),
            background_members_modalities={
                n: arrays[members_equivalent_of(n)] for n in self.modalities if self.members
            },
            reports=tuple(reports) if self.off_grid else None,
        )

    def _drawn(
        self, reference: np.ndarray, background: np.ndarray, time: np.datetime64
    ) -> tuple[np.ndarray, np.ndarray]:
        """Index and values of the observations at points, drawn from the reference."""
        settings, grid = self.settings, self.manifest.grid
        index, values = draw_observations(
            settings, grid, reference, self.drawn_std, time, self.redraw, self.manifest.channels
        )
        if settings.network == "blocks":
            values = Blocks(grid, settings.density).at_centres(values, background)
        return index, values
