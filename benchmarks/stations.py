"""What it costs a method that stations stand between the grid points.

    python benchmarks/stations.py optimal_interpolation letkf var3d --data ensemble

What interpolation misses at the stations of the task `stations`, on training days. Then scores of
test days, and processor seconds of an analysis, with these observations given in several ways and
with those at as many grid points.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.data import as_numpy, load_data
from dambench_hub.metrics import Scorer
from dambench_hub.models import load_method
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.tasks import load_task

STATIONS = load_task("stations")


def print_errors(data):
    """Of H alone: their size, and how they correlate from level to level."""
    settings, scale = STATIONS.observation_settings(data.manifest), data.statistics
    network, exact = settings.stations(data.grid), 1e-6 * scale.background_error_std
    errors = []
    for day in range(0, data.size("train"), 15):
        state = data.reference("train", day)
        at = data.times("train")[day]
        table = network.observe(state, data.channels, data.grid, exact, at)
        H = PointInterpolation(data.channels, data.grid, table)
        errors.append((table.value - H(state.astype(float))).reshape(network.points, -1))
    errors = np.concatenate(errors)
    share = np.sqrt(np.mean(errors**2, axis=0)) / scale.background_error_std
    print(f"H errs by {np.median(share):.3f} of the background's error (median of channels)")
    correlation = np.corrcoef(errors.T)
    variables = [c.variable.name if c.level else "" for c in parse_channels(data.channels)]
    for name in filter(None, dict.fromkeys(variables)):
        levels = [n for n, variable in enumerate(variables) if variable == name]
        mean = np.mean([correlation[pair] for pair in pairwise(levels)])
        print(f"- {name}: correlation of neighbouring levels {mean:.2f}")


def with_errors(batch, error_std):
    """Tables with another R, of what `error_std` makes of each."""
    tables = (table.replace(error_std=error_std(table)) for table in batch.reports)
    return replace(batch, reports=tuple(tables))


def ways(data):
    """The task, and what becomes of its batches, by name."""
    settings = STATIONS.observation_settings(data.manifest)
    std = settings.instrument_error_std(data.statistics.background_error_std, data.channels)

    def instruments(table):
        return np.tile(std, len(table) // len(std))

    return {
        "at grid points": (load_task("density-05"), lambda batch: batch),
        "through H": (STATIONS, lambda batch: batch),
        "through superobservations": (STATIONS, lambda batch: replace(batch, reports=None)),
        "H, R of instruments alone": (STATIONS, lambda batch: with_errors(batch, instruments)),
        "H, R½ × 1.5": (STATIONS, lambda b: with_errors(b, lambda t: 1.5 * t.error_std)),
        "H, R½ × 2": (STATIONS, lambda b: with_errors(b, lambda t: 2 * t.error_std)),
    }


def cell(method, data, task, change):
    """Skill in %, MSE, and seconds of an analysis."""
    scorer, seconds = Scorer(data.channels, data.grid.latitude, data.statistics.std), []
    for batch in data.batches(task, ensemble=method.uses_ensemble):
        given = change(batch).without_reference()
        start = time.process_time()
        analysis = method.assimilate(given)
        seconds.append(time.process_time() - start)
        scorer.update(as_numpy(analysis.mean), batch.reference, batch.background)
    found = scorer.compute()
    return f"{found['skill']:.1f} / {found['mse']:.5f} / {np.median(seconds):.1f}"


def main():
    """Print errors, and a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--data", default="dambench")
    parser.add_argument("--stride", type=int, default=12, help="every N-th test day (12)")
    args = parser.parse_args()
    data = load_data(args.data)
    print_errors(data)
    methods = [load_method(name, data.batches("unimodal", "train", 4)) for name in args.methods]
    print(f"\n| | {' | '.join(args.methods)} |\n|---|{'---|' * len(methods)}")
    for name, (task, change) in ways(data).items():
        task = replace(task, stride=args.stride)
        row = " | ".join(cell(method, data, task, change) for method in methods)
        print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
