"""What 4D-Var costs on Lorenz-96, and how long its window may be.

    python benchmarks/variational.py [--windows 10]

Tables; times are seconds of the processor, for others may use the machine, too.

- One evaluation of J and its gradient, which is nearly one iteration, against one forecast over the
  window, and the most memory it holds.
- Windows of a perfect model, observed everywhere at every step with R = I. The background's errors
  have the covariance that is used, 0.1 B_clim (standard deviation 1.15). Root mean square errors of
  the analyses; how often the minimum was lost (J ends above 1.3 times half the number of
  observations) and how often the forecast diverged in the search; for one search, for a window that
  grows by 4 steps, and for one search with 15 times the iterations.
- The same of a truth with errors of standard deviation 0.2 a step, which the strong constraint does
  not know and the weak one does.
"""

import argparse
import os
import sys
import time
import tracemalloc
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]

import numpy as np

from dambench_hub.dynamics.lorenz import Lorenz96
from dambench_hub.errors import ForecastError
from dambench_hub.estimation.covariance_roots import DiagonalRoot, MatrixRoot
from dambench_hub.estimation.variational import analyse_window
from dambench_hub.estimation.window_cost import TimedObservations, WindowCost

STEP_HOURS = 6.0
TOLERANCE, ITERATIONS, PATIENT, GROWTH = 1e-2, 200, 3000, 4
LOST = 1.3
"""J over half the number of observations, above which the search ended in a wrong minimum."""


def everything(x):
    """H x = x."""
    return x, lambda v: v


def climate(model, runs=200):
    """States on the attractor, (samples, n)."""
    states = 3 + np.random.default_rng(0).normal(size=(runs, *model.state_shape))
    samples = [states := model.advance(states, hours) for hours in [12000] + [240] * 50]
    return np.concatenate(samples[1:])


def draw_window(model, start, root, steps, model_error_std, rng):
    """The truth, (L + 1, n), and J of the strong constraint."""
    truth = [start]
    for _ in range(steps):
        noise = model_error_std * rng.normal(size=start.shape)
        truth.append(model.advance(truth[-1], STEP_HOURS) + noise)
    observations = [
        TimedObservations(step, truth[step] + rng.normal(size=start.shape), 1.0, everything)
        for step in range(1, steps + 1)
    ]
    background = start + root(rng.normal(size=root.control_shape))
    hours = STEP_HOURS * np.arange(steps + 1)
    return np.array(truth), WindowCost(background, root, observations, model.window(hours))


def most_memory(function):
    """MB that a call holds at the most."""
    tracemalloc.start()
    function()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


def best_time(function, repetitions=20):
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(repetitions):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return min(times)


def time_evaluation(size, steps):
    """A line of the first table."""
    model, rng = Lorenz96(size=size), np.random.default_rng(1)
    start = model.advance(3 + rng.normal(size=size), 600)
    _, cost = draw_window(model, start, DiagonalRoot(np.ones(size)), steps, 0.0, rng)
    control = np.zeros(cost.controls)
    forecast = best_time(lambda: model.advance(cost.background, STEP_HOURS * steps))
    evaluation = best_time(lambda: cost(control))
    memory = most_memory(lambda: cost(control))
    print(
        f"| {size} | {steps} | {1e3 * forecast:.2f} | {1e3 * evaluation:.2f} "
        f"| {evaluation / forecast:.1f} | {memory:.2f} |"
    )


def analyse(cost, truth, growth, max_iterations):
    """Errors over the window and at its end, whether lost, evaluations, seconds; NaN: diverged."""
    began = time.process_time()
    try:
        analysis = analyse_window(
            cost, tolerance=TOLERANCE, max_iterations=max_iterations, growth=growth
        )
    except ForecastError:
        return 5 * (np.nan,)
    seconds = time.process_time() - began
    error = np.sqrt(np.mean((analysis.trajectory - truth) ** 2, axis=1))
    lost = analysis.searches[-1].cost_end > LOST * (len(truth) - 1) * truth.shape[1] / 2
    evaluations = sum(search.evaluations for search in analysis.searches)
    return error.mean(), error[-1], lost, evaluations, seconds


def print_windows(lengths, windows, model_error_std, variants):
    """A table with a line for each length and variant, (name, Q^½, growth, iterations)."""
    model = Lorenz96()
    states = climate(model)
    root = MatrixRoot.of(0.1 * np.cov(states.T))
    print("\n| steps (days) | | RMSE of the window | at its end | lost | diverged | J | s |")
    print("|---|---|---|---|---|---|---|---|")
    for steps in lengths:
        drawn = []
        for window in range(windows):
            rng = np.random.default_rng([2, window])
            start = states[-1 - window]
            drawn.append(draw_window(model, start, root, steps, model_error_std, rng))
        for name, error_root, growth, iterations in variants:
            rows = np.array(
                [
                    analyse(replace(cost, model_error_root=error_root), truth, growth, iterations)
                    for truth, cost in drawn
                ]
            )
            ended = rows[~np.isnan(rows[:, 0])]
            everywhere, end, _, evaluations, seconds = ended.mean(axis=0)
            print(
                f"| {steps} ({steps / 4:g}) | {name} | {everywhere:.2f} | {end:.2f} "
                f"| {ended[:, 2].sum():.0f} | {windows - len(ended)} | {evaluations:.0f} "
                f"| {seconds:.2f} |",
                flush=True,
            )


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--windows", type=int, default=10, help="windows of each kind")
    args = parser.parse_args(argv)
    print("| sites | steps | forecast, ms | J and gradient, ms | ratio | MB |")
    print("|---|---|---|---|---|---|")
    for size, steps in [(40, 4), (40, 16), (40, 64), (10_000, 4), (10_000, 16), (10_000, 64)]:
        time_evaluation(size, steps)
    once, growing = ("one search", None, None, ITERATIONS), ("growing", None, GROWTH, ITERATIONS)
    print_windows((4, 8, 16, 24, 32, 48), args.windows, 0.0, [once, growing])
    print_windows(
        (32, 48), args.windows, 0.0, [(f"one, {PATIENT} iterations", None, None, PATIENT)]
    )
    q = DiagonalRoot(np.full(40, 0.2))
    constraints = [
        (name, root, GROWTH, ITERATIONS) for name, root in [("strong", None), ("weak", q)]
    ]
    print_windows((4, 8, 16, 24, 32), args.windows, 0.2, constraints)


if __name__ == "__main__":
    sys.exit(main())
