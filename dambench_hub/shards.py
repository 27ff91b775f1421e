"""Examples to shard files and back, in Parquet, Arrow IPC and HDF5.

A shard holds whole examples, each with the columns of `features.py`. Arrow and HDF5 shards store
values as they lie in memory, so reading one is a view of the mapped file. Parquet shards are
compressed without loss (byte-stream-split, zstd), one example a row group.
`benchmarks/layout.py` measured these choices.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from dambench_hub.errors import DataError
from dambench_hub.features import from_arrow, to_record_batch

Example = Mapping[str, np.ndarray]
"""A value for each column; `time` as datetime64[h]."""

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of one example's value in each column."""


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
                digest.update(np.ascontiguousarray(_stored(name, example[name])).tobytes())
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
        "use_byte_stream_split": True,
        "write_page_checksum": True,
    }
    with pq.ParquetWriter(path, features.arrow_schema, **options) as writer:
        for example in examples:
            writer.write_batch(to_record_batch(example, features), row_group_size=1)


def _write_arrow(path: Path, examples: Iterable[Example], features: Features) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, features.arrow_schema) as writer:
        for example in examples:
            writer.write_batch(to_record_batch(example, features))


def _write_hdf5(path: Path, examples: Iterable[Example], count: int, features: Features) -> None:
    # Contiguous data sets have one offset each, so that readers can map them. Times of creation are
    # not recorded: equal values make equal bytes.
    with h5py.File(path, "w", libver="v110", track_order=True) as file:
        for row, example in enumerate(examples):
            for name in features:
                value = np.asarray(_stored(name, example[name]))
                stored = file.get(name) or file.create_dataset(
                    name, (count, *value.shape), value.dtype, track_times=False
                )
                stored[row] = value


def _stored(name: str, value: np.ndarray) -> np.ndarray:
    """A value as it is stored: times as milliseconds since 1970, the rest as it is."""
    if name == "time":
        return np.asarray(value, "datetime64[ms]").astype("<i8")
    return value


class ShardReader(ABC):
    """Random access to the examples of one shard.

    Raises:
        DataError: When the file cannot be opened or read; the message names it.
    """

    def __init__(self, path: Path, shapes: Shapes) -> None:
        self.path = path
        self.shapes = shapes
        try:
            self._open()
        except (OSError, pa.ArrowException, KeyError) as error:
            raise self._damaged(error) from error

    def read(self, row: int, columns: Iterable[str]) -> dict[str, np.ndarray]:
        """Values of one example, views of the file where its format allows.

        Args:
            row: 0 … number of examples − 1.
            columns: Their names.
        """
        try:
            return self._read(row, list(columns))
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise self._damaged(error) from error

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _read(self, row: int, columns: list[str]) -> dict[str, np.ndarray]: ...

    def _damaged(self, error: Exception) -> DataError:
        return DataError(
            f"The shard {self.path} cannot be read ({error}). It is damaged: fetch it again, or "
            "delete it and its manifest.json and run the build again."
        )


class ParquetReader(ShardReader):
    """One row group is one example, decoded on each read; page checksums are verified."""

    def _open(self) -> None:
        self._file = pq.ParquetFile(self.path, memory_map=True, page_checksum_verification=True)

    def _read(self, row: int, columns: list[str]) -> dict[str, np.ndarray]:
        table = self._file.read_row_group(row, columns=columns, use_threads=False)
        return {
            name: from_arrow(table[name].combine_chunks(), self.shapes[name]) for name in columns
        }


class ArrowReader(ShardReader):
    """One record batch is one example, a view of the mapped file."""

    def _open(self) -> None:
        self._file = pa.ipc.open_file(pa.memory_map(str(self.path)))

    def _read(self, row: int, columns: list[str]) -> dict[str, np.ndarray]:
        batch = self._file.get_batch(row)
        return {name: from_arrow(batch[name], self.shapes[name]) for name in columns}


class Hdf5Reader(ShardReader):
    """HDF5 tells where each contiguous data set lies; the values are views of the mapped file."""

    def _open(self) -> None:
        with h5py.File(self.path, "r") as file:
            self._columns = {
                name: np.memmap(
                    self.path, stored.dtype, "r", stored.id.get_offset(), (len(stored), *shape)
                )
                for name, shape in self.shapes.items()
                if (stored := file[name]) is not None
            }

    def _read(self, row: int, columns: list[str]) -> dict[str, np.ndarray]:
        return {
            name: (
                self._columns[name][row].astype("datetime64[ms]").astype("datetime64[h]")
                if name == "time"
                else np.asarray(self._columns[name][row])
            )
            for name in columns
        }


READERS: Mapping[str, type[ShardReader]] = {
    "parquet": ParquetReader,
    "arrow": ArrowReader,
    "hdf5": Hdf5Reader,
}
