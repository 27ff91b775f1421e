"""Methods with a balanced covariance: seconds and memory of fit and analysis, and what they leave.

    python benchmarks/covariance.py [--only grids observations cores] [--data dambench]

Background errors of 69 channels are drawn from a made-up spectral covariance: random vertical modes
of decreasing variance in each band of latitude, and a power law in degree. Methods are fitted to
180 of them, then analyse others, of which 5 % of the grid points observe all channels with a
quarter of their standard deviation. Each case runs in a process of its own, with one thread if not
said otherwise. Seconds are those of processors, and beside them those of the clock, of the second
analysis: what is computed once for all is left out. Memory is the peak of the process, training
included. *Left* is the mean square of the analysis over that of the background.

With --data, `var3d` also analyses all days of the test split of a data set, with either form of its
covariance: the MSE that `dambench score` gives, and that over the background's.

The ensemble filters are measured by benchmarks/ensemble.py.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

if __name__ == "__main__" and "--case" not in sys.argv:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.data import load_data
from dambench_hub.data.batch import Batch
from dambench_hub.estimation.channel_harmonics import BANDS, ChannelHarmonics
from dambench_hub.estimation.spectral_covariance import SpectralCovariance
from dambench_hub.estimation.zonal_covariance import required_bytes
from dambench_hub.metrics import Scorer
from dambench_hub.models.balanced_covariance import LARGEST_ZONAL_BYTES
from dambench_hub.models.registry import load_method
from dambench_hub.observations import ObservationSettings, draw_observations

PARTS = ("grids", "observations", "cores")
TRAINING_DAYS, MODES, ERROR_SCALE = 180, 40, 0.25
FORMS = ("zonal", "spectral")


def made_up_covariance(grid):
    """A spectral covariance with standard deviations of about 1."""
    harmonics = ChannelHarmonics(STANDARD_CHANNELS, grid)
    shape = (BANDS, 1, len(STANDARD_CHANNELS), MODES)
    modes = np.random.default_rng(0).standard_normal(shape) * np.exp(-np.arange(MODES) / 10)
    degree = harmonics.degree[:, None, None]
    amplitude = (degree > 0) / (1 + (degree / 8) ** 2) / np.sqrt(2 * degree + 1)
    roots = (amplitude * modes).astype(np.complex64)
    profile = 1 / np.sqrt(harmonics.variance(roots).mean(axis=1, keepdims=True))
    profile[harmonics.winds] = profile[harmonics.winds].mean(axis=0)  # a wind keeps its direction
    return SpectralCovariance(
        STANDARD_CHANNELS, grid, np.repeat(profile, grid.latitudes, axis=1), roots
    )


def day(B, number, density):
    """A sample whose reference is 0."""
    error = B.draw(1, np.random.default_rng([1, number])).astype(np.float32)
    time_ = np.datetime64("2001-01-01", "h") + 24 * number
    settings = ObservationSettings(density=density, network="column")
    reference, std = np.zeros_like(error), ERROR_SCALE * B.scale
    index, values = draw_observations(settings, B.grid, reference[0], std, time_)
    return Batch(
        channels=STANDARD_CHANNELS,
        grid=B.grid,
        time=np.array([time_]),
        background=error,
        reference=reference,
        observation_index=index[None],
        observation_values=values[None],
        observation_error_std=std,
    )


def analysis_case(method, grid, density=0.05, options=None):
    """Fit, and one analysis."""
    B = made_up_covariance(Grid.parse(grid))
    training = (day(B, number, density) for number in range(TRAINING_DAYS))
    fitted, fit = timed(lambda: load_method(method, training, **(options or {})))
    fit_gb = peak_gb()
    first, second = (day(B, TRAINING_DAYS + n, density) for n in range(2))
    fitted.assimilate(first)
    analysis, took = timed(lambda: fitted.assimilate(second))
    left = np.mean(analysis.mean**2) / np.mean(second.background**2)
    peaks = {"fit_gb": fit_gb, "gb": peak_gb()}
    return took | peaks | {"fit_seconds": fit["seconds"], "left": float(left)}


def score_case(folder, task, form):
    """MSE of `var3d` and of the background, and seconds of an analysis."""
    data = load_data(folder)
    method = load_method("var3d", data.batches(task, "train"), covariance=form)
    std = data.statistics.std
    scorers = [Scorer(data.channels, data.grid.latitude, std) for _ in range(2)]
    seconds = []
    for batch in data.batches(task):
        analysis, took = timed(lambda batch=batch: method.assimilate(batch.without_reference()))
        seconds.append(took["seconds"])
        for scorer, field in zip(scorers, (analysis.mean, batch.background), strict=True):
            scorer.update(field, batch.reference)
    mse, background = (scorer.compute()["mse"] for scorer in scorers)
    return {"mse": mse, "background": background, "seconds": float(np.median(seconds))}


def timed(function):
    """What a function returns, and how long it took."""
    processor, clock = time.process_time(), time.perf_counter()
    value = function()
    seconds = time.process_time() - processor
    return value, {"seconds": seconds, "clock": time.perf_counter() - clock}


def peak_gb():
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def result(case, *arguments, cores=1):
    """What a case returns in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps([case, *arguments])]
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    threads = {**os.environ, **dict.fromkeys(names, str(cores))}
    done = subprocess.run(command, env=threads, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def row(*cells):
    """A line of a table, at once."""
    print("| " + " | ".join(cells) + " |", flush=True)


def cells(one):
    """Seconds, gigabytes and what is left."""
    return f"{one['seconds']:.2f}", f"{one['clock']:.2f}", f"{one['gb']:.2f}", f"{one['left']:.3f}"


def measure_grids():
    """Each method on each grid."""
    print("\n| method | grid | fit, s | fit, GB | analysis, s | clock | GB | left |")
    print("|---|---|---|---|---|---|---|---|")
    for grid, hybrid in ("33x64", "zonal"), ("121x240", "spectral"):
        for method, form in ("var3d", "zonal"), ("var3d", "spectral"), ("hybrid", hybrid):
            needed = required_bytes(len(STANDARD_CHANNELS), Grid.parse(grid))
            name = f"`{method}`, {form}"
            if form == "zonal" and needed > LARGEST_ZONAL_BYTES:
                row(name, grid, "–", f"{needed / 1e9:.0f} needed", "–", "–", "–", "–")
                continue
            options = {"covariance": form} if method == "var3d" else {}
            one = result("analysis", method, grid, 0.05, options)
            row(name, grid, f"{one['fit_seconds']:.1f}", f"{one['fit_gb']:.2f}", *cells(one))


def measure_observations():
    """`var3d` with more and more observations."""
    print("\n| `var3d` | observed | analysis, s | clock | GB | left |\n|---|---|---|---|---|---|")
    for grid, form in ("33x64", "zonal"), ("33x64", "spectral"), ("121x240", "spectral"):
        for density in 0.01, 0.05, 0.2:
            one = result("analysis", "var3d", grid, density, {"covariance": form})
            row(f"{grid}, {form}", f"{density:.0%}", *cells(one))


def measure_cores():
    """`var3d` with one and two threads."""
    print("\n| `var3d` | threads | analysis, s | clock | GB | left |\n|---|---|---|---|---|---|")
    for grid, form in ("33x64", "zonal"), ("121x240", "spectral"):
        for cores in 1, 2:
            one = result("analysis", "var3d", grid, 0.05, {"covariance": form}, cores=cores)
            row(f"{grid}, {form}", str(cores), *cells(one))


def measure_scores(data, task):
    """Both forms on a data set."""
    print(f"\n| `var3d`, {task} | MSE | of the background's | analysis, s |\n|---|---|---|---|")
    for form in FORMS:
        one = result("score", data, task, form)
        share = one["mse"] / one["background"]
        row(form, f"{one['mse']:.6f}", f"{share:.4f}", f"{one['seconds']:.2f}")


def main():
    """Run the cases, print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--data", metavar="FOLDER", help="score both forms on this data set")
    parser.add_argument("--task", default="unimodal", help="of the data set")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        name, *arguments = json.loads(args.case)
        print(json.dumps({"analysis": analysis_case, "score": score_case}[name](*arguments)))
        return
    for part in args.only:
        globals()[f"measure_{part}"]()
    if args.data:
        measure_scores(args.data, args.task)


if __name__ == "__main__":
    main()
