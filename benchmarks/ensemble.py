"""Ensemble filters: seconds and memory of an analysis, a naive loop, observations, cores, DAPPER.

    python benchmarks/ensemble.py [--only grids observations cores naive lorenz] [--dapper PYTHON]

Fields are made up: 40 members of smooth noise in 69 channels, of which 5 % of the grid points
observe all. Each case runs in a process of its own, with one thread if not said otherwise. Seconds
are those of processors, and beside them those of the clock, which a shared machine makes longer.
Memory is the peak of the process, with the members that it was given.

The naive loop does what the LETKF's equations say, column by column: it collects the observations
in reach, forms Y R⁻¹ Yᵀ from them, and takes the symmetric root. On a large grid it does some of
the columns, and its time for all is extrapolated.

`lorenz` is the experiment of `tests/estimation/twin_experiment.py`; PYTHON is that of an
environment with DAPPER (`pip install dapper`), whose filters run on the same settings. Without it
that part is left out.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

if __name__ == "__main__" and "--case" not in sys.argv:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.estimation.localisation import Localisation
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.registry import method_class
from dambench_hub.observations import ObservationSettings, draw_observations
from dambench_hub.testing import smooth_field

CHANNELS, MEMBERS, LENGTH_KM = 69, 40, 1000.0
PARTS = ("grids", "observations", "cores", "naive", "lorenz")
NAIVE_COLUMNS = 400
TESTS = Path(__file__).parents[1] / "tests"


def make_batch(grid, density=0.05, network="column", samples=1):
    """A batch with members, whose channels are mixtures of a few smooth fields."""
    rng = np.random.default_rng(0)
    fields = np.stack([smooth_field(grid, 0.15, rng) for _ in range(60)])
    mixed = rng.normal(size=((MEMBERS + 1) * CHANNELS, len(fields))) / np.sqrt(len(fields))
    states = (mixed @ fields.reshape(len(fields), -1)).astype(np.float32)
    states = states.reshape(MEMBERS + 1, CHANNELS, *grid.shape)
    time_ = np.datetime64("2001-01-01", "h")
    std = np.full(CHANNELS, 0.25)
    settings = ObservationSettings(density=density, network=network)
    index, values = draw_observations(settings, grid, states[0], std, time_)
    return Batch(
        channels=tuple(f"c{n}" for n in range(CHANNELS)),
        grid=grid,
        time=np.array([time_] * samples),
        background=np.repeat(states[:1], samples, axis=0),
        observation_index=np.repeat(index[None], samples, axis=0),
        observation_values=np.repeat(values[None], samples, axis=0),
        observation_error_std=std,
        background_members=np.repeat(states[None, 1:], samples, axis=0),
    )


def make_method(name, batch):
    """A method whose training is of no importance: the batch brings its members."""
    nothing = np.zeros((1, CHANNELS, *batch.grid.shape), np.float32)
    climatology = ClimatologicalEnsemble(
        batch.channels, batch.grid, nothing, np.zeros(1, int), nothing[0].astype(float)
    )
    return method_class(name)(climatology, localisation_km=LENGTH_KM, relaxation=0.0)


def analysis_case(method, grid, density=0.05, network="column"):
    """Seconds and peak memory of one analysis."""
    batch = make_batch(Grid.parse(grid), density, network)
    filtered = make_method(method, batch)
    return timed(lambda: filtered.assimilate(batch))[1] | {"gb": peak_gb()}


def naive_case(grid):
    """Seconds of the naive loop and of ours, and how far their analyses are apart."""
    batch = make_batch(Grid.parse(grid))
    size = batch.grid.size
    members = batch.background_members[0].reshape(MEMBERS, CHANNELS, -1).astype(np.float64)
    method = make_method("letkf", batch)
    analysis, ours = timed(lambda: method.assimilate(batch))
    found = analysis.members.reshape(members.shape)
    columns = np.random.default_rng(1).permutation(size)[:NAIVE_COLUMNS]
    wanted, naive = timed(lambda: naive_letkf(members, batch, columns))
    difference = np.abs(found[..., columns] - wanted).max() / members.std()
    whole = naive["seconds"] * size / len(columns)
    return {"seconds": ours["seconds"], "naive": whole, "difference": float(difference)}


def naive_letkf(members, batch, columns):
    """Analysed members of some columns, (N, C, J)."""
    index = batch.observation_index[0]
    points = batch.grid.unit_vectors()
    localisation = Localisation(points, points[index], LENGTH_KM)
    observed = members[..., index]
    Y_all, d_all = observed - observed.mean(0), batch.observation_values[0] - observed.mean(0)
    R = batch.observation_error_std[:, None] ** 2
    analysis = np.empty((MEMBERS, CHANNELS, len(columns)))
    for n, column in enumerate(columns):
        rho = localisation.taper(np.array([column]), np.arange(len(index)))[0]
        near = np.flatnonzero(rho)
        Y = Y_all[..., near].reshape(MEMBERS, -1)
        S = Y * (rho[near] / R).ravel()
        values, V = np.linalg.eigh((MEMBERS - 1) * np.eye(MEMBERS) + S @ Y.T)
        w = V / values @ V.T @ (S @ d_all[:, near].ravel())
        T = np.sqrt(MEMBERS - 1) * (V / np.sqrt(values)) @ V.T
        mean = members[..., column].mean(0)
        analysis[..., n] = mean + (w + T) @ (members[..., column] - mean)
    return analysis


def lorenz_case(name):
    """Accuracy and seconds of one of our filters on Lorenz-96."""
    sys.path.insert(0, str(TESTS))
    from estimation.twin_experiment import (
        EVERY_STEP,
        analysis_rmse,
        local_filter,
        stochastic_filter,
    )

    members = {"enkf": 40, "letkf": 7}[name]
    filtered = stochastic_filter(1.06, 1.0) if name == "enkf" else local_filter(1.04, 4.0, True)
    rmse, took = timed(lambda: analysis_rmse(filtered, members, **EVERY_STEP))
    return {"rmse": float(rmse)} | took


DAPPER = """
import json, sys, time
import numpy as np
import dapper as dpr
import dapper.da_methods as da
from dapper.mods.Lorenz96.sakov2008 import HMM
dpr.rc.liveplotting_enabled = False
HMM.tseq.Ko, HMM.tseq.BurnIn = 999, 400 * 0.05
dpr.set_seed(3000)
xx, yy = HMM.simulate()
filters = {"enkf": da.EnKF("PertObs", N=40, infl=1.06),
           "letkf": da.LETKF(N=7, infl=1.04, loc_rad=4, rot=True)}
found = {}
for name, filtered in filters.items():
    start = time.process_time()
    filtered.assimilate(HMM, xx, yy)
    seconds = time.process_time() - start
    filtered.stats.average_in_time()
    found[name] = {"rmse": float(filtered.avrgs.err.rms.a.val), "seconds": seconds}
print("FOUND" + json.dumps(found))
"""
"""The same experiment with DAPPER."""


def dapper_case(python):
    """Accuracy and seconds of DAPPER's filters, or None where it is not installed."""
    done = subprocess.run([python, "-c", DAPPER], capture_output=True, text=True, env=threads(1))
    if done.returncode:
        print(f"DAPPER is left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.split("FOUND")[1])


def timed(function):
    """What a function returns, and how long it took."""
    processor, clock = time.process_time(), time.perf_counter()
    value = function()
    seconds = time.process_time() - processor
    return value, {"seconds": seconds, "clock": time.perf_counter() - clock}


def peak_gb():
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def threads(count):
    """The environment for a process whose linear algebra has so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(count))}


def started(case, *arguments, cores=1):
    """A case begun in a process of its own."""
    command = [sys.executable, __file__, "--case", json.dumps([case, *arguments])]
    return subprocess.Popen(command, env=threads(cores), stdout=subprocess.PIPE, text=True)


def result(process):
    """What a case returned."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(out)


def times(one):
    """Two cells of a table."""
    return f"{one['seconds']:.2f} | {one['clock']:.2f}"


def measure_grids():
    """Each method on each grid."""
    print("\n| method | grid | network | s | clock | peak GB |\n|---|---|---|---|---|---|")
    for grid in "33x64", "121x240":
        for method, network in (("letkf", "column"), ("letkf", "iid"), ("enkf", "column")):
            one = result(started("analysis", method, grid, 0.05, network))
            print(f"| `{method}` | {grid} | {network} | {times(one)} | {one['gb']:.2f} |")


def measure_observations():
    """LETKF with more and more observations."""
    print("\n| observed | s | clock | peak GB |\n|---|---|---|---|")
    for density in 0.01, 0.02, 0.05, 0.1, 0.2:
        one = result(started("analysis", "letkf", "121x240", density))
        print(f"| {density:.0%} | {times(one)} | {one['gb']:.2f} |")


def measure_cores():
    """LETKF with two threads, and two analyses beside each other."""
    case = ("analysis", "letkf", "121x240")
    print("\n| 121x240 | s of each | clock |\n|---|---|---|")
    print(f"| one analysis, 1 thread | {times(result(started(*case)))} |")
    print(f"| one analysis, 2 threads | {times(result(started(*case, cores=2)))} |")
    both = [result(one) for one in [started(*case), started(*case)]]
    print(f"| two at a time, 1 thread each | {times(max(both, key=lambda one: one['clock']))} |")


def measure_naive():
    """LETKF against the naive loop."""
    print("\n| grid | naive, s | ours, s | ratio | largest difference, in std |")
    print("|---|---|---|---|---|")
    for grid in "33x64", "121x240":
        one = result(started("naive", grid))
        ratio = one["naive"] / one["seconds"]
        print(
            f"| {grid} | {one['naive']:.1f} | {one['seconds']:.2f} | {ratio:.1f} "
            f"| {one['difference']:.1e} |"
        )


def measure_lorenz(dapper):
    """Our filters on Lorenz-96, and DAPPER's."""
    theirs = dapper_case(dapper)
    print("\n| Lorenz-96, 1000 cycles | RMSE | s | RMSE, DAPPER | s, DAPPER | ratio |")
    print("|---|---|---|---|---|---|")
    for name in "enkf", "letkf":
        one = result(started("lorenz", name))
        row = f"| `{name}` | {one['rmse']:.3f} | {one['seconds']:.2f} |"
        if theirs:
            other = theirs[name]
            ratio = other["seconds"] / one["seconds"]
            row += f" {other['rmse']:.3f} | {other['seconds']:.2f} | {ratio:.1f} |"
        print(row if theirs else row + " – | – | – |")


def main():
    """Run the cases, print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--dapper", metavar="PYTHON", default=sys.executable)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        cases = {"analysis": analysis_case, "naive": naive_case, "lorenz": lorenz_case}
        name, *arguments = json.loads(args.case)
        print(json.dumps(cases[name](*arguments)))
        return
    for part in args.only:
        globals()[f"measure_{part}"](*([args.dapper] if part == "lorenz" else []))


if __name__ == "__main__":
    main()
