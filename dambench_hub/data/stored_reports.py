"""The observations of an analysis, from the tables of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable
from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.report_shards import ReportReader


class StoredReports:
    """Good observations by analysis; files are opened when they are first read.

    Args:
        folder: The data set.
        manifest: Of the data set, which may have none.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        splits = manifest.reports.splits if manifest.reports else {}
        self._readers = {split: ReportReader(folder, shards) for split, shards in splits.items()}
        self._times = {split: manifest.times(split) for split in splits}

    def read(self, split: str, index: int, withheld: bool) -> ObservationTable:
        """See `Data.reports`."""
        if not (reports := self.manifest.reports):
            raise DataError(f"The data set {self.manifest.name} has no tables of observations.")
        if split not in self._readers:
            having = " and ".join(self._readers)
            raise DataError(
                f"The split {split} of {self.manifest.name} has no tables of observations; "
                f"{having} has some."
            )
        times = self._times[split]
        if not -len(times) <= index < len(times):
            raise IndexError(f"{split} has {len(times)} examples, there is no number {index}.")
        table = self._readers[split].window(times[index], reports.window)
        return table.where((table.quality == Quality.GOOD) & (table.withheld == withheld))

    def added(self, batch: Batch, split: str, indices: Sequence[int] | np.ndarray) -> Batch:
        """The batch with what its samples may assimilate; as it is in a split without reports."""
        if split not in self._readers:
            return batch
        return replace(
            batch, reports=tuple(self.read(split, int(index), False) for index in indices)
        )
