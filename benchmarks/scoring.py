"""How long scoring takes and how exact it is: a read pass, plain numpy in float64, `Scorer`.

`paper_scores` are errors and the paper's spectra; `all_scores` are those of a deterministic file on
the leaderboard: skill, spectra by degree, regions, distances from 5 % observed columns that change
with each sample, balance of increments and negative humidity, too.

    python benchmarks/scoring.py [--samples 100] [--threads 1]

The fields are made up but not harmless: their power falls like k^-3, so the scored scales hold
little of it, and a third of the channels has the large mean of geopotential.

Each case runs in a forked process that shares the fields. A read pass (`max` over both arrays) goes
before every repetition; "x read" is the ratio of the best times. Seconds are the processor's, so
that others on the same machine count little. Extra memory is the growth of the peak resident size
of that process.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.metrics import Scorer

LIKE = {"z": (1e5, 2e3), "t": (250.0, 10.0), "q": (3e-3, 1e-3)}
"""Mean and standard deviation of the channels, in turn."""
POINT_SCORES = ("rmse", "rmse_pooled", "mse_by_channel", "mae_by_channel")
SPECTRAL_SCORES = ("specdiv_by_channel", "specres_by_channel")


def make_fields(samples, channels, grid, rng):
    """Analysis and reference, (N, C, Y, X) float32, and the std of the channels, (C,)."""
    k = radial_wavenumber(grid)
    mean, std = np.array([list(LIKE.values())[c % len(LIKE)] for c in range(channels)]).T

    def rough(slope):
        modes = np.fft.fft2(rng.normal(size=(channels, *grid.shape))) / np.maximum(k, 1) ** slope
        field = np.fft.ifft2(modes).real
        return field / field.std(axis=(1, 2), keepdims=True)

    few = [(rough(1.5), rough(0.5)) for _ in range(min(samples, 4))]
    analysis = np.empty((samples, channels, *grid.shape), np.float32)
    reference = np.empty_like(analysis)
    for n in range(samples):
        state, error = (np.roll(field, n, axis=-1) for field in few[n % len(few)])
        reference[n] = mean[:, None, None] + std[:, None, None] * state
        analysis[n] = reference[n] + 0.1 * std[:, None, None] * error
    return analysis, reference, std


def radial_wavenumber(grid):
    """Radial wavenumber k of every mode, (Y, X)."""
    k_y, k_x = (np.fft.fftfreq(size, 1 / size) for size in grid.shape)
    return np.hypot(k_y[:, None], k_x)


def draw_observed(samples, grid, rng):
    """5 % of the columns of each sample, boolean, (N, Y, X)."""
    observed = np.zeros((samples, grid.size), bool)
    for points in observed:
        points[rng.choice(grid.size, grid.size // 20, replace=False)] = True
    return observed.reshape(samples, *grid.shape)


def read_pass(analysis, reference, *_):
    """Touch every value once."""
    return analysis.max(), reference.max()


def paper_scores(analysis, reference, std, _):
    """This package, without names of channels and backgrounds."""
    scorer = Scorer(std=std)
    scorer.update(analysis, reference)
    return scorer.compute()


def all_scores(analysis, reference, std, observed):
    """This package, one sample at a time; the background is another sample's analysis."""
    scorer = Scorer(STANDARD_CHANNELS[: len(std)], std=std)
    for n in range(len(reference)):
        one = slice(n, n + 1)
        scorer.update(analysis[one], reference[one], analysis[n - 1][None], observed[one])
    scores = scorer.compute()
    numbers = POINT_SCORES + SPECTRAL_SCORES
    return {name: dict(enumerate(scores[name].values())) for name in numbers}


def score_with_plain_numpy(analysis, reference, std, _):
    """The definitions as they are written, in float64, one sample at a time."""
    grid = Grid(*reference.shape[-2:])
    weights, radial_bins = grid.weights[:, None], plain_bins(grid)
    sums = np.zeros((6, len(std)))
    for x_hat, x in zip(analysis, reference, strict=True):
        x_hat, x = x_hat.astype(np.float64), x.astype(np.float64)
        error = x_hat - x
        square = (weights * error**2).mean(axis=(1, 2))
        mse, mae = (error**2).mean(axis=(1, 2)) / std**2, np.abs(error).mean(axis=(1, 2)) / std
        S_hat, S = plain_spectra(x_hat, *radial_bins), plain_spectra(x, *radial_bins)
        divergence = (S * np.log(S / S_hat)).sum(axis=1)
        residual = np.sqrt(((S_hat - S) ** 2).mean(axis=1))
        sums += np.sqrt(square), square, mse, mae, divergence, residual
    means = sums / len(reference)
    means[1] = np.sqrt(means[1])
    names = POINT_SCORES + SPECTRAL_SCORES
    return {name: dict(enumerate(mean)) for name, mean in zip(names, means, strict=True)}


def plain_bins(grid):
    """Bin of every mode, (Y·X,), modes per bin, and the first bin that is scored."""
    k = radial_wavenumber(grid).ravel()
    bins = len(np.arange(0.5, k.max(), 1))
    index = np.digitize(k, np.linspace(0.5, k.max(), bins + 1))
    index[index > bins] = bins
    return index, np.bincount(index), 1 + int(0.9 * bins)


def plain_spectra(fields, index, count, first):
    """S′ of every channel, (C, bins)."""
    spectra = []
    for field in fields:
        power = np.abs(np.fft.fft2(field)) ** 2
        spectrum = (np.bincount(index, power.ravel()) / count)[first:]
        spectra.append(spectrum / spectrum.sum())
    return np.array(spectra)


def measure(case, fields, repeats):
    """Best process seconds of `case`, of the read pass before it, extra peak MB, and the scores."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    seconds, read_seconds = [], []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    for _ in range(repeats):
        start = time.process_time()
        read_pass(*fields)
        middle = time.process_time()
        result = case(*fields)
        read_seconds.append(middle - start)
        seconds.append(time.process_time() - middle)
    extra = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit - before
    return min(seconds), min(read_seconds), extra, result


def measure_in_fork(*arguments):
    """`measure` in a process of its own, which shares the fields until it writes to them."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=lambda: sender.send(measure(*arguments))
    )
    process.start()
    result = receiver.recv()
    process.join()
    return result


def errors(scores, exact):
    """Largest relative error of the point scores, absolute error of the spectral ones."""

    def both(name):
        return np.array([list(found[name].values()) for found in (scores, exact)])

    relative = max(np.max(np.abs(a / b - 1)) for a, b in map(both, POINT_SCORES))
    absolute = max(np.max(np.abs(a - b)) for a, b in map(both, SPECTRAL_SCORES))
    return relative, absolute


def parse_args(argv=None):
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--channels", type=int, default=69)
    parser.add_argument("--grid", type=Grid.parse, default=Grid(121, 240))
    parser.add_argument("--threads", type=int, default=1, help="threads of numpy's BLAS")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args(argv)


def main(argv=None):
    """Make the fields, measure, print a table."""
    args = parse_args(argv)
    if os.environ["OMP_NUM_THREADS"] != str(args.threads):  # numpy reads it once, when imported
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
        os.execv(sys.executable, [sys.executable, __file__, *(argv or sys.argv[1:])])
    rng = np.random.default_rng(0)
    fields = make_fields(args.samples, args.channels, args.grid, rng)
    fields = *fields, draw_observed(args.samples, args.grid, rng)
    megabytes = sum(array.nbytes for array in fields[:2]) / 1e6
    print(
        f"{args.samples} samples of {args.channels}x{args.grid} float32, analysis and reference: "
        f"{megabytes:.0f} MB; {args.threads} thread(s), best of {args.repeats}\n"
    )
    print(
        "| case | s | ms / sample | x read | extra MB | rel. error, point | abs. error, spectral |"
    )
    print("|---|---|---|---|---|---|---|")
    exact = None
    for case, repeats in (
        (read_pass, args.repeats),
        (score_with_plain_numpy, 1),
        (paper_scores, args.repeats),
        (all_scores, args.repeats),
    ):
        seconds, read, extra, scores = measure_in_fork(case, fields, repeats)
        row = f"| {case.__name__} | {seconds:.2f} | {1e3 * seconds / args.samples:.2f} "
        row += f"| {seconds / read:.1f} | {extra:.0f} "
        if case is score_with_plain_numpy:
            exact = scores
        found = "{:.0e} | {:.0e}".format(*errors(scores, exact)) if exact else "- | -"
        print(f"{row}| {found} |", flush=True)


if __name__ == "__main__":
    main()
