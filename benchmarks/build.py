"""How fast a data set is built from 0.25 degree ERA5, and which part takes the time.

    python benchmarks/build.py [--times 16] [--folder FOLDER]

Makes a local Zarr store of ARCO-ERA5's layout (721x1440, 37 levels, one hour a chunk, Blosc LZ4)
with red noise of the magnitudes of the atmosphere, and times, one thread each: reading it alone,
regridding alone, writing the same output alone, and the whole build with one and two workers.
Output is what a state becomes: 69 channels on 121x240, 8.0 MB.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["BLOSC_NTHREADS"] = "1"

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numcodecs
import numpy as np
import xarray as xr
import yaml
import zarr
from rich.console import Console
from rich.table import Table

from dambench_hub.building.sources.arco import open_arco
from dambench_hub.building.sources.states import read_states
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.regridding import Regridder
from dambench_hub.coordinates.variables import ERA5_NAMES, STANDARD_CHANNELS
from dambench_hub.runtime.files import write_atomic
from dambench_hub.storage.manifest import Manifest
from dambench_hub.testing import TYPICAL

ROOT = Path(__file__).parents[1]
LEVELS = [1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 450]
LEVELS += [500, 550, 600, 650, 700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000]
SOURCE, TARGET = (721, 1440), Grid(121, 240)
STATE_BYTES = 4 * len(STANDARD_CHANNELS) * TARGET.size
FIRST = np.datetime64("2020-01-01T00", "h")


def main() -> None:
    """Make the store, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--times", type=int, default=16, help="days in the store")
    parser.add_argument("--folder", type=Path, help="keep the store here; else a temporary one")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="dambench-build-"))
    store = folder / "arco.zarr"
    try:
        if not store.exists():
            make_store(store, args.times)
        os.sync()
        report(store, folder, args.times)
    finally:
        if args.folder is None:
            shutil.rmtree(folder)


def make_store(path: Path, count: int) -> None:
    """ERA5 as ARCO lays it out, laid out to the end of 2050, with `count` days of values."""
    group = zarr.open_group(path, mode="w", zarr_format=2)
    start = np.datetime64("1900-01-01T00", "h")
    axes = {
        "time": np.arange((np.datetime64("2051-01-01T00", "h") - start).astype(int)),
        "level": np.array(LEVELS),
        "latitude": np.linspace(90, -90, SOURCE[0], dtype="f4"),
        "longitude": np.arange(SOURCE[1], dtype="f4") / 4,
    }
    for name, values in axes.items():
        units = {"units": "hours since 1900-01-01"} if name == "time" else {}
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=values.shape,
            dtype=values.dtype,
            fill_value=None,
            attributes={"_ARRAY_DIMENSIONS": [name], **units},
        )
        array[...] = values
    for name, archived in ERA5_NAMES.items():
        levels = len(LEVELS) if name in "zquvt" else 0
        inner = ((levels,) if levels else ()) + SOURCE
        dims = ["time", *(["level"] if levels else []), "latitude", "longitude"]
        array = group.create_array(
            archived,
            shape=(len(axes["time"]), *inner),
            chunks=(1, *inner),
            dtype="f4",
            fill_value=np.nan,
            compressors=[numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE)],
            attributes={"_ARRAY_DIMENSIONS": dims},
        )
        for day in range(count):
            row = int((FIRST + 24 * day - start).astype(int))
            array[row] = weather(name, inner, day)
    group.attrs.update(
        valid_time_start="1940-01-01",
        valid_time_stop="2024-12-31",
        valid_time_stop_era5t="2024-12-31",
    )
    zarr.consolidate_metadata(path, zarr_format=2)


def weather(name: str, shape: tuple[int, ...], day: int) -> np.ndarray:
    """Red noise around a typical mean; geopotential and humidity by level."""
    mean, std = TYPICAL[name]
    ky, kx = np.fft.fftfreq(SOURCE[0]), np.fft.rfftfreq(SOURCE[1])
    amplitude = (np.hypot(ky[:, None], kx) + 0.003) ** -2.0
    rng = np.random.default_rng([day, *name.encode()])
    levels = shape[0] if len(shape) == 3 else 1
    fields = np.empty((levels, *SOURCE), np.float32)
    for n in range(levels):
        phase = rng.standard_normal((*amplitude.shape, 2)) @ [1, 1j]
        field = np.fft.irfft2(amplitude * phase, SOURCE)
        level = mean
        if name == "z":
            level = 9.80665 * 7000 * np.log(1013 / LEVELS[n])
        if name == "q":
            level = 0.01 * (LEVELS[n] / 1000) ** 3
        spread = 0.1 * level if name == "q" else 0.3 * std
        fields[n] = level + spread * np.clip(field / field.std(), -3, 3)
    return fields.reshape(shape)


def report(store: Path, folder: Path, count: int) -> None:
    """Time the parts and the whole, print them."""
    seconds = {
        "reading and decoding the store, all 37 levels": read(store, count),
        "regridding the 69 channels, from memory": regrid(store, count),
        "writing and flushing the output, twice": write(folder, count),
        "the same regridding by xarray-regrid": regrid_by_xarray(store, count),
        "states as the build reads them (read, check, regrid)": states(store, count),
    }
    one, two = build(store, folder, count, 1), build(store, folder, count, 2)
    examples = count - 1
    table = Table(title=f"{count} states of 785 MB to 8 MB")
    for column in ("", "s a state", "MB of output / s"):
        table.add_column(column, justify="right" if column else "left")
    for name, total in seconds.items():
        table.add_row(name, f"{total / count:.3f}", f"{count * STATE_BYTES / total / 1e6:.2f}")
    for name, total in (("whole build, 1 worker", one), ("whole build, 2 workers", two)):
        table.add_row(name, f"{total / count:.3f}", f"{count * STATE_BYTES / total / 1e6:.2f}")
    console = Console(width=110)
    console.print(table)
    slowest = max(list(seconds.values())[:3])
    console.print(
        f"The build takes {one / slowest:.2f} times its slowest part; two workers are "
        f"{one / two:.2f} times as fast as one. {examples} examples, as the store has {count} days."
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    console.print(f"Largest process: {peak:.2f} GB.")
    extrapolate(console, one / count)


def extrapolate(console: Console, state_seconds: float) -> None:
    """What 2000 to 2024 would take at this speed."""
    for cadence, states_a_day in (("daily", 1), ("6-hourly", 4)):
        days = 9132
        hours = days * states_a_day * state_seconds / 3600
        console.print(
            f"2000-2024 {cadence}: {days * states_a_day} states, {hours:.1f} core hours; "
            f"{days * states_a_day * 0.785:.0f} GB raw come from the store."
        )


def timed(work: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def days(count: int) -> np.ndarray:
    """The days of the store."""
    return FIRST + 24 * np.arange(count)


def read(store: Path, count: int) -> float:
    """Decode every chunk of the days, and keep nothing."""
    group = zarr.open_group(store, mode="r")
    first = int((FIRST - np.datetime64("1900-01-01T00", "h")).astype(int))

    def work() -> None:
        for day in range(count):
            for archived in ERA5_NAMES.values():
                _ = group[archived][first + 24 * day]

    work()  # into the page cache
    return timed(work)


def regrid(store: Path, count: int) -> float:
    """Our operator on one day's fields in memory, `count` times."""
    fields = xr.open_zarr(store, chunks=None)["temperature"].sel(time=FIRST).values[:13]
    latitude, longitude = np.linspace(90, -90, SOURCE[0]), np.arange(SOURCE[1]) / 4
    regridder = Regridder(latitude, longitude, TARGET)
    regridder(fields)

    def work() -> None:
        for _ in range(count):
            for _ in range(5):
                regridder(fields)
            regridder(fields[:4])

    return timed(work)


def regrid_by_xarray(store: Path, count: int) -> float:
    """xarray-regrid on the same fields; measured on one variable, times 69 / 13."""
    import xarray_regrid  # noqa: F401  (registers the accessor)

    field = xr.open_zarr(store, chunks=None)["temperature"].sel(time=FIRST)
    field = field.isel(level=slice(13)).load().sortby("latitude")
    axes = {"latitude": TARGET.latitude, "longitude": TARGET.longitude}
    target = xr.Dataset(coords=axes).sortby("latitude")
    return timed(lambda: field.regrid.conservative(target, latitude_coord="latitude")) * (
        count * len(STANDARD_CHANNELS) / 13
    )


def write(folder: Path, count: int) -> float:
    """The bytes of every output state, once as intermediate file and once as shard."""
    payload = os.urandom(STATE_BYTES)

    def work() -> None:
        for day in range(count):
            for kind in ("segment", "shard"):
                write_atomic(folder / "written" / f"{kind}-{day}", payload)

    seconds = timed(work)
    shutil.rmtree(folder / "written")
    return seconds


def states(store: Path, count: int) -> float:
    """What a worker does, without writing."""
    archive = open_arco(str(store))
    regridder = Regridder(archive.latitude.values, archive.longitude.values, TARGET)
    return timed(lambda: list(read_states(archive, STANDARD_CHANNELS, days(count), regridder)))


def build(store: Path, folder: Path, count: int, workers: int) -> float:
    """The builder's command; a warm-up of imports and workers is not counted."""
    out, recipe = folder / f"out-{workers}", folder / "recipe.yaml"
    last = [str(day)[:10] for day in days(count)]
    splits = {"train": [last[1], last[-1]]}
    settings = {"source": "arco", "path": str(store), "splits": splits, "format": "hdf5"}
    settings["geography"] = False  # takes the same seconds for any number of days
    recipe.write_text(yaml.safe_dump(settings))
    script = [sys.executable, str(ROOT / "builders" / "era5" / "build.py")]
    command = [*script, "--recipe", str(recipe), "--out", str(out), "--workers", str(workers)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    again = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    assert len(Manifest.read(out).hours("train")) == count - 1
    shutil.rmtree(out)
    return seconds - again


if __name__ == "__main__":
    main()
