"""Make observations coarse, noisy and sparse, and see what is left of the skill of methods.

    python baselines/ablations.py var3d letkf runs/slams --data dambench --out results/ablations

These are the three ablations of SLAMS, for any method, trained or fitted once for the task:

- coarse: means over blocks of r × r grid points that cover the globe;
- noisy: errors in standard deviations of the background's errors;
- sparse: share of the grid points that is observed.

All else is the task's. METHOD is a name, a trained model's folder or its id on the Hub; a method
that is fitted can be given options, as in hybrid:localisation_km=2500:ensemble_weight=0.

Writes OUT.json, what was scored, and OUT.png, and prints a table. What is in OUT.json is not done
again: interrupted, the same command goes on, and more methods and values can be added.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, NamedTuple

from rich import box
from rich.table import Table

from dambench_hub.data import Data, load_data
from dambench_hub.errors import TaskError
from dambench_hub.models import METHODS, Assimilator, load_method
from dambench_hub.models.preparation import find_method, prepare, read_options, require_modalities
from dambench_hub.models.pretrained import model_files
from dambench_hub.plots import AblationPanel, plot_ablations
from dambench_hub.runtime.command_line import parser_of, table_console
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring.analyses import score_analyses
from dambench_hub.scoring.kept_scores import KeptScores
from dambench_hub.tasks import Task, load_task
from dambench_hub.version import __version__

SCORES = ("skill", "mse", "mae")
"""That are kept."""

PANELS: dict[str, dict[str, Any]] = {
    "coarse": {
        "title": "Coarse: block means",
        "label": "grid points on a side of a block",
        "logarithmic": True,
    },
    "noisy": {
        "title": "Noisy: errors of observations",
        "label": "in standard deviations of the background's errors",
    },
    "sparse": {
        "title": "Sparse: density of observations",
        "label": "% of the grid points",
        "logarithmic": True,
    },
}
"""The ablations, and how each is drawn."""


class Setting(NamedTuple):
    """One value of one ablation.

    Attributes:
        ablation: A key of PANELS.
        value: As the table has it.
        observations: What it changes in the task's.
    """

    ablation: str
    value: float
    observations: dict[str, Any]


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    add = parser.add_argument
    add(
        "methods",
        nargs="+",
        metavar="METHOD[:NAME=VALUE]",
        help=f"{', '.join(METHODS)}; a folder, or a Hub id",
    )
    add("--data", default="dambench", help="data set folder or Hub id")
    add("--task", default="unimodal", help="whose observations are varied (unimodal)")
    add("--split", default="test", help="test (the default) or validation")
    add("--stride", type=int, default=1, metavar="N", help="every N-th time of the split (1)")
    add("--coarse", type=int, nargs="*", default=[2, 4], metavar="R", help="blocks of R × R (2 4)")
    add("--noisy", type=float, nargs="*", default=[0, 0.25, 0.5, 1], help="(0 0.25 0.5 1)")
    add("--sparse", type=float, nargs="*", default=[1, 2, 5, 10, 20], help="%% (1 2 5 10 20)")
    add("--out", type=local_path, default="results/ablations", help="of OUT.json and OUT.png")
    add("--batch-size", type=int, default=4, help="samples at a time (4)")
    add("--device", default="auto", help="auto (a GPU, if any), cpu, cuda:1 …")
    add("--seed", type=int, default=0, help="of methods that draw samples (0)")
    return parser.parse_args(argv)


def settings_of(args: argparse.Namespace) -> list[Setting]:
    """The values of all ablations, each ascending."""
    coarse = ({"network": "blocks", "density": 1 / r**2} for r in sorted(args.coarse))
    noisy = ({"error_scale": scale} for scale in sorted(args.noisy))
    sparse = ({"density": percent / 100} for percent in sorted(args.sparse))
    return [
        Setting(name, value, observations)
        for name, values, changes in (
            ("coarse", args.coarse, coarse),
            ("noisy", args.noisy, noisy),
            ("sparse", args.sparse, sparse),
        )
        for value, observations in zip(sorted(values), changes, strict=True)
    ]


class Candidate:
    """A method, made when it is first needed.

    Attributes:
        label: Its name and options, as the table has them.
        key: What tells it from others among the kept scores.
    """

    def __init__(self, text: str, data: Data, task: Task, args: argparse.Namespace) -> None:
        self.given, *options = text.split(":")
        self.options = read_options(self.given, options)
        name, self.folder = find_method(self.given, None)
        self.label = ":".join([name, *options])
        self.key = {"method": name, "files": model_files(self.folder), "options": self.options}
        self.data, self.task, self.args = data, task, args
        self.method: Assimilator | None = None

    def scores(self, task: Task) -> dict[str, float]:
        """Assimilate a task, and score it."""
        if self.method is None:
            training = self.data.batches(self.task, "train", self.args.batch_size, buffers=2)
            self.method = load_method(self.folder or self.given, training, **self.options)
            require_modalities(self.method, task, self.data)
        method, data = self.method, self.data
        generator = prepare(method, self.args.device, self.args.seed)
        size = self.args.batch_size
        batches = data.batches(task, batch_size=size, buffers=2, ensemble=method.uses_ensemble)
        steps = math.ceil(len(task.times(data.manifest)) / size)
        batches = track(batches, steps, f"{self.label}, {task.name}")
        found = score_analyses(method, data, batches, generator).compute()
        return {name: float(found[name]) for name in SCORES}


def ablate(args: argparse.Namespace) -> Table:
    """Score what is not scored yet, draw it all; the table."""
    data, base = load_data(args.data), load_task(args.task)
    base = replace(base, split=args.split, stride=args.stride)
    settings = {
        "task": args.task,
        "split": args.split,
        "stride": args.stride,
        "seed": args.seed,
        "dataset_revision": data.manifest.revision,
        "version": __version__,
    }
    kept = KeptScores(args.out.with_suffix(".json"), settings)
    candidates = [Candidate(method, data, base, args) for method in args.methods]
    rows: list[tuple[Setting, dict[str, dict[str, float]]]] = []
    for setting in settings_of(args):
        observations = {**base.observations, **setting.observations}
        name = f"{setting.ablation} {setting.value:g}"
        task = replace(base, name=name, observations=observations)
        observed = asdict(task.observation_settings(data.manifest))
        found = {}
        for candidate in candidates:
            key = {**candidate.key, "observations": observed}
            found[candidate.label] = kept.of(key, partial(candidate.scores, task))
        rows.append((setting, found))
    plot_ablations(panels(rows), args.out.with_suffix(".png"))
    return table_of(f"Skill in %, and MSE, {data.manifest.name}, {args.split}", rows)


def panels(rows: Sequence[tuple[Setting, dict[str, dict[str, float]]]]) -> list[AblationPanel]:
    """One for each ablation that has values."""
    drawn = []
    for name, how in PANELS.items():
        own = [(setting, found) for setting, found in rows if setting.ablation == name]
        if own:
            skill = {method: [found[method]["skill"] for _, found in own] for method in own[0][1]}
            values = [setting.value for setting, _ in own]
            drawn.append(AblationPanel(values=values, skill=skill, **how))
    return drawn


def table_of(title: str, rows: Sequence[tuple[Setting, dict[str, dict[str, float]]]]) -> Table:
    """A row for each setting, or for each method if there are more of these."""
    settings = [[setting.ablation, f"{setting.value:g}"] for setting, _ in rows]
    methods = list(rows[0][1])
    cells = [[f"{s['skill']:.1f} / {s['mse']:.5f}" for s in found.values()] for _, found in rows]
    heading = ["ablation", "setting", *methods]
    lines = [[*of, *row] for of, row in zip(settings, cells, strict=True)]
    if len(methods) > len(rows):
        heading = ["method", *(" ".join(of) for of in settings)]
        lines = [[*of] for of in zip(methods, *cells, strict=True)]
    table = Table(title=title, box=box.MARKDOWN)
    for number, name in enumerate(heading):
        table.add_column(name, justify="right" if number else "left")
    for line in lines:
        table.add_row(*line)
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""

    def run() -> None:
        args = parse_args(argv)
        if not settings_of(args):
            raise TaskError("Nothing to vary: give --coarse, --noisy or --sparse some values.")
        table_console().print(ablate(args))

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
