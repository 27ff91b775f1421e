"""Let a method cycle in its own forecasts, day after day, and see where that leads.

    python builders/osse/build.py --preset cycle --out cycle
    python baselines/cycle.py letkf --data cycle --out results/letkf_cycle.nc

METHOD (a name, the folder of a trained model or of its training, or a Hub id) analyses the first
test day, the forecast model makes the next day's background of that analysis, and so on. METHOD
`background` never looks at observations: what the model does without them. The model is the
imperfect one of the twin experiment that the data set comes from, or an emulator, given its folder.

Ensemble methods cycle with an ensemble. With --members any other method does so too: each member
is analysed for itself, with perturbed observations. From the analyses start forecasts.

With --task multimodal-cycling precipitation and radiation are observed, too, and their equivalents
are what the forecast of each background says; methods without use for them leave them.

OUT is a prediction file of the task. Beside it OUT with the ending .errors.nc holds the
errors and spread over cycles and lead times, .png shows them, and baselines/compare_cycles.py sets
several beside one another. Interrupted, the same command goes on where it stopped. A cycle that
diverges says so: its record and picture show what was reached, and there is no prediction file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.cycling import Cycle, CycleRecord, CycleRun, Plan, first_states, saturation
from dambench_hub.cycling.table import channel_table
from dambench_hub.data import Analysis, Batch, Data, load_data
from dambench_hub.dynamics.jax_setup import prepare_jax
from dambench_hub.dynamics.model_view import ModelView
from dambench_hub.errors import TaskError
from dambench_hub.models import Assimilator, load_method
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.entry_points import packaged_code
from dambench_hub.models.preparation import (
    described,
    find_method,
    prepare,
    read_options,
    require_modalities,
)
from dambench_hub.models.pretrained import model_files
from dambench_hub.plots import plot_cycles
from dambench_hub.predictions import write_predictions
from dambench_hub.predictions.parts import Parts, Share
from dambench_hub.predictions.writer import require_free
from dambench_hub.runtime.command_line import parser_of, table_console
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code
from dambench_hub.tasks import Task, load_task
from dambench_hub.version import __version__

CIRCULATION = "circulation"
ENSEMBLE = 20
"""Members of ensemble methods, unless others are asked for."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("method", metavar="METHOD", help="a name, a folder, or a Hub id")
    add("--revision", help="commit, tag or branch of a method on the Hub")
    add("--data", default="cycling", help="data set folder or Hub id")
    add("--task", default="cycling", help="a task that cycles")
    add("--model", default=CIRCULATION, help="circulation, or the folder of an emulator")
    add("--out", type=local_path, help="METHOD_cycle.nc, or .safetensors")
    add("--overwrite", action="store_true", help="replace an existing file")
    add("--members", type=int, metavar="M", help="states that cycle (20 or 1)")
    add("--keep-members", action="store_true", help="write them, instead of their mean")
    add("--option", action="append", default=[], metavar="NAME=VALUE", help="of a fitted method")
    add("--forecasts", type=int, default=10, metavar="L", help="longest, in cycles (10)")
    add("--forecast-every", type=int, metavar="K", help="from each K-th analysis (5 or 1)")
    add("--discard", type=int, default=10, help="cycles of spin-up, not in the table (10)")
    add("--device", default="auto", help="auto (a GPU, if any), cpu, cuda:1 …")
    add("--seed", type=int, default=0, help="of all that is drawn (0)")
    args = parser.parse_args(argv)
    for name in ("members", "forecasts", "forecast_every"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if args.discard < 0 or args.seed < 0:
        parser.error("--discard and --seed must be at least 0")
    return args


def cycle(args: argparse.Namespace) -> Path:
    """Load, cycle, write; the prediction file's path."""
    name, folder = find_method(args.method, args.revision)
    out = args.out or Path(f"{name}_cycle.nc")
    require_free(out, args.overwrite)
    task, data = load_task(args.task), load_data(args.data)
    if not task.cycle_hours:
        raise TaskError(f"The task {task.name} does not cycle; use baselines/predict.py for it.")
    times = task.times(data.manifest)
    view = find_view(args.model, data)
    options = read_options(args.method, args.option)
    method = load_method(folder or args.method, training(data, task, "Fitting"), **options)
    require_modalities(method, task, data)
    if hasattr(method, "view"):
        method.view = view
    generator = prepare(method, args.device, args.seed)
    members = args.members or (ENSEMBLE if method.uses_ensemble else 1)
    every = args.forecast_every or (5 if members > 1 else 1)
    plan = Plan(task.cycle_hours, args.forecasts, every, args.keep_members)
    settings = {
        "method": method.name,
        "options": options,
        "files": model_files(folder),
        "task": task.name,
        "dataset_revision": data.manifest.revision,
        "model": args.model,
        "members": members,
        "keep_members": args.keep_members,
        "forecasts": args.forecasts,
        "forecast_every": every,
        "seed": args.seed,
        "device": generator.device.type if generator else "cpu",
        "version": __version__,
        "method_package": packaged_code(type(method)),
    }
    record = CycleRecord(
        method=name,
        times=times,
        channels=data.channels,
        lead_hours=plan.hours * np.arange(1, plan.leads + 1),
        saturation=saturation(References(data, task), data.grid.weights),
    )
    parts = Parts(out, settings, times)
    run = CycleRun(Cycle(view, method, generator, args.seed), data, task, plan, parts, record)
    first = None if run.record.done else begin(view, method, data, task, members, args.seed)
    try:
        for _ in track(run.run(first), run.left, "Cycling"):
            pass
    finally:
        report(record, settings, out, args.discard)
    write(parts, out, task, data, name, described(method, folder))
    return out


def find_view(model: str, data: Data) -> ModelView:
    """The forecast model, seen in the channels of the data set."""
    if model == CIRCULATION:
        prepare_jax()
        from dambench_hub.dynamics.circulation_view import circulation_view

        return circulation_view(data.manifest.source.get("settings", {}), data.grid)
    from dambench_hub.models.emulator import Emulator

    return Emulator.from_pretrained(local_path(model)).view()


def training(data: Data, task: Task, doing: str) -> Iterator[Batch]:
    """Batches of the training split, with their progress shown."""
    batches = data.batches(task, "train", 4, buffers=2)
    return track(batches, -(-data.size("train") // 4), doing)


class References(Sequence):
    """The references of a task's times, read when they are asked for."""

    def __init__(self, data: Data, task: Task) -> None:
        self.data, self.task = data, task

    def __len__(self) -> int:
        return len(self.task.times(self.data.manifest))

    def __getitem__(self, index: Any) -> Any:
        return self.data.reference(self.task.split, index * self.task.stride)


def begin(
    view: ModelView, method: Assimilator, data: Data, task: Task, members: int, seed: int
) -> np.ndarray:
    """The states that the cycle begins with, (M, *state_shape).

    What is seen of them is the data set's background of the first day, and about it, for members,
    errors of the training split.
    """
    background, time = data.background(task.split, 0), task.times(data.manifest)[0]
    guess = view.guess(time, seed)
    if members == 1:
        return first_states(view, guess, background)
    climatology = getattr(method, "climatology", None) or ClimatologicalEnsemble.fit(
        training(data, task, "Errors")
    )
    hours = int(hours_since_epoch(time))
    drawn = climatology.draw(background, hours, members, 1.0, seed)
    return first_states(view, guess, background, drawn - drawn.mean(axis=0))


def report(record: CycleRecord, settings: dict[str, Any], out: Path, discard: int) -> None:
    """Write record and picture, and print the table, of as much as there is."""
    if not record.done:
        return
    record.write(out.with_suffix(".errors.nc"), settings)
    discard = discard if record.done > discard else 0
    plot_cycles([record], out.with_suffix(".png"), discard)
    table_console().print(channel_table(record, discard))


def write(
    parts: Parts, out: Path, task: Task, data: Data, name: str, about: dict[str, str | int]
) -> None:
    """The prediction file, of all analyses."""

    def save(analyses: Iterator[Analysis]) -> None:
        write_predictions(out, analyses, task=task, data=data, model_name=name, **about)

    parts.finish(Share(), save)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong or the cycle diverged."""
    return exit_code(lambda: print(cycle(parse_args(argv))))


if __name__ == "__main__":
    sys.exit(main())
