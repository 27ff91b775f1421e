"""4D-Var through the circulation: windows against 3D-Var at their end, and what options do.

    python benchmarks/circulation_windows.py --data cycle [--windows 3] [--only options windows]

A twin experiment like that of the data set `cycle`. The truth is a run of its nature model, grown
from rest. A window starts from an analysis, as in a cycle: a 24-hour forecast by the imperfect
model from a state that is wrong by a fifth of the difference of two other days, analysed by 3D-Var
with the observations of the window's start. In the window there are observations every 6 h, or at
its end only, drawn as the data set's are. B and the mean error are those of the training split.

Errors are those at the window's end: over all channels, in units of the standard deviation of B's
errors, and of z500; after so many evaluations of J (of the smallest J among them), and at the end.
J is in units of half the number of observations. Seconds are those of the processor; memory is the
peak of a process for each constraint, until then. Means are over windows; those whose search was
left open at its limit, or broke off as a forecast diverged, are counted.

- Options: in windows of 24 h with observations at their end, as `baselines/cycle.py` has them.
- Windows: 4D-Var with its own options, against no observations, 3D-Var with the last ones only, and
  3D-Var with those of each time, one after the other. 3D-Var takes the mean error of a 24-hour
  forecast from its background, in parts for shorter ones.
"""

import argparse
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from multiprocessing import get_context

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]

import numpy as np

from dambench_hub.data import Batch, load_data
from dambench_hub.dynamics.jax_setup import prepare_jax
from dambench_hub.errors import ForecastError
from dambench_hub.estimation.minimisation import minimise
from dambench_hub.models.var3d import Var3D
from dambench_hub.models.var4d import Var4D
from dambench_hub.models.weak_var4d import WeakVar4D
from dambench_hub.observations import draw_observations

FIRST, DAYS_APART = np.datetime64("2024-01-12T00"), 20
PAST_DAYS = 10
"""Of the truth, before the first window, to make initial errors from."""

KINDS = {"6": (6,), "12": (6, 12), "24": (6, 12, 18, 24), "24, at the end": (24,)}
"""Hours with observations of each kind of windows."""

IN_CYCLE = "24, at the end"
EVALUATIONS = (5, 10, 20, 50)
"""Of J, after which options are compared."""

CONSTRAINTS = {"strong": Var4D, "weak": WeakVar4D}
OPTIONS = {
    "weak": [(0.5, 0.1, 20), (0.5, 0.2, 20), (0.5, 0.4, 50), (0.5, 0.8, 20), (0.7, 0.4, 20)]
    + [(1.0, 0.4, 20)],
    "strong": [(0.5, None, 20), (0.7, None, 20), (1.0, None, 20)],
}
"""background_scale, model_error_scale and max_iterations to be compared."""

PARTS = ("options", "windows")
COLUMNS = (*map(str, EVALUATIONS), "end", "J", "evaluations", "s", "GB", "open", "diverged")


@dataclass(frozen=True)
class Window:
    """An analysis, its time, and by hours after it true fields and observations."""

    start: np.datetime64
    state: np.ndarray
    truths: dict[int, np.ndarray]
    batches: dict[int, Batch]


def views(data):
    """Nature and the imperfect model in the data set's channels."""
    from dambench_hub.dynamics.circulation_view import circulation_view

    settings = data.manifest.source["settings"]
    perfect = settings | {"forecast": settings["nature"], "forecast_parameters": {}}
    return circulation_view(perfect, data.grid), circulation_view(settings, data.grid)


def draw_windows(data, var3d, count):
    """Windows of one nature run."""
    prepare_jax()
    nature, view = views(data)
    day = FIRST - np.timedelta64(PAST_DAYS, "D")
    past, windows = [nature.guess(day, seed=0)], []
    for n in range(count):
        while day < FIRST + n * np.timedelta64(DAYS_APART, "D"):
            past.append(nature.model.advance(past[-1], 24, day))
            day += np.timedelta64(1, "D")
        wrong = past[-2] + initial_error(day, past[:-1])
        background = view.model.advance(wrong, 24, day - np.timedelta64(1, "D"))
        truths, batches = {}, {}
        for hours in (0, 6, 12, 18, 24):
            truths[hours] = nature.see(nature.model.advance(past[-1], hours, day))
            batches[hours] = observe(data, truths[hours], day + np.timedelta64(hours, "h"))
        state = analyse_fields(var3d, view, background, batches[0], 24)
        windows.append(Window(day, state, truths, batches))
    return windows


def initial_error(day, past):
    """Weather of another day: ± 0.2 (x(−a) − x(−a − 5 days)), a of 2 to 5 days and sign drawn."""
    rng = np.random.default_rng(day.astype(int))
    age, sign = rng.integers(2, 6), rng.choice([-1.0, 1.0])
    return sign * 0.2 * (past[-age] - past[-age - 5])


def observe(data, truth, valid_time):
    """Observations of a truth, as the data set has them."""
    settings = data.manifest.observations
    error_std = data.observation_error_std(settings)
    index, values = draw_observations(settings, data.grid, truth, error_std, valid_time)
    nothing = np.zeros((1, *truth.shape), np.float32)
    time_ = np.array([valid_time], "datetime64[h]")
    return Batch(data.channels, data.grid, time_, nothing, index[None], values[None], error_std)


def analyse_fields(var3d, view, state, batch, hours):
    """The state after 3D-Var, with the mean error of a forecast of so many hours."""
    method = Var3D(var3d.channels, var3d.covariance, var3d.bias * hours / 24, None)
    seen = view.see(state)
    analysis = method.assimilate(replace(batch, background=seen[None])).mean[0]
    return view.add(state, analysis - seen)


class Errors:
    """Squared errors of states: over all channels in units of B's, and of z500."""

    def __init__(self, view, covariance):
        self.view, self.scale = view, covariance.scale
        self.z500 = view.channels.index("z500")
        self.weights = covariance.grid.weights[:, None] / covariance.grid.size

    def __call__(self, state, truth):
        """(2,)."""
        error = self.view.see(state).astype(np.float64) - truth
        squared = (self.weights * error**2).sum(axis=(1, 2))
        return np.array([(squared / self.scale**2).mean(), squared[self.z500]])


class Recorded:
    """J that remembers where it was asked, and what it was there."""

    def __init__(self, cost):
        self.cost, self.controls, self.values = cost, [], []

    def __call__(self, control):
        """J and its gradient."""
        J, gradient = self.cost(control)
        self.controls.append(control.copy())
        self.values.append(J)
        return J, gradient

    def best(self, evaluations):
        """The control with the smallest J among so many."""
        return self.controls[int(np.argmin(self.values[:evaluations]))]


def by_4d_var(constraint, var3d, data, windows, cases):
    """Print a line for each case, (label, kind of windows, options)."""
    prepare_jax()
    _, view = views(data)
    errors = Errors(view, var3d.covariance)
    method = CONSTRAINTS[constraint](var3d.channels, var3d.covariance, var3d.bias)
    method.view = view
    method.cost(windows[0].state, windows[0].start, [])  # finds the root, for all that follow
    for label, kind, options in cases:
        one = copy(method)
        vars(one).update(options)
        print_line(label, [search(one, errors, window, KINDS[kind]) for window in windows])


def search(method, errors, window, hours):
    """What comes of one window, by column and number of evaluations; None if it diverged."""
    batches, began = [window.batches[h] for h in hours], time.process_time()
    J = Recorded(method.cost(window.state, window.start, batches))
    limits = {"tolerance": method.tolerance, "max_iterations": method.max_iterations}
    try:
        found = minimise(J, np.zeros(J.cost.controls), **limits)
    except ForecastError:
        return None
    seconds = time.process_time() - began
    counts = {str(n): n for n in EVALUATIONS if n <= found.evaluations}
    squared = {
        name: errors(J.cost.trajectory(J.best(n))[-1], window.truths[hours[-1]])
        for name, n in (counts | {"end": found.evaluations}).items()
    }
    expected = sum(batch.observation_values.size for batch in batches) / 2
    return squared | {
        "J": np.array([found.cost_start, found.cost_end]) / expected,
        "evaluations": found.evaluations,
        "s": seconds,
        "open": not found.converged,
    }


def print_line(label, found):
    """Means over the windows that did not diverge; how many were left open, how many diverged."""
    ended = [one for one in found if one]

    def cell(name):
        if name == "GB":
            return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f}"
        if name == "diverged":
            return f"{len(found) - len(ended)}"
        if not ended or any(name not in one for one in ended):
            return ""
        if name == "open":
            return f"{sum(one[name] for one in ended)}"
        mean = np.mean([one[name] for one in ended], axis=0)
        if name == "J":
            return f"{mean[0]:.2f} → {mean[1]:.2f}"
        if mean.shape == (2,):
            return f"{np.sqrt(mean[0]):.3f} ({np.sqrt(mean[1]):.1f})"
        return f"{mean:.0f}"

    print(f"| {label} | {' | '.join(map(cell, COLUMNS))} |", flush=True)


def by_3d_var(var3d, data, windows):
    """Print a line without observations, and two of 3D-Var, for each kind of windows."""
    prepare_jax()
    _, view = views(data)
    errors = Errors(view, var3d.covariance)
    for kind, hours in KINDS.items():
        last = hours[-1:]
        observed = {"none": (), "3D-Var, the last": last, "3D-Var, each": hours}
        for name, times in observed.items():
            ends = [analyse_each(var3d, view, window, times, last[0]) for window in windows]
            pairs = zip(ends, windows, strict=True)
            found = [{"end": errors(end, window.truths[last[0]])} for end, window in pairs]
            print_line(f"{kind} | {name}", found)


def analyse_each(var3d, view, window, times, end):
    """The state at the end, with 3D-Var at some times before."""
    state, before = window.state, 0
    for now in times:
        valid = window.start + np.timedelta64(before, "h")
        state = view.model.advance(state, now - before, valid)
        state = analyse_fields(var3d, view, state, window.batches[now], now - before)
        before = now
    return view.model.advance(state, end - before, window.start + np.timedelta64(before, "h"))


def in_process(function, *args):
    """What a function returns in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def print_head(label):
    """Of a table, whose lines begin with as many columns as the label has."""
    print(f"\n| {label} | {' | '.join(COLUMNS)} |")
    print("|---" * (len(label.split("|")) + len(COLUMNS)) + "|", flush=True)


def print_options(var3d, data, windows):
    """The table of scales."""
    print_head("constraint | s | q")
    for constraint, choices in OPTIONS.items():
        cases = []
        for s, q, most in choices:
            options = {"background_scale": s, "max_iterations": most}
            options |= {} if q is None else {"model_error_scale": q}
            cases.append((f"{constraint} | {s:g} | {q or ''}", IN_CYCLE, options))
        in_process(by_4d_var, constraint, var3d, data, windows, cases)


def print_windows(var3d, data, windows):
    """The table of the kinds of windows."""
    print_head("hours | by")
    in_process(by_3d_var, var3d, data, windows)
    for constraint in CONSTRAINTS:
        cases = [(f"{kind} | {constraint}", kind, {}) for kind in KINDS]
        in_process(by_4d_var, constraint, var3d, data, windows, cases)


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="cycling", help="folder of the data set")
    parser.add_argument("--windows", type=int, default=3, help="how many")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args(argv)
    data = load_data(args.data)
    var3d = Var3D.fit(data.batches("cycling", "train", 4, buffers=2))
    windows = in_process(draw_windows, data, var3d, args.windows)
    if "options" in args.only:
        print_options(var3d, data, windows)
    if "windows" in args.only:
        print_windows(var3d, data, windows)


if __name__ == "__main__":
    sys.exit(main())
