"""How long a leaderboard takes to score an upload, beside reading the file and the metric alone.

    python benchmarks/board_scoring.py [--times 36] [--format parquet] [--folder FOLDER]

The data set is made up: smooth fields that turn with the time, 69 channels on 121x240. Each file is
read by the leaderboard's jailed reader and nothing else; then handed in to a new store and worked
on by a worker, with the maps and spectra of its page. The metric alone scores fields in memory.
Best of --repeats; MB/s are those of the analysis' values. Other times than 366 are extrapolated.
"""

import argparse
import os
import tempfile
import time
from itertools import count
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import xarray as xr

from dambench_hub.batch import Analysis
from dambench_hub.board.diagnostics import Background
from dambench_hub.board.jail import open_jailed
from dambench_hub.board.site import Site
from dambench_hub.board.worker import Worker
from dambench_hub.builder import Source, build_dataset
from dambench_hub.data import load_data
from dambench_hub.grids import Grid
from dambench_hub.metrics import Scorer
from dambench_hub.observations import ObservationSettings
from dambench_hub.people import Person
from dambench_hub.plan import Plan
from dambench_hub.prediction_reader import open_prediction
from dambench_hub.predictions import write_predictions
from dambench_hub.tasks import load_task
from dambench_hub.testing import TYPICAL, smooth_field
from dambench_hub.variables import STANDARD_CHANNELS, parse_channels

YEAR = 366
TASK = "unimodal"


def make_dataset(folder, times, format):
    """Smooth fields with noise in their last digits, as rough to compress as real ones."""
    grid, rng = Grid(121, 240), np.random.default_rng(0)
    channels = parse_channels(STANDARD_CHANNELS)
    mean, std = np.array([TYPICAL[c.variable.name] for c in channels]).T.astype("f4")
    waves = [np.stack([smooth_field(grid, scale, rng) for _ in channels]) for scale in (0.5, 0.2)]
    rough = rng.standard_normal((len(channels), *grid.shape))
    state, error, noise = (field.astype("f4") for field in (*waves, rough))

    def read(split, index):
        turned, off, fine = (np.roll(f, 7 * index, axis=-1) for f in (state, error, noise))
        reference = mean[:, None, None] + std[:, None, None] * (turned + 0.01 * fine)
        background = reference + 0.2 * std[:, None, None] * off
        return {"reference": reference.astype("f4"), "background": background.astype("f4")}

    def hours(start, count):
        return np.datetime64(start, "h") + 24 * np.arange(count)

    plan = Plan(
        name="scoring",
        channels=STANDARD_CHANNELS,
        grid=grid,
        times={"train": hours("2001-01-01", 4), "test": hours("2024-01-01", times)},
        source={
            "title": "Made up",
            "description": "Smooth fields.",
            "licence": "cc0-1.0",
            "attribution": "None.",
            "settings": {},
        },
        observations=ObservationSettings(),
        format=format,
    )
    build_dataset(folder, plan, lambda work: Source(read))
    return load_data(folder)


def make_files(folder, data):
    """The same analysis as compressed NetCDF, plain NetCDF and safetensors."""
    analyses = (
        Analysis(batch.background + np.float32(0.5) * (batch.reference - batch.background))
        for batch in data.batches(TASK, buffers=1)
    )
    compressed, plain, safe = (
        folder / f"{name}" for name in ("gzip.nc", "plain.nc", "x.safetensors")
    )
    write_predictions(compressed, analyses, task=TASK, data=data, model_name="half-way")
    kept = (Analysis(field[None]) for field in opened(compressed))
    write_predictions(safe, kept, task=TASK, data=data, model_name="half-way")
    with xr.open_dataset(compressed, engine="h5netcdf", chunks={"time": 1}) as dataset:
        chunks = (1, *dataset.analysis.shape[1:])
        encoding = {"analysis": {"chunksizes": chunks}}
        dataset.drop_encoding().to_netcdf(plain, engine="h5netcdf", encoding=encoding)
    return {"NetCDF, gzip 1 with shuffle": compressed, "NetCDF": plain, "safetensors": safe}


def opened(path):
    """The fields of a file, one after the other."""
    with open_prediction(path) as prediction:
        yield from prediction


def read_alone(path):
    """Take every value out of the jail."""
    with open_jailed(path) as prediction:
        for _ in prediction:
            pass


def metric_alone(fields, std):
    """Score fields that are in memory."""
    scorer = Scorer(std=std)
    for analysis, reference in fields:
        scorer.update(analysis[None], reference[None])


def hand_in(site, path, number):
    """What the submit page does; the file is not copied."""
    file = f"{number}{path.suffix}"
    (site.inbox / file).symlink_to(path.absolute())
    size, digest = path.stat().st_size, str(number)
    site.submissions.receive(
        Person(f"hf:{number}", "benchmark"), "half-way", TASK, file=file, bytes=size, sha256=digest
    )


def timed(function, *arguments):
    """Seconds of a call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def report(folder, data, repeats):
    """Measure and print the table."""
    times, field_bytes = data.size("test"), 4 * len(data.channels) * data.grid.size
    some = min(times, 20)
    fields = [(data.background("test", n), data.reference("test", n)) for n in range(some)]
    std = data.statistics.std
    metric = min(timed(metric_alone, fields, std) for _ in range(repeats)) / some * times
    site = Site.open(data.folder, f"sqlite:///{folder}/board.db", folder / "board")
    worker, numbers, task = Worker(site), count(), load_task(TASK)
    background = timed(Background.cached, worker.background_path(task), data, task)
    megabytes = times * field_bytes / 1e6
    print(f"{times} times of {len(data.channels)}x{data.grid}, {megabytes:.0f} MB of values, data")
    print(
        f"set in {data.manifest.format}. What is known of the background: {background:.1f} s, once."
    )
    print("\n| file | MB | read alone, s | metric alone, s | scored, s | MB/s | of the slower |")
    print("|---|---|---|---|---|---|---|")
    for name, path in make_files(folder, data).items():
        read = min(timed(read_alone, path) for _ in range(repeats))
        seconds = []
        for _ in range(repeats):
            hand_in(site, path, next(numbers))
            seconds.append(timed(worker.step))
        whole = min(seconds)
        row = (
            f"| {name} | {path.stat().st_size / 1e6:.0f} | {read:.1f} | {metric:.1f} "
            f"| {whole:.1f} | {megabytes / whole:.0f} | {max(read, metric) / whole:.2f} |"
        )
        print(row, flush=True)
        if times != YEAR:
            print(
                f"| the same, {YEAR} times, extrapolated | | | | {whole * YEAR / times:.0f} | | |"
            )


def main(argv=None):
    """Make everything in a temporary folder, measure, and remove it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=36)
    parser.add_argument("--format", default="parquet", choices=["parquet", "arrow", "hdf5"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="where the temporary folder is made")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="dambench-scoring-", dir=args.folder) as folder:
        folder = Path(folder)
        report(folder, make_dataset(folder / "data", args.times, args.format), args.repeats)


if __name__ == "__main__":
    main()
