"""Observations of stations between the grid points of a data set: tables, and means on the grid.

R is measured where the truth is known, on training days: what observations differ by from H x of
the reference. It holds the instruments' errors and what a bilinear H misses between grid points,
which depends on the grid and on how smooth a channel is: with an instrument's error of 0.25 it is
0.56 of the background's error on `mini`, the median of the channels. Means on the grid have an R of
their own, there 0.63.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dambench_hub.data.stored_examples import StoredExamples
from dambench_hub.observations.networks import ObservationSettings
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.superobservations import superobservations
from dambench_hub.observations.table import ObservationTable
from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.statistics import Statistics

TRAINING_DAYS = 12
"""On which R is measured, spread evenly over the split."""

LEAST_ERROR = 1e-6
"""Of instruments, as a share of the background's error: tables have no rows without error."""


_MEASURED: dict[tuple[Path, str, ObservationSettings], tuple[np.ndarray, np.ndarray]] = {}
"""R½ by data set and settings: on large grids it takes seconds, and each epoch asks for it."""


class OffGridObservations:
    """What an off-grid network sees of the states of a data set.

    Args:
        manifest: Of the data set.
        statistics: Of the data set.
        examples: Of the data set.
        settings: Of a network `off_grid`.

    Attributes:
        cells: Grid points whose cells have a station, int32, (P',); the same at all times.
        error_std: R½ of the table's rows, by channel, (C,).
        error_std_on_grid: R½ of the means on the grid, (C,).

    Raises:
        TaskError: When the data set has no training split.
        DataError: When one of its shards cannot be read.
    """

    def __init__(
        self,
        manifest: Manifest,
        statistics: Statistics,
        examples: StoredExamples,
        settings: ObservationSettings,
    ) -> None:
        self.channels, self.grid = manifest.channels, manifest.grid
        self.network = settings.stations(self.grid)
        self.cells = self.network.cells(self.grid)
        scale = statistics.background_error_std
        instruments = settings.instrument_error_std(scale, self.channels)
        self.instrument_error_std = np.maximum(instruments, LEAST_ERROR * scale)
        key = (examples.folder, manifest.revision, settings)
        if key not in _MEASURED:
            _MEASURED[key] = self._measured(manifest, examples)
        self.error_std, self.error_std_on_grid = _MEASURED[key]

    def observe(
        self,
        reference: np.ndarray,
        background: np.ndarray,
        valid_time: np.datetime64,
        redraw: int | None = None,
    ) -> tuple[ObservationTable, np.ndarray]:
        """What is seen of one state.

        Args:
            reference: (C, Y, X).
            background: That the means are put on, (C, Y, X).
            valid_time: When all is observed; with the network's seed the key of the errors.
            redraw: Further key from 0 on, for other errors at the same time (an epoch).

        Returns:
            The table, R in its `error_std`, and its superobservations at the cells, float32,
            (C, P').
        """
        table = self._drawn(reference, valid_time, redraw)
        R = np.tile(self.error_std, self.network.points)
        return table.replace(error_std=R), self._on_grid(self._operator(table), background)

    def _measured(
        self, manifest: Manifest, examples: StoredExamples
    ) -> tuple[np.ndarray, np.ndarray]:
        """Root mean square errors of y as H x, and of the superobservations as x, (C,) each."""
        times = manifest.times("train")
        days = np.unique(np.linspace(0, len(times) - 1, TRAINING_DAYS).round().astype(int))
        squares = np.zeros((2, len(self.channels)))
        for day in map(int, days):
            fields = examples.read("train", day, ["reference", "background"])
            reference = fields["reference"]
            H = self._operator(self._drawn(reference, times[day], None))
            departure = H.table.value - H(reference.astype(np.float64))
            at_cells = reference.reshape(len(reference), -1)[:, self.cells]
            error = self._on_grid(H, fields["background"]).astype(np.float64) - at_cells
            squares[0] += np.mean(departure.reshape(self.network.points, -1) ** 2, axis=0)
            squares[1] += np.mean(error**2, axis=1)
        of_rows, of_means = np.sqrt(squares / len(days))
        for shared in of_rows, of_means:
            shared.setflags(write=False)
        return of_rows, of_means

    def _drawn(
        self, reference: np.ndarray, valid_time: np.datetime64, redraw: int | None
    ) -> ObservationTable:
        std = self.instrument_error_std
        return self.network.observe(reference, self.channels, self.grid, std, valid_time, redraw)

    def _operator(self, table: ObservationTable) -> PointInterpolation:
        return PointInterpolation(self.channels, self.grid, table)

    def _on_grid(self, H: PointInterpolation, background: np.ndarray) -> np.ndarray:
        values = superobservations(H, background).values
        return values.reshape(len(values), -1)[:, self.cells]
