"""4D-Var with and without modalities: errors at the end of a few windows of the data set `cycle`.

    python benchmarks/modality_windows.py --data cycle [--windows 3] [--method var4d]

A window lasts from one test day to the next. Its state at the start is the data set's background of
the first day, analysed by 3D-Var with that day's observations, as in a cycle; observed is the
second day. B, the mean error and σ of the modalities are those of the training split.

Errors against the reference of the second day: RMSE of each channel in units of what backgrounds
are wrong by (`background_error_std`), mean over levels, then over variables; means over windows.
`forecast` has seen nothing of the second day. Seconds are those of the processor.

`--only gradients`: in the first window, J of one modality without other observations, along its
gradient in the controls. Central differences over so large steps (norm of the control, whose
numbers have unit variance) in units of what the gradient says; 1 where it is right.
"""

import argparse
import os
import sys
import time
from copy import copy
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]

import numpy as np

from dambench_hub.coordinates.variables import mean_over_variables, means_by_variable
from dambench_hub.cycling import first_states
from dambench_hub.data import load_data
from dambench_hub.dynamics.jax_setup import prepare_jax
from dambench_hub.models.registry import method_class
from dambench_hub.models.var3d import Var3D

FIRST, LAST = 10, 50
"""Test days between which the windows start, evenly spread."""

CASES = ((), ("olr",), ("precipitation",), ("olr", "precipitation"))
"""Modalities to be assimilated."""

SIZES = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Norms of the steps along gradients."""

PARTS = ("gradients", "windows")


class Window:
    """A state at its start, and what is observed a day later.

    Args:
        data: Data set of consecutive test days.
        var3d: Makes the analysis at the start.
        view: Of the model.
        guess: Some state of the model.
        day: Number of the first test day.
    """

    def __init__(self, data, var3d, view, guess, day):
        batch, self.observed = data.batches("multimodal", indices=[day, day + 1])
        self.view, self.start = view, batch.time[0]
        (state,) = first_states(view, guess, batch.background[0])
        seen = view.see(state)
        analysis = var3d.assimilate(batch.without_reference().with_background(seen[None])).mean[0]
        self.state = view.add(state, analysis - seen)
        self.scale = data.statistics.background_error_std
        self.weights = data.grid.weights[:, None]

    def error(self, state):
        """RMSE at the end in units of the background error, (C,)."""
        difference = self.view.see(state).astype(np.float64) - self.observed.reference[0]
        return np.sqrt((self.weights * difference**2).mean(axis=(1, 2))) / self.scale

    def forecast(self):
        """The state at the end without its observations."""
        return self.view.model.advance(self.state, 24, self.start)

    def analysis(self, method):
        """The state at the end with them."""
        return method.analyse_states(self.state, self.start, [self.observed.without_reference()])


def print_line(label, channels, errors, seconds):
    """Means over windows: over variables, of each, and processor time of a window."""
    mean = np.mean(errors, axis=0)
    cells = [mean_over_variables(channels, mean), *means_by_variable(channels, mean).values()]
    each = " ".join(f"{mean_over_variables(channels, one):.3f}" for one in errors)
    line = " | ".join(f"{value:.3f}" for value in cells)
    print(f"| {label} | {line} | {each} | {seconds:.0f} |", flush=True)


def print_gradients(method, window):
    """A line for each modality: slopes over those of its gradient."""
    print(f"\n| modality | J | norm of the gradient | {' | '.join(map(str, SIZES))} |")
    print("|---" * (len(SIZES) + 3) + "|", flush=True)
    batch = window.observed.without_reference()
    nothing = {"observation_index": batch.observation_index[..., :0]}
    nothing |= {"observation_values": batch.observation_values[..., :0]}
    for name in batch.modalities:
        one = copy(method)
        one.modalities = (name,)
        cost = one.cost(window.state, window.start, [replace(batch, **nothing)])
        J, gradient = cost(np.zeros(cost.controls))
        norm = np.linalg.norm(gradient)
        along = gradient / norm
        slopes = [(cost(size * along)[0] - cost(-size * along)[0]) / 2 / size for size in SIZES]
        line = " | ".join(f"{slope / norm:.2f}" for slope in slopes)
        print(f"| {name} | {J:.0f} | {norm:.0f} | {line} |", flush=True)


def print_windows(fitted, windows):
    """Errors of forecasts, and of analyses with each set of modalities."""
    channels = fitted.channels
    variables = list(means_by_variable(channels, fitted.covariance.scale))
    print(f"\n| modalities | mean | {' | '.join(variables)} | mean of each window | s |")
    print("|---" * (len(variables) + 4) + "|", flush=True)
    print_line("forecast", channels, [window.error(window.forecast()) for window in windows], 0)
    for names in CASES:
        method, began = copy(fitted), time.process_time()
        method.modalities = names
        errors = [window.error(window.analysis(method)) for window in windows]
        seconds = (time.process_time() - began) / len(windows)
        print_line(", ".join(names) or "none", channels, errors, seconds)


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="cycle", help="folder of the data set")
    parser.add_argument("--windows", type=int, default=3, help="how many")
    parser.add_argument("--method", default="var4d", choices=["var4d", "weak_var4d"])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args(argv)
    prepare_jax()
    from dambench_hub.dynamics.circulation_view import circulation_view

    data = load_data(args.data)
    view = circulation_view(data.manifest.source["settings"], data.grid)
    fitted = method_class(args.method).fit(data.batches("multimodal", "train", 4, buffers=2))
    fitted.view = view
    var3d = Var3D(fitted.channels, fitted.covariance, fitted.bias, None)
    days = np.linspace(FIRST, LAST, args.windows).round().astype(int)
    days = days if "windows" in args.only else days[:1]
    guess = view.guess(data.manifest.times("test")[FIRST], 0)
    windows = [Window(data, var3d, view, guess, int(day)) for day in days]
    fitted.cost(windows[0].state, windows[0].start, [])  # finds the root, for all that follow
    if "gradients" in args.only:
        print_gradients(fitted, windows[0])
    if "windows" in args.only:
        print_windows(fitted, windows)


if __name__ == "__main__":
    sys.exit(main())
