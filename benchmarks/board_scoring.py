"""How long a leaderboard takes to score an upload, beside reading the file and the metric alone.

    python benchmarks/board_scoring.py [--times 36] [--format parquet] [--folder FOLDER]

The data set is made up: smooth fields that turn with the time, 69 channels on 121x240. Each file is
read by the leaderboard's sandboxed reader and nothing else; then handed in to a new store and
worked on by a worker, with the maps and spectra of its page. The metric alone scores fields in
memory.
Best of --repeats; MB/s are those of the analysis' values. The last column is extrapolated, unless
--times is 366; a year needs 20 GB of disk.
"""

import argparse
import os
import resource
import tempfile
import time
from itertools import count
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import xarray as xr

from dambench_hub.building import Plan, Source, build_dataset
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channels
from dambench_hub.data import Analysis, load_data
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.scorer.worker import Worker
from dambench_hub.leaderboard.site import Site
from dambench_hub.metrics import Scorer
from dambench_hub.observations import ObservationSettings
from dambench_hub.predictions import open_prediction, write_predictions
from dambench_hub.predictions.sandbox.parent import open_sandboxed
from dambench_hub.scoring import diagnostics
from dambench_hub.scoring.diagnostics import BackgroundDiagnostics
from dambench_hub.tasks import load_task
from dambench_hub.testing import TYPICAL, smooth_field

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
    """Take every value out of the sandbox."""
    with open_sandboxed(path) as prediction:
        for _ in prediction:
            pass


def metric_alone(fields, std):
    """Score fields that are in memory."""
    scorer = Scorer(std=std)
    for analysis, reference in fields:
        scorer.update(analysis[None], reference[None])


def submit_and_score(site, worker, path, number):
    """What the submit page does, without a copy of the file, and what the worker does then."""
    file = f"{number}{path.suffix}"
    (site.inbox / file).symlink_to(path.absolute())
    person, size = Person(f"hf:{number}", "benchmark"), path.stat().st_size
    id = site.submissions.receive(
        person, f"half-way {number}", TASK, file=file, bytes=size, sha256=str(number)
    ).id
    worker.step()
    if site.store.result(id) is None:
        raise RuntimeError(f"{path.name} was not scored: {site.submissions.get(id)}")


def cost(function, *arguments):
    """Seconds of a call, and of the processors that it kept busy, its child processes included."""
    start = time.perf_counter(), processor_seconds()
    function(*arguments)
    return np.subtract((time.perf_counter(), processor_seconds()), start)


def processor_seconds():
    """Of this process and of its children that have ended."""
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)


def report(folder, data, repeats):
    """Measure and print the table."""

    def best(function, *arguments):
        return min((cost(function, *arguments) for _ in range(repeats)), key=lambda c: c[0])

    times, field_bytes = data.size("test"), 4 * len(data.channels) * data.grid.size
    # Spectra and increments are then taken at the share of the times that they are of a year's.
    diagnostics.FEWEST_SAMPLES = max(1, diagnostics.FEWEST_SAMPLES * times // YEAR)
    few = range(min(times, 20))
    fields = [(data.background("test", n), data.reference("test", n)) for n in few]
    metric = best(metric_alone, fields, data.statistics.std) * times / len(few)
    site = Site.open(data.folder, f"sqlite:///{folder}/board.db", folder / "board")
    worker, numbers, task = Worker(site), count(), load_task(TASK)
    path = worker.files.background_path(worker.revision, task)
    background = cost(BackgroundDiagnostics.cached, path, data, task)
    megabytes = times * field_bytes / 1e6
    print(f"{times} times of {len(data.channels)}x{data.grid}, {megabytes:.0f} MB of values; data")
    print(f"set in {data.manifest.format}. Seconds (of processors): metric alone {shown(metric)};")
    print(f"errors of the background, once for all submissions, {shown(background)}.\n")
    print(f"| file | MB | read alone | scored | MB/s | of the slower | scored, {YEAR} times |")
    print("|---|---|---|---|---|---|---|")
    for name, path in make_files(folder, data).items():
        read = best(read_alone, path)
        whole = best(lambda path=path: submit_and_score(site, worker, path, next(numbers)))
        print(
            f"| {name} | {path.stat().st_size / 1e6:.0f} | {shown(read)} | {shown(whole)} "
            f"| {megabytes / whole[0]:.0f} | {max(read[0], metric[0]) / whole[0]:.2f} "
            f"| {shown(whole * YEAR / times)} |",
            flush=True,
        )


def shown(seconds):
    """Both kinds of seconds."""
    return "{:.1f} ({:.1f})".format(*seconds)


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
