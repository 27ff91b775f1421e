"""How long the observations of one analysis take to read from a long table.

    python benchmarks/observation_windows.py [--rows 10000000] [--windows 200]

Writes a temporary table of a year: stations that report the temperature at random minutes. Then
reads windows of three hours at random days; the first of them opens the files.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from dambench_hub.observations.table import SCHEMA, ObservationTable
from dambench_hub.observations.window import Window
from dambench_hub.storage.report_shards import ReportReader, write_report_shards

STATIONS = 10_000
START = np.datetime64("2018-01-01", "ms")
HOURS = 365 * 24


def main() -> None:
    """Write the table, read windows of it, print how long that took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--windows", type=int, default=200)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        observations = random_table(args.rows, rng)
        start = time.perf_counter()
        shards = write_report_shards(Path(folder), "test", observations)
        written = time.perf_counter() - start
        del observations
        reader = ReportReader(Path(folder), shards)
        seconds, rows = [], []
        for hour in rng.integers(6, HOURS, args.windows):
            start = time.perf_counter()
            window = reader.window(START + np.timedelta64(int(hour), "h"), Window())
            seconds.append(time.perf_counter() - start)
            rows.append(len(window))
    table = Table(title=f"{args.rows:,} rows in {len(shards)} files, written in {written:.1f} s")
    for name in ("MB", "rows a window", "first, ms", "median, ms", "longest other, ms"):
        table.add_column(name, justify="right")
    table.add_row(
        f"{sum(shard.bytes for shard in shards) / 1e6:.0f}",
        f"{np.mean(rows):.0f}",
        *(f"{1e3 * s:.1f}" for s in (seconds[0], np.median(seconds[1:]), max(seconds[1:]))),
    )
    Console(width=100).print(table)


def random_table(rows: int, rng: np.random.Generator) -> ObservationTable:
    """Values at random times of a year and stations."""
    station = rng.integers(0, STATIONS, rows, dtype=np.int32)
    latitude, longitude = rng.uniform(-90, 90, STATIONS), rng.uniform(0, 360, STATIONS)
    elevation = rng.uniform(0, 3_000, STATIONS).astype("f4")
    columns = {
        "time": np.sort(rng.integers(0, HOURS * 3_600_000, rows)) + START.astype(np.int64),
        "latitude": latitude[station],
        "longitude": longitude[station],
        "elevation": elevation[station],
        "pressure": np.full(rows, np.nan, "f4"),
        "variable": _named(np.zeros(rows, np.int32), ["t2m"]),
        "value": rng.normal(285, 10, rows).round(1).astype("f4"),
        "error_std": np.ones(rows, "f4"),
        "station": _named(station, [f"{number:05d}" for number in range(STATIONS)]),
        "report": _named(np.zeros(rows, np.int32), ["synop"]),
        "quality": np.zeros(rows, np.uint8),
        "withheld": station % 5 == 0,
    }
    return ObservationTable(pa.table(columns).cast(SCHEMA))


def _named(codes: np.ndarray, names: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(codes, names)


if __name__ == "__main__":
    main()
