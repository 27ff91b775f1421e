"""Which physical layout of the arrays is smallest and quickest to write and read.

    python benchmarks/layout.py --data dambench [--examples 16]

Takes the first training examples of a data set and stores their background and reference as Parquet
(nested lists or fixed-size lists, several codecs and row groups), Arrow and HDF5, and with rounded
mantissas. Reading brings all columns of one example at a time; one thread.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from dambench_hub.data import load_data
from dambench_hub.storage.features import example_features, to_record_batch
from dambench_hub.storage.shards import READERS, write_shard

COLUMNS = ("time", "background", "reference")
PLAIN = {"use_dictionary": False}
SPLIT = PLAIN | {"use_byte_stream_split": True}
PARQUET = {
    "pyarrow's defaults (dictionary, snappy)": {},
    "no dictionary, no codec": PLAIN | {"compression": "none"},
    "no dictionary, zstd": PLAIN | {"compression": "zstd"},
    "byte-stream-split, lz4": SPLIT | {"compression": "lz4"},
    "byte-stream-split, zstd 1": SPLIT | {"compression": "zstd"},
    "byte-stream-split, zstd 9": SPLIT | {"compression": "zstd", "compression_level": 9},
}

Example = dict[str, np.ndarray]


def main() -> None:
    """Write and read every layout, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=Path("dambench"))
    parser.add_argument("--examples", type=int, default=16)
    args = parser.parse_args()
    data = load_data(args.data)
    count = min(args.examples, data.size("train"))
    examples = [
        {name: np.array(v) for name, v in data.example("train", i, COLUMNS).items()}
        for i in range(count)
    ]
    raw = sum(value.nbytes for value in examples[0].values())
    table = Table(title=f"{count} examples of {data.manifest.name}, {raw / 1e6:.2f} MB each")
    for name in ("layout", "bytes / raw", "x one field", "write ms", "read ms"):
        table.add_column(name, justify="left" if name == "layout" else "right")
    with tempfile.TemporaryDirectory() as folder:
        for name, write, read in layouts(examples, Path(folder)):
            start = time.perf_counter()
            path = write()
            written = time.perf_counter() - start
            seconds = min(timed(read, path) for _ in range(3))
            size = path.stat().st_size / count
            row = (size / raw, 2 * size / raw, 1e3 * written / count, 1e3 * seconds / count)
            table.add_row(name, *(f"{value:.2f}" for value in row))
    Console(width=100).print(table)


def layouts(
    examples: list[Example], folder: Path
) -> Iterator[tuple[str, Callable[[], Path], Callable[[Path], None]]]:
    """(name, write, read) of every layout."""
    shapes = {name: value.shape for name, value in examples[0].items()}
    features = example_features(shapes)
    nested = [to_record_batch(example, features) for example in examples]
    flat = [flat_lists(example) for example in examples]
    path = folder / "examples"
    for name, options in PARQUET.items():
        yield f"Parquet, nested, {name}", parquet(path, nested, options), read_parquet
    best = PARQUET["byte-stream-split, zstd 1"]
    yield (
        "Parquet, fixed-size lists, byte-stream-split, zstd 1",
        parquet(path, flat, best),
        read_parquet,
    )
    yield "the same, 4 examples a row group", parquet(path, nested, best, 4), read_parquet
    for bits in (12, 10, 7):
        rounded = [to_record_batch(keep_bits(e, bits), features) for e in examples]
        name = f"the default, mantissa rounded to {bits} bits"
        yield name, parquet(path, rounded, best), read_parquet
    for format in ("parquet", "arrow", "hdf5"):

        def write(format: str = format) -> Path:
            write_shard(path, examples, len(examples), features, format)
            return path

        def read(path: Path, format: str = format) -> None:
            reader = READERS[format](path, shapes)
            target = {name: np.empty(shapes[name], "f4") for name in COLUMNS[1:]}
            for row in range(len(examples)):
                reader.fill(row, target)

        yield f"ours, {format} (hashed as written, filled buffers)", write, read


def parquet(path: Path, batches: list[pa.RecordBatch], options: dict, rows: int = 1) -> Callable:
    """How to write these batches with these options."""

    def write() -> Path:
        with pq.ParquetWriter(path, batches[0].schema, **options) as writer:
            for start in range(0, len(batches), rows):
                writer.write_table(pa.Table.from_batches(batches[start : start + rows]), rows)
        return path

    return write


def read_parquet(path: Path) -> None:
    """Decode row group by row group."""
    file = pq.ParquetFile(path, memory_map=True)
    for group in range(file.num_row_groups):
        file.read_row_group(group, use_threads=False)


def flat_lists(example: Example) -> pa.RecordBatch:
    """One fixed-size list of all values for each column."""
    arrays = [
        pa.FixedSizeListArray.from_arrays(pa.array(value.reshape(-1)), value.size)
        for value in map(example.get, COLUMNS[1:])
    ]
    return pa.RecordBatch.from_arrays(arrays, names=COLUMNS[1:])


def keep_bits(example: Example, bits: int) -> Example:
    """Round float32 mantissas to `bits` of their 23 explicit bits, half to even."""
    drop = 23 - bits
    rounded = {"time": example["time"]}
    for name in COLUMNS[1:]:
        integer = example[name].view(np.uint32)
        half = np.uint32((1 << (drop - 1)) - 1) + ((integer >> np.uint32(drop)) & np.uint32(1))
        mask = np.uint32(0xFFFFFFFF ^ ((1 << drop) - 1))
        rounded[name] = ((integer + half) & mask).view(np.float32)
    return rounded


def timed(read: Callable[[Path], None], path: Path) -> float:
    """Seconds of one pass."""
    start = time.perf_counter()
    read(path)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
