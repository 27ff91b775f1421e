"""Tables of observations as Parquet files: written in order of time, read by time.

The statistics of each row group say which times it holds, so the observations of an analysis are
read without the others. Names are stored as plain text, which every reader of Parquet knows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dambench_hub.errors import DataError
from dambench_hub.observations.table import SCHEMA, ObservationTable, concatenate
from dambench_hub.observations.window import Window
from dambench_hub.runtime.files import atomic_path, sha256
from dambench_hub.storage.reports import REPORTS, ReportShard

ROWS_PER_GROUP = 100_000
ROWS_PER_SHARD = 4_000_000

_TIME = SCHEMA.get_field_index("time")
_NAMES = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
STORED_SCHEMA = pa.schema(
    [(field.name, pa.string() if field.name in _NAMES else field.type) for field in SCHEMA]
)
"""Columns and types in the files."""


def write_report_shards(
    folder: Path,
    split: str,
    table: ObservationTable,
    rows_per_shard: int = ROWS_PER_SHARD,
    rows_per_group: int = ROWS_PER_GROUP,
) -> tuple[ReportShard, ...]:
    """Write the observations of a split as the files of `REPORTS`; one, if there are no rows.

    Args:
        folder: The data set.
        split: Names the files.
        table: All of them.
        rows_per_shard: At most so many rows in a file.
        rows_per_group: At most so many rows are read together.

    Raises:
        DambenchError: When the disk is full or the folder cannot be written.
    """
    count = max(1, -(-len(table) // rows_per_shard))
    bounds = [len(table) * shard // count for shard in range(count + 1)]
    return tuple(
        _write(
            folder,
            f"{REPORTS}/{split}-{shard:05d}-of-{count:05d}.parquet",
            table.arrow.slice(bounds[shard], bounds[shard + 1] - bounds[shard]),
            rows_per_group,
        )
        for shard in range(count)
    )


def _write(folder: Path, path: str, rows: pa.Table, rows_per_group: int) -> ReportShard:
    with atomic_path(folder / path) as partial:
        pq.write_table(
            rows,
            partial,
            row_group_size=rows_per_group,
            compression="zstd",
            write_page_checksum=True,
            write_page_index=True,
            # Readers would make dictionaries of the names, which `datasets` does not know.
            store_schema=False,
        )
        size, digest = partial.stat().st_size, sha256(partial)
    time = rows.column("time").cast(pa.int64()).to_numpy().view("datetime64[ms]")
    first, last = map(str, time[[0, -1]]) if len(time) else (None, None)
    return ReportShard(path, rows.num_rows, first, last, size, digest)


class ReportReader:
    """The observations of a split, by time.

    Args:
        folder: The data set.
        shards: Of one split, in the order of time.
    """

    def __init__(self, folder: Path, shards: Sequence[ReportShard]) -> None:
        self._shards = [shard for shard in shards if shard.rows]
        self._files = [_ReportFile(folder / shard.path, shard.rows) for shard in self._shards]

    def window(self, valid_time: np.datetime64, window: Window) -> ObservationTable:
        """The observations that belong to the analysis at `valid_time`; perhaps none.

        Raises:
            DataError: When a file that may have some cannot be read.
        """
        start, end = window.bounds(valid_time)
        tables = [
            file.between(start, end)
            for shard, file in zip(self._shards, self._files, strict=True)
            if np.datetime64(shard.last) > start and np.datetime64(shard.first) <= end
        ]
        whole = tables[0] if len(tables) == 1 else concatenate(tables)
        return whole.window(valid_time, window)

    def table(self) -> ObservationTable:
        """All of them.

        Raises:
            DataError: When a file cannot be read.
        """
        return concatenate([file.table() for file in self._files])


class _ReportFile:
    """One Parquet file of observations, opened when it is first read."""

    def __init__(self, path: Path, rows: int) -> None:
        self.path, self.rows = path, rows
        self._lock = Lock()  # a ParquetFile serves one thread at a time

    def between(self, start: np.datetime64, end: np.datetime64) -> ObservationTable:
        """The row groups that may have rows after the first time and up to the second."""
        with self._lock, self._named():
            firsts, lasts = self._times
            groups = range(
                bisect_right(lasts, int(start.astype(np.int64))),
                bisect_right(firsts, int(end.astype(np.int64))),
            )
            return ObservationTable(self._file.read_row_groups(list(groups), use_threads=False))

    def table(self) -> ObservationTable:
        """All rows."""
        with self._lock, self._named():
            return ObservationTable(self._file.read(use_threads=False))

    @cached_property
    def _file(self) -> pq.ParquetFile:
        file = pq.ParquetFile(
            self.path,
            memory_map=True,
            page_checksum_verification=True,
            read_dictionary=_NAMES,
        )
        wanted, found = _columns(STORED_SCHEMA), _columns(file.schema_arrow)
        if other := sorted(wanted.items() - found.items()):
            name, kind = other[0]
            raise DataError(f"its column {name} is {found.get(name, 'absent')}, wanted {kind}")
        if file.metadata.num_rows != self.rows:
            raise DataError(f"it has {file.metadata.num_rows} rows, the manifest says {self.rows}")
        return file

    @cached_property
    def _times(self) -> tuple[list[int], list[int]]:
        """The first and the last time of each row group, ms since 1970-01-01 UTC."""
        metadata = self._file.metadata
        of_groups = [
            metadata.row_group(group).column(_TIME).statistics
            for group in range(metadata.num_row_groups)
        ]
        if any(known is None or not known.has_min_max for known in of_groups):
            raise DataError("it does not say which times its row groups have")
        firsts, lasts = ([getattr(s, end) for s in of_groups] for end in ("min_raw", "max_raw"))
        if firsts != sorted(firsts) or lasts != sorted(lasts):
            raise DataError("its times do not ascend")
        return firsts, lasts

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn what a damaged file causes into an error that names it."""
        try:
            yield
        except (OSError, pa.ArrowException, DataError) as error:
            raise DataError(
                f"The observations in {self.path} cannot be read ({error}). The file is damaged or "
                "another one: fetch it again, or run its build again."
            ) from error


def _columns(schema: pa.Schema) -> Mapping[str, Any]:
    """Types by name; a name is text, as a dictionary or not."""
    return {
        field.name: field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        for field in schema
    }
