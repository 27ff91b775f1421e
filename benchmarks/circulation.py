"""The circulation model in assimilation: seconds and memory, and what comes back of an increment.

    python benchmarks/circulation.py [--only costs recovered] [--grid 33x64]

The forecast model of the twin experiment `mini` (T21, 8 levels, steps of 1 h) on states that are
grown from rest. Each case runs in a process of its own with one thread. Seconds are those of the
processor, the best of some runs; memory is the peak of the process.

- Costs: a forecast and its gradient (`linearise` and the pullback), compiled before; with an empty
  cache, the first gradient and the memory that compiling it takes. What is seen of a state, its
  pullback, and the way back from increments. One iteration of 4D-Var, observed at the end of the
  window: G, a forecast, what is seen of it, and the adjoints of the three. The covariance's own
  part is left out.
- Recovered: increments that are differences of two states in channels, or a fifth of them, are
  added to one of them. 1 − Σ (found − true)² / Σ (true − mean)² on each level, on the grid with
  area weights, mean and worst of some pairs of states; vorticity and divergence by coefficients.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]

import numpy as np

from dambench_hub.building.osse.world import IMPERFECTIONS, PRESETS
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.dynamics.circulation_view import circulation_view
from dambench_hub.dynamics.jax_setup import prepare_jax

STARTS = {"2024-01-02T00": 0, "2024-07-05T00": 1}
"""Valid times of the first of the states that follow one another, and the seeds they grow from."""

DAYS_APART, SERIES = 5, 3
PAIRS = ((0, 1), (1, 0), (1, 2), (0, 2), (3, 4), (4, 3), (4, 5), (0, 3))
PARTS = ("costs", "recovered")
MODEL = {"forecast": PRESETS["mini"].forecast, "forecast_parameters": IMPERFECTIONS}


def grow(view):
    """States with weather: two series, each of three that are five days apart, (6, N)."""
    states = []
    for start, seed in STARTS.items():
        time_ = np.datetime64(start)
        states.append(view.guess(time_, seed))
        for _ in range(SERIES - 1):
            states.append(view.model.advance(states[-1], 24 * DAYS_APART, time_))
            time_ += np.timedelta64(DAYS_APART, "D")
    return np.array(states)


def best_time(function, repetitions=5):
    """Seconds of the processor of the fastest of some runs, after a first one."""
    function()
    return min(seconds(function) for _ in range(repetitions))


def seconds(function):
    """Seconds of the processor that a call takes."""
    began = time.process_time()
    function()
    return time.process_time() - began


def peak_gb():
    """Peak memory of the process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def forecast_case(view, states, hours):
    """A forecast."""
    start = np.datetime64(next(iter(STARTS)))
    took = best_time(lambda: view.model.advance(states[0], hours, start))
    return {f"forecast of {hours:g} h": took}


def gradient(view, states, hours):
    """The gradient of a cost of the end of a forecast."""
    start = np.datetime64(next(iter(STARTS)))
    end, pullback = view.model.linearise(states[0], hours, start)
    return pullback(end - states[1])


def gradient_case(view, states, hours):
    """A gradient through a forecast."""
    return {f"gradient through {hours:g} h": best_time(lambda: gradient(view, states, hours))}


def compile_case(view, states):
    """The first gradient, with nothing compiled before."""
    return {"the first gradient, compiled": seconds(lambda: gradient(view, states, 6))}


def see_case(view, states):
    """What is seen of a state, and its pullback."""
    seen, pullback = view.linearise(states[0])
    return {
        "`see`": best_time(lambda: view.see(states[0])),
        "its pullback": best_time(lambda: pullback(seen)),
    }


def add_case(view, states):
    """An increment added to a state."""
    increment = difference(view, states[0], states[1])
    return {"`add`": best_time(lambda: view.add(states[0], increment))}


def linear_case(view, states):
    """The linear way back."""
    increment = difference(view, states[0], states[1])
    forward, adjoint = view.linear_increments(states[0])

    def prepare():
        view.linear_increments(states[0])[0](increment)

    applied = best_time(lambda: forward(increment))
    return {
        "`linear_increments`, once for a state": best_time(prepare) - applied,
        "G, each time": applied,
        "Gᵀ, each time": best_time(lambda: adjoint(states[0])),
    }


def iteration_case(view, states, hours):
    """J and its gradient but for B's part."""
    increment = 0.1 * difference(view, states[0], states[1])
    forward, adjoint = view.linear_increments(states[0])
    start = np.datetime64(next(iter(STARTS)))

    def iterate():
        end, back = view.model.linearise(states[0] + forward(increment), hours, start)
        seen, pull = view.linearise(end)
        return adjoint(back(pull(seen)))

    return {f"iteration of 4D-Var, {hours:g} h": best_time(iterate)}


def recovered_case(view, states, size):
    """Shares of the variance for each pair, by variable, (pairs, levels)."""
    found = [recovered(view, states[a], states[b], size) for a, b in PAIRS]
    return {name: [one[name].tolist() for one in found] for name in found[0]}


def recovered(view, before, after, size):
    """What `add` recovers of `size` times the difference of two states, by variable, (levels,)."""
    analysed = view.add(before, size * difference(view, before, after))
    weights = view.grid.weights[:, None] / view.grid.size
    first, second, third = (fields(view, state) for state in (before, after, analysed))
    shares = {}
    for name, field in first.items():
        true, found = size * (second[name] - field), third[name] - field
        mean = (weights * true).sum(axis=(1, 2), keepdims=True)
        shares[name] = 1 - ratio(weights * (found - true) ** 2, weights * (true - mean) ** 2)
    first, second, third = map(view.model.vector.unpack, (before, after, analysed))
    for name in ("vorticity", "divergence"):
        true, found = size * (second[name] - first[name]), third[name] - first[name]
        shares[name] = 1 - ratio((found - true) ** 2, true**2)
    return shares


def ratio(missed, whole):
    """Of sums over the horizontal."""
    return missed.sum(axis=(1, 2)) / whole.sum(axis=(1, 2))


def fields(view, state):
    """Variables of the columns of a state, (K, Y, X) each."""
    vector = view.model.vector
    of, synthesis = vector.unpack(state), Synthesis(view.grid, vector.orders, vector.degrees)
    u, v = synthesis.wind(of["vorticity"], of["divergence"])
    return {
        "T": synthesis.scalar(of["temperature_variation"]),
        "q": np.maximum(synthesis.scalar(of["specific_humidity"]), 0),
        "u": u,
        "v": v,
        "ln p_s": synthesis.scalar(of["log_surface_pressure"]),
    }


def difference(view, before, after):
    """Of two states in channels."""
    first, second = view.see(np.stack([before, after])).astype(np.float64)
    return second - first


CASES = {
    "forecast": forecast_case,
    "gradient": gradient_case,
    "compile": compile_case,
    "see": see_case,
    "add": add_case,
    "linear": linear_case,
    "iteration": iteration_case,
    "recovered": recovered_case,
}


def run_case(name, states, grid, number=None, cache=None):
    """What a case finds in a process of its own, and its peak memory."""
    command = [sys.executable, __file__, "--case", name, "--states", str(states), "--grid", grid]
    command += [] if number is None else ["--number", str(number)]
    environment = os.environ | ({} if cache is None else {"XDG_CACHE_HOME": str(cache)})
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def print_costs(states, grid, folder):
    """Seconds, and how many forecasts of 6 h they are."""
    cases = [("forecast", 6), ("forecast", 24), ("gradient", 6), ("gradient", 24)]
    cases += [("see", None), ("add", None), ("linear", None), ("iteration", 6), ("iteration", 24)]
    print("| | s | in forecasts of 6 h | peak GB |\n|---|---|---|---|", flush=True)
    forecast = None
    for name, hours in cases:
        found, gb = run_case(name, states, grid, hours)
        for what, took in found.items():
            forecast = forecast or took
            print(f"| {what} | {took:.4f} | {took / forecast:.2f} | {gb:.2f} |", flush=True)
    found, gb = run_case("compile", states, grid, cache=folder / "nothing")
    print(f"| {next(iter(found))} | {next(iter(found.values())):.0f} | | {gb:.2f} |", flush=True)


def print_recovered(states, grid, size):
    """The table of one size of increments."""
    found, _ = run_case("recovered", states, grid, size)
    levels = range(1, 9)
    print(f"\n{size:g} times the difference, mean (worst), %, of {len(PAIRS)} pairs of states:\n")
    print("| level | " + " | ".join(map(str, levels)) + " |\n|---" + "|---" * 8 + "|")
    for name, shares in found.items():
        percent = 100 * np.array(shares)
        each = zip(percent.mean(axis=0), percent.min(axis=0), strict=True)
        cells = [f"{mean:.1f} ({worst:.1f})" for mean, worst in each]
        print(f"| {name} | " + " | ".join(cells + [""] * (8 - len(cells))) + " |", flush=True)


def main(argv=None):
    """Print the tables; or, with --case, what one case finds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--grid", default="33x64", help="of the channels")
    parser.add_argument("--case", choices=["grow", *CASES], help=argparse.SUPPRESS)
    parser.add_argument("--states", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    prepare_jax()
    if args.case == "grow":
        np.save(args.states, grow(circulation_view(MODEL, Grid.parse(args.grid))))
        print(json.dumps([{}, peak_gb()]))
    elif args.case:
        view = circulation_view(MODEL, Grid.parse(args.grid))
        numbers = [] if args.number is None else [args.number]
        found = CASES[args.case](view, np.load(args.states), *numbers)
        print(json.dumps([found, peak_gb()]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            states = Path(folder) / "states.npy"
            run_case("grow", states, args.grid)
            if "costs" in args.only:
                print_costs(states, args.grid, Path(folder))
            if "recovered" in args.only:
                for size in (1.0, 0.2):
                    print_recovered(states, args.grid, size)


if __name__ == "__main__":
    sys.exit(main())
