"""Examples to shard files and back, in Parquet, Arrow IPC and HDF5.

A shard holds whole examples, each with the columns of `features.py`. Arrow and HDF5 shards store
values as they lie in memory, so reading one is a view of the mapped file. Parquet shards are
compressed without loss (byte-stream-split, zstd), one example a row group, with the page index that
the Hub's viewer looks for.
`benchmarks/layout.py` measured these choices.
"""

from __future__ import annotations

import hashlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from threading import Lock

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Value

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import DataError
from dambench_hub.storage.features import from_arrow, to_record_batch

Example = Mapping[str, np.ndarray]
"""A value for each column; `time` as datetime64[h]."""

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of one example's value in each column."""

TIME_UNITS = "hours since 1970-01-01 00:00:00"
"""What HDF5 shards say of `time`; those of format version 1, in milliseconds, say nothing."""


def write_shard(
    path: Path, examples: Iterable[Example], count: int, features: Features, format: str
) -> str:
    """Write one shard, one example in memory at a time.

    Args:
        path: The file, which appears at once; callers give a temporary name.
        examples: In the order of the file.
        count: How many there are.
        features: Its columns, from `example_features`.
        format: `parquet`, `arrow` or `hdf5`.

    Returns:
        Hash of the values, which depends neither on the format nor on its version.
    """
    digest = hashlib.sha256()

    def hashed() -> Iterable[Example]:
        for example in examples:
            for name in features:
                digest.update(name.encode())
                digest.update(_hashed_bytes(name, example[name]))
            yield example

    if format == "hdf5":
        _write_hdf5(path, hashed(), count, features)
    else:
        {"parquet": _write_parquet, "arrow": _write_arrow}[format](path, hashed(), features)
    return digest.hexdigest()


def _write_parquet(path: Path, examples: Iterable[Example], features: Features) -> None:
    options = {
        "compression": "zstd",
        "use_dictionary": False,
        "use_byte_stream_split": Value("string") not in features.values(),  # numbers only
        "write_page_checksum": True,
        "write_page_index": True,
    }
    with pq.ParquetWriter(path, features.arrow_schema, **options) as writer:
        for example in examples:
            writer.write_batch(to_record_batch(example, features), row_group_size=1)


def _write_arrow(path: Path, examples: Iterable[Example], features: Features) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, features.arrow_schema) as writer:
        for example in examples:
            writer.write_batch(to_record_batch(example, features))


def _write_hdf5(path: Path, examples: Iterable[Example], count: int, features: Features) -> None:
    # HDF5 makes the layout only: contiguous, so that readers can map it, and without times of
    # creation, so that equal values make equal bytes. Values are written by ourselves, because
    # HDF5 does not survive a disk that fills up: it crashes the process at its end.
    examples = iter(examples)
    first = next(examples)
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    layout.set_obj_track_times(False)
    starts = {}
    with h5py.File(path, "w", libver="v110", track_order=True) as file:
        for name in features:
            value = np.asarray(_stored(name, first[name]))
            stored = file.create_dataset(name, (count, *value.shape), value.dtype, dcpl=layout)
            if name == "time":
                stored.attrs["units"] = TIME_UNITS
            starts[name] = stored.id.get_offset()
    with path.open("r+b") as plain:
        for row, example in enumerate(chain([first], examples)):
            for name, start in starts.items():
                value = np.ascontiguousarray(_stored(name, example[name]))
                plain.seek(start + row * value.nbytes)
                plain.write(value.data)


def _stored_type(name: str) -> np.dtype:
    """Type of a column's values in the file."""
    return np.dtype({"time": "<i8", "observation_index": "<i4"}.get(name, "<f4"))


def _stored(name: str, value: np.ndarray) -> np.ndarray:
    """A value as it is stored: times as hours since 1970-01-01 00 UTC, the rest as it is."""
    return hours_since_epoch(value).astype("<i8") if name == "time" else value


def _hashed_bytes(name: str, value: np.ndarray) -> bytes:
    """What the content hash is of: times count in milliseconds, as format version 1 stored them.

    So a data set without modalities keeps its content hashes when it is converted from that
    version; with them it gets columns that it did not have.
    """
    exact = np.asarray(value, "datetime64[ms]").astype("<i8") if name == "time" else value
    return np.ascontiguousarray(exact).tobytes()


class ShardReader(ABC):
    """Random access to the examples of one shard.

    Raises:
        DataError: When the file cannot be opened or read; the message names it.
    """

    def __init__(self, path: Path, shapes: Shapes) -> None:
        self.path = path
        self.shapes = shapes
        with self._named():
            self._open()

    def read(self, row: int, columns: Iterable[str]) -> dict[str, np.ndarray]:
        """Values of one example, read-only views of the file where its format allows.

        Args:
            row: 0 … number of examples − 1.
            columns: Their names.
        """
        with self._named():
            return self._read(row, list(columns))

    def fill(self, row: int, arrays: Example) -> None:
        """Copy values of one example into the given contiguous arrays, by column."""
        with self._named():
            for name, value in self._read(row, list(arrays)).items():
                np.copyto(arrays[name], value)

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _read(self, row: int, columns: list[str]) -> dict[str, np.ndarray]: ...

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn what a damaged file causes into an error that names it."""
        try:
            yield
        except (OSError, pa.ArrowException, LookupError, ValueError, AttributeError) as error:
            raise DataError(
                f"The shard {self.path} cannot be read ({error}). It is damaged: fetch it again, "
                "or run its build again."
            ) from error


class ParquetReader(ShardReader):
    """One row group is one example, decoded on each read; page checksums are verified."""

    def _open(self) -> None:
        self._file = pq.ParquetFile(self.path, memory_map=True, page_checksum_verification=True)
        self._lock = Lock()

    def _read(self, row: int, columns: list[str]) -> dict[str, np.ndarray]:
        with self._lock:  # a ParquetFile serves one thread at a time
            table = self._file.read_row_group(row, columns=columns, use_threads=False)
        values = {
            name: from_arrow(table[name].combine_chunks(), self.shapes[name]) for name in columns
        }
        for name, value in values.items():
            if value.dtype != ("datetime64[h]" if name == "time" else _stored_type(name)):
                raise ValueError(f"{name} has type {value.dtype}")
        return values


class PlainReader(ShardReader):
    """Values that lie in the file as in memory: reading is a view, filling a plain read.

    `_time_type` says in which unit the file counts `time`.
    """

    _time_type = "datetime64[h]"

    def _open(self) -> None:
        self._bytes = np.memmap(self.path, np.uint8, "r")
        self._file = self.path.open("rb", buffering=0)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def _read(self, row: int, columns: list[str]) -> dict[str, np.ndarray]:
        return {name: self._view(row, name) for name in columns}

    def fill(self, row: int, arrays: Example) -> None:
        """Copy values of one example into the given contiguous arrays, by column.

        `preadv` into a buffer that is used again is a little faster than a copy from the mapping,
        which has to walk the page table.
        """
        with self._named():
            for name, array in arrays.items():
                start, left = self._start(row, name), array.data.cast("B")
                while left:
                    got = os.preadv(self._file.fileno(), [left], start)
                    if not got:
                        raise OSError("it ends too early")
                    start, left = start + got, left[got:]

    def _view(self, row: int, name: str) -> np.ndarray:
        shape, dtype = self.shapes[name], _stored_type(name)
        start = self._start(row, name)
        stop = start + dtype.itemsize * math.prod(shape)
        value = self._bytes[start:stop].view(np.ndarray).view(dtype).reshape(shape)
        if name == "time":
            return value.view(self._time_type).astype("datetime64[h]")
        return value

    def _start(self, row: int, name: str) -> int:
        """Where in the file the value lies, all of it inside."""
        dtype = _stored_type(name)
        start = self._offset(row, name)
        if not 0 <= start <= len(self._bytes) - dtype.itemsize * math.prod(self.shapes[name]):
            raise ValueError(f"{name} does not lie inside the file")
        return start

    @abstractmethod
    def _offset(self, row: int, name: str) -> int:
        """Where the value lies, as the file says."""


class ArrowReader(PlainReader):
    """One record batch is one example."""

    def _open(self) -> None:
        super()._open()
        mapped = pa.memory_map(str(self.path))
        self._base = mapped.read_buffer(1).address
        self._batches = pa.ipc.open_file(mapped)
        self._offsets: dict[int, dict[str, int]] = {}

    def _offset(self, row: int, name: str) -> int:
        if row not in self._offsets:
            batch = self._batches.get_batch(row)
            self._offsets[row] = {
                column: self._address(batch, column) - self._base for column in self.shapes
            }
        return self._offsets[row][name]

    def _address(self, batch: pa.RecordBatch, name: str) -> int:
        column = batch[name]
        values = column.storage if isinstance(column, pa.ExtensionArray) else column
        while pa.types.is_nested(values.type):
            values = values.values
        wanted = {"time": pa.int64(), "observation_index": pa.int32()}
        if name == "time" and values.type == pa.timestamp("ms", "UTC"):
            self._time_type = "datetime64[ms]"
        elif values.type != wanted.get(name, pa.float32()):
            raise ValueError(f"{name} has type {values.type}")
        if len(values) != math.prod(self.shapes[name]):
            raise ValueError(f"{name} has {len(values)} values")
        return values.buffers()[1].address


class Hdf5Reader(PlainReader):
    """HDF5 tells where each contiguous data set lies."""

    def _open(self) -> None:
        super()._open()
        with h5py.File(self.path, "r") as file:
            self._starts = {name: self._first(file[name], name) for name in self.shapes}
            self._rows = len(file["time"])
            self._time_type = _time_type(file["time"].attrs.get("units"))

    def _first(self, column: h5py.Dataset, name: str) -> int:
        dtype, start = _stored_type(name), column.id.get_offset()
        if column.dtype != dtype or column.shape[1:] != self.shapes[name] or start is None:
            raise ValueError(f"{name} is not stored as contiguous {dtype} {self.shapes[name]}")
        return start

    def _offset(self, row: int, name: str) -> int:
        if row >= self._rows:
            raise IndexError(f"it has {self._rows} examples, there is no number {row}")
        size = _stored_type(name).itemsize * math.prod(self.shapes[name])
        return self._starts[name] + row * size


def _time_type(units: str | None) -> str:
    """The type of times in these units."""
    if units not in (None, TIME_UNITS):
        raise ValueError(f"time is in {units!r}")
    return "datetime64[h]" if units else "datetime64[ms]"


READERS: Mapping[str, type[ShardReader]] = {
    "parquet": ParquetReader,
    "arrow": ArrowReader,
    "hdf5": Hdf5Reader,
}
