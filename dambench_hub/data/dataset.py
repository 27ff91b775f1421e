"""A data set on disk, as random samples, batches, and xarray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import equivalent_of
from dambench_hub.data.batch import Batch
from dambench_hub.data.geography import read_elevation
from dambench_hub.data.loader import Loader
from dambench_hub.data.off_grid_observations import OffGridObservations
from dambench_hub.data.stored_examples import StoredExamples
from dambench_hub.data.stored_reports import StoredReports
from dambench_hub.errors import DataError, TaskError
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.table import ObservationTable
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.prefetching import prefetched
from dambench_hub.storage.features import column_shapes, ensemble_shapes
from dambench_hub.storage.manifest import ENSEMBLE, STATISTICS, Manifest
from dambench_hub.storage.statistics import Statistics
from dambench_hub.tasks.task import Task, load_task

if TYPE_CHECKING:
    import xarray as xr


def load_data(path: str | Path, *, revision: str | None = None, full: bool = False) -> Data:
    """Open a data set.

    Args:
        path: A data set folder, or the id of a Hub data set, `ORG/NAME`, which is downloaded to
            the Hub's cache first.
        revision: Commit or tag of a Hub data set.
        full: Compare every byte with the manifest, not only the sizes of the files.

    Raises:
        DataError: When there is no data set, or it is incomplete, damaged or unreadable; the
            message names the file.
    """
    folder = local_path(path)
    if not folder.exists() and len(folder.parts) == 2 and not folder.is_absolute():
        folder = _download(str(path), revision)
    manifest = Manifest.read(folder)
    if damage := manifest.damage(folder, full):
        more = f" ({len(damage) - 1} more files are damaged.)" if len(damage) > 1 else ""
        raise DataError(f"{damage[0]}{more} Fetch the data set again, or build it again.")
    return Data(folder, manifest, Statistics.read(folder / STATISTICS, len(manifest.channels)))


def _download(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, repo_type="dataset", revision=revision))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise DataError(
            f"{repository} is neither a folder here nor a data set that the Hub gives ({error})."
        ) from error


class Data:
    """A data set: random access to its samples, and iteration over them in batches.

    Attributes:
        folder: Where it lies.
        manifest: What it is.
        statistics: Scales of the channels.
    """

    def __init__(self, folder: Path, manifest: Manifest, statistics: Statistics) -> None:
        self.folder = folder
        self.manifest = manifest
        self.statistics = statistics
        points = manifest.observations.points(manifest.grid)
        self.shapes = column_shapes(
            len(manifest.channels),
            manifest.grid,
            points,
            manifest.modalities,
            manifest.reference_is_reports,
        )
        members = ensemble_shapes(
            len(manifest.channels), manifest.grid, manifest.ensemble_size, manifest.modalities
        )
        self._members = StoredExamples(
            folder, manifest.format, manifest.copies.get(ENSEMBLE, {}), members
        )
        self._reports = StoredReports(folder, manifest)
        absent = set(map(equivalent_of, manifest.modalities)) - set(manifest.equivalents)
        self._examples = StoredExamples(
            folder, manifest.format, manifest.splits, self.shapes, absent
        )

    def __repr__(self) -> str:
        splits = ", ".join(f"{split} {size}" for split, size in self._examples.sizes.items())
        return f"Data({self.manifest.name}, revision {self.revision}, {splits})"

    def __getstate__(self) -> dict[str, Any]:
        """Open files stay behind when a worker process gets a copy."""
        return {"args": (self.folder, self.manifest, self.statistics)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["args"])  # type: ignore[misc]

    @property
    def revision(self) -> str:
        """The revision of what is scored, which predictions name and boards compare.

        Training examples that were added to a canonical world do not change it; what depends on
        these goes by `manifest.revision`.
        """
        return self.manifest.evaluation_revision

    @property
    def channels(self) -> tuple[str, ...]:
        """Channel names in order, (C,)."""
        return self.manifest.channels

    @property
    def grid(self) -> Grid:
        """The Y×X grid."""
        return self.manifest.grid

    @cached_property
    def elevation(self) -> np.ndarray | None:
        """Of the model's ground above sea level, m, (Y, X); None if the data set does not say."""
        return read_elevation(self.folder, self.grid) if self.manifest.geography else None

    def times(self, split: str) -> np.ndarray:
        """Valid times of a split, datetime64[h], (N,), ascending."""
        return self.manifest.times(split)

    def size(self, split: str) -> int:
        """Number of samples in a split."""
        self.manifest.shards(split)  # names the splits if there is no such one
        return self._examples.sizes[split]

    def example(
        self, split: str, index: int, columns: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """One example as it is stored.

        Args:
            split: `train`, `validation` or `test`.
            index: 0 … size − 1; negative counts from the end.
            columns: Which of them; None for all.

        Returns:
            Read-only views of the mapped shard for Arrow and HDF5, decoded arrays for Parquet.
            The background's equivalents of the modalities are NaN where the data set is of a format
            version before 3.

        Raises:
            IndexError: When there is no such example.
            DataError: When there is no such column, or the shard cannot be read; the message names
                it.
        """
        self.manifest.shards(split)  # names the splits if there is no such one
        return self._examples.read(split, index, columns)

    def fill(self, split: str, index: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy columns of one example into the given C-contiguous arrays.

        Raises:
            IndexError: When there is no such example.
            DataError: When the shard cannot be read; the message names it.
        """
        self.manifest.shards(split)  # names the splits if there is no such one
        self._examples.fill(split, index, arrays)

    def members(
        self, split: str, index: int, columns: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """The members of the background's ensemble in one example.

        Args:
            split: One of `manifest.ensemble_splits`.
            index: 0 … size − 1, as of `example`; negative counts from the end.
            columns: Which of them; None for all.

        Returns:
            `time`; `background_members`, (M, C, Y, X), float32; and their equivalents of the
            modalities, `background_members_precipitation` and `background_members_olr`, (M, Y, X),
            NaN where there are none. Perhaps read-only.

        Raises:
            IndexError: When there is no such example.
            DataError: When the split has no ensemble, there is no such column, or the shard cannot
                be read.
        """
        self.manifest.shards(split)  # names the splits if there is no such one
        if split not in self._members.sizes:
            having = " and ".join(self._members.sizes) or "no split"
            raise DataError(
                f"The split {split} of {self.manifest.name} has no ensemble; {having} has one."
            )
        return self._members.read(split, index, columns)

    def background(self, split: str, index: int) -> np.ndarray:
        """x^b of one example, (C, Y, X), float32, perhaps read-only."""
        return self.example(split, index, ["background"])["background"]

    def reference(self, split: str, index: int) -> np.ndarray:
        """The reference of one example, (C, Y, X), float32, perhaps read-only.

        Raises:
            DataError: When the reference is reports.
        """
        if self.manifest.reference_is_reports:
            raise DataError(
                f"{self.manifest.name} has no reference fields: analyses are scored against what "
                "Data.reports gives with withheld=True."
            )
        return self.example(split, index, ["reference"])["reference"]

    def reports(self, split: str, index: int, *, withheld: bool = False) -> ObservationTable:
        """Observations of one analysis: good ones, in the window of its valid time.

        Args:
            split: A split that has tables of observations.
            index: 0 … size − 1, as of `example`; negative counts from the end.
            withheld: Those that are kept for scoring, in place of those that are assimilated.

        Returns:
            A table of R rows, perhaps none, ascending in time.

        Raises:
            IndexError: When there is no such example.
            DataError: When the data set or the split has no tables, or a file cannot be read; the
                message names it.
        """
        self.manifest.shards(split)  # names the splits if there is no such one
        return self._reports.read(split, index, withheld)

    def observation_error_std(self, settings: ObservationSettings) -> np.ndarray:
        """R½, standard deviation of the observation error for these settings, float64, (C,).

        Of stations off the grid it is that of their means on the grid; rows of tables have theirs.
        """
        if settings.network == "off_grid":
            measured = OffGridObservations(self.manifest, self.statistics, self._examples, settings)
            return measured.error_std_on_grid
        return settings.observation_error_std(
            self.statistics.background_error_std, self.channels, self.grid
        )

    def batches(
        self,
        task: Task | str = "multimodal",
        split: str | None = None,
        batch_size: int = 1,
        *,
        indices: Sequence[int] | np.ndarray | None = None,
        redraw: int | None = None,
        buffers: int | None = None,
        ensemble: bool = False,
    ) -> Iterator[Batch]:
        """Samples of a task, in batches; the last one may be smaller.

        Observations are those stored when the task asks for them, else drawn from the reference
        with the same keyed generator.

        Args:
            task: Its name, or a `Task`.
            split: None for the task's split, thinned by its stride.
            batch_size: B.
            indices: Which samples, in which order (see `sampling.sample_order`); None for all.
            redraw: Draw other observations, keyed by this number (an epoch).
            buffers: None gives every batch arrays of its own. A number reuses that many batches'
                memory in turn, which is faster; from 2 on, a thread fills the next while you work.
                A batch is then valid until the next one is asked for.
            ensemble: Give the members of the background's ensemble, too, in splits that have one;
                they are M times as much to read.

        Raises:
            TaskError: When the task does not fit the data set.
            DataError: When a shard cannot be read.
        """
        task = load_task(task)
        wanted = split or task.split
        members = self._members if ensemble and wanted in self._members.sizes else None
        loader = Loader(
            self.manifest, self.statistics, self._examples, members, task, wanted, redraw
        )

        def load(part: Sequence[int] | np.ndarray, arrays: dict[str, np.ndarray]) -> Batch:
            batch = loader.load(part, arrays)
            if batch.reports is not None:
                return batch  # its stations know no ground: they stand in the model's atmosphere
            batch = self._reports.added(batch, wanted, part)
            return batch if batch.reports is None else replace(batch, elevation=self.elevation)

        if indices is None:
            stride = task.stride if split in (None, task.split) else 1
            indices = np.arange(0, self.size(loader.split), stride)
        if batch_size < 1:
            raise TaskError(f"batch_size is at least 1, got {batch_size}.")
        parts = [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
        if buffers is not None and buffers < 1:
            raise TaskError(f"buffers is None, or at least 1, got {buffers}.")
        if buffers is None:
            return (load(part, loader.empty(len(part))) for part in parts)
        ring = [loader.empty(min(batch_size, len(indices))) for _ in range(buffers)]
        loaded = (load(part, ring[i % len(ring)]) for i, part in enumerate(parts))
        return loaded if buffers < 2 else prefetched(loaded, buffers - 1)

    def to_xarray(self, split: str, *, ensemble: bool = False) -> xr.Dataset:
        """A split as a lazy xarray data set with CF names and units; reads only what is used.

        Args:
            split: `train`, `validation` or `test`.
            ensemble: Also the members of the background's ensemble, (time, member, channel,
                latitude, longitude), and their equivalents, in splits that have one.

        Returns:
            `background` and `reference` (time, channel, latitude, longitude), the modalities and
            the background's equivalents (time, latitude, longitude), and the stored observations
            (time, channel, point) with their `observation_index` (time, point).
        """
        from dambench_hub.data.xarray_view import lazy_dataset

        examples = lazy_dataset(self.manifest, split, self.shapes, partial(self.example, split))
        if not ensemble or split not in self._members.sizes:
            return examples
        read = partial(self.members, split)
        members = lazy_dataset(self.manifest, split, self._members.shapes, read)
        return examples.assign(members.data_vars)
