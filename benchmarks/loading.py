"""How fast samples come from the disk cache into reused torch buffers, one thread.

    python benchmarks/loading.py [--samples 32] [--grid 121x240] [--repeats 3]

Every case is paired, in one process, with a plain read: `preadv` of as many bytes of the same
shards (of the Arrow shards, where the case reads compressed ones or files of its own), in the same
order, into a reused buffer as large as the batch. Other files would not do: how a file came into
the page cache changes the speed of reading it by half. `x read` is the ratio of the best times of
both, over visits of four passes, as buffers are made once a visit.
Fields have a red spectrum and the means and variances of the atmosphere, so that compression is
roughly as hard as for real ones.
"""

from __future__ import annotations

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import datasets
import h5py
import numpy as np
import torch
import zarr
from rich.console import Console
from rich.table import Table

from dambench_hub.building import Plan, Source, build_dataset
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channels
from dambench_hub.data import load_data
from dambench_hub.storage.manifest import Manifest
from dambench_hub.testing import TYPICAL

FIELDS = (
    "background",
    "observation_index",
    "observations",
    "precipitation",
    "olr",
    "background_precipitation",
    "background_olr",
    "reference",
)

PASSES = 4
"""A visit brings every sample this often, as buffers are made anew for each visit."""

Visit = Callable[[Sequence[int]], None]
"""Brings the samples of these indices into buffers, one after the other."""


def main() -> None:
    """Make the data in every format, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--grid", type=Grid.parse, default=Grid(121, 240))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="keep the files here; a temporary one if absent"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("datasets").setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="dambench-loading-"))
    try:
        for format in ("arrow", "hdf5", "parquet"):
            build(folder / format, args.samples, args.grid, format)
        os.sync()  # else the first cases share the memory with what is still written to the disk
        report(folder, args)
    finally:
        if args.folder is None:
            shutil.rmtree(folder)


def build(out: Path, samples: int, grid: Grid, format: str) -> None:
    """A data set of red noise with `samples` training examples."""
    channels = parse_channels(STANDARD_CHANNELS)
    mean, std = np.array([TYPICAL[c.variable.name] for c in channels])[:, :, None, None].swapaxes(
        0, 1
    )
    ky, kx = np.fft.fftfreq(grid.latitudes), np.fft.rfftfreq(grid.longitudes)
    amplitude = (np.hypot(ky[:, None], kx) + 0.01) ** -2
    amplitude *= grid.size / np.sqrt((amplitude**2).sum() * 4)

    def red(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        phase = rng.standard_normal((*shape, *amplitude.shape, 2)) @ [1, 1j]
        return np.fft.irfft2(amplitude * phase, grid.shape)

    def read(split: str, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([len(split), index])
        state, error = red(rng, (2, len(channels)))
        reference = mean + std * state
        return {
            "reference": reference.astype("f4"),
            "background": (reference + 0.2 * std * error).astype("f4"),
            "precipitation": np.maximum(red(rng, ()), 0).astype("f4"),
            "olr": (240 + 40 * red(rng, ())).astype("f4"),
        }

    plan = Plan(
        name="loading",
        channels=STANDARD_CHANNELS,
        grid=grid,
        times={"train": np.datetime64("2000-01-01", "h") + 24 * np.arange(samples)},
        modalities=("precipitation", "olr"),
        source={"title": "Red noise"},
        format=format,
    )
    build_dataset(out, plan, lambda work: Source(read))


def report(folder: Path, args: argparse.Namespace) -> None:
    """Measure every case and print the tables."""
    sample_bytes = sum(v.nbytes for v in load_data(folder / "arrow").example("train", 0).values())
    order = np.tile(np.arange(args.samples), PASSES)
    shuffled = np.random.default_rng(0).permutation(order)
    table = Table(
        title=f"{args.samples} samples of {sample_bytes / 1e6:.2f} MB ({args.grid}), warm, 1 thread"
    )
    for name in ("", "ms", "MB/s", "x read", "ms shuffled", "x read shuffled"):
        table.add_column(name, justify="left" if not name else "right")
    for name, batch_size, case in cases(folder):
        same = folder / ("hdf5" if "hdf5" in name else "arrow")
        plain = plain_read(same, sample_bytes, batch_size)
        sequential, read = paired(case, plain, order, args.repeats)
        scattered, scattered_read = paired(case, plain, shuffled, args.repeats)
        table.add_row(
            name,
            f"{1e3 * sequential:.2f}",
            f"{sample_bytes / sequential / 1e6:.0f}",
            f"{sequential / read:.2f}",
            f"{1e3 * scattered:.2f}",
            f"{scattered / scattered_read:.2f}",
        )
    console = Console(width=110)
    console.print(table)
    console.print(disk_table(folder, sample_bytes, args))


def paired(case: Visit, plain: Visit, order: np.ndarray, repeats: int) -> tuple[float, float]:
    """Best seconds a sample of the case and of the plain read, taken in turns."""
    case(order), plain(order)
    times = [(timed(case, order), timed(plain, order)) for _ in range(repeats)]
    best_case, best_plain = np.min(times, axis=0) / len(order)
    return best_case, best_plain


def timed(visit: Visit, order: np.ndarray) -> float:
    """Seconds of one visit of all samples."""
    start = time.perf_counter()
    visit(order)
    return time.perf_counter() - start


def plain_read(folder: Path, sample_bytes: int, batch_size: int) -> Visit:
    """The limit: `preadv` from uncompressed shards into the rows of one reused buffer."""
    place = []
    for shard in Manifest.read(folder).shards("train"):
        descriptor = os.open(folder / shard.path, os.O_RDONLY)
        place += [(descriptor, row * sample_bytes) for row in range(len(shard.hours))]
    buffer = np.empty((batch_size, sample_bytes), "u1")

    def visit(order: Sequence[int]) -> None:
        for step, index in enumerate(order):
            descriptor, start = place[index]
            assert os.preadv(descriptor, [buffer[step % batch_size]], start) == sample_bytes

    return visit


def cases(folder: Path) -> Iterable[tuple[str, int, Visit]]:
    """Every way to load, with its batch size, ours first."""
    for format in ("arrow", "hdf5", "parquet"):
        for size in (1, 4):
            name = f"dambench_hub.data, {format}, batches of {size}"
            yield name, size, ours(folder / format, size)
    for format in ("arrow", "hdf5", "parquet"):
        name = f'load_dataset(…).with_format("torch"), {format}'
        yield name, 1, stock(folder, format)
    yield "h5py read_direct, hdf5 shards", 1, h5py_direct(folder / "hdf5")
    yield "zarr 3, uncompressed, one sample a chunk", 1, zarr_chunks(folder)


def ours(folder: Path, batch_size: int) -> Visit:
    """Batches in one set of reused buffers, as torch tensors that share their memory."""
    data = load_data(folder)

    def visit(order: Sequence[int]) -> None:
        for batch in data.batches("multimodal", "train", batch_size, indices=order, buffers=1):
            batch.to_torch()

    return visit


def stock(folder: Path, format: str) -> Visit:
    """The library's own torch format, from its own cache of the same shards."""
    loaded = datasets.load_dataset(
        str(folder / format), "multimodal", split="train", cache_dir=str(folder / "cache" / format)
    ).with_format("torch", columns=list(FIELDS))

    def visit(order: Sequence[int]) -> None:
        for index in order:
            loaded[int(index)]

    return visit


def h5py_direct(folder: Path) -> Visit:
    """What one would write by hand for the HDF5 shards."""
    data = load_data(folder)
    shards = [h5py.File(folder / s.path, "r") for s in data.manifest.shards("train")]
    place = [(file, row) for file in shards for row in range(len(file["time"]))]
    buffers = {name: np.empty(shards[0][name].shape[1:], shards[0][name].dtype) for name in FIELDS}

    def visit(order: Sequence[int]) -> None:
        for index in order:
            file, row = place[index]
            for name, buffer in buffers.items():
                file[name].read_direct(buffer, np.s_[row])
                torch.from_numpy(buffer)

    return visit


def zarr_chunks(folder: Path) -> Visit:
    """A Zarr store with one chunk a sample and column."""
    data = load_data(folder / "arrow")
    samples = data.size("train")
    group = zarr.open_group(folder / "zarr", mode="w")
    for name in FIELDS:
        first = data.example("train", 0)[name]
        array = group.create_array(
            name,
            shape=(samples, *first.shape),
            chunks=(1, *first.shape),
            dtype=first.dtype,
            compressors=None,
        )
        for index in range(samples):
            array[index] = data.example("train", index)[name]
    arrays = {name: group[name] for name in FIELDS}
    buffers = {name: torch.empty(array.shape[1:]) for name, array in arrays.items()}

    def visit(order: Sequence[int]) -> None:
        for index in order:
            for name, array in arrays.items():
                buffers[name].copy_(torch.from_numpy(np.asarray(array[int(index)])))

    return visit


def disk_table(folder: Path, sample_bytes: int, args: argparse.Namespace) -> Table:
    """First open, and bytes on disk: the shards, and the copy that the stock loader makes."""
    table = Table(title="Disk, and the time from nothing to the first sample")
    for name in ("format", "first open, s", "bytes / sample bytes", "x one field", "stock copy"):
        table.add_column(name, justify="left" if name == "format" else "right")
    field_bytes = 4 * len(STANDARD_CHANNELS) * args.grid.size
    for format in ("arrow", "hdf5", "parquet"):
        start = time.perf_counter()
        load_data(folder / format).example("train", 0)
        seconds = time.perf_counter() - start
        size = tree_bytes(folder / format / "multimodal") / args.samples
        copy = tree_bytes(folder / "cache" / format) / args.samples
        table.add_row(
            format,
            f"{seconds:.3f}",
            f"{size / sample_bytes:.3f}",
            f"{size / field_bytes:.2f}",
            f"{copy / sample_bytes:.2f}",
        )
    return table


def tree_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
