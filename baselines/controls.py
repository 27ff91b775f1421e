"""Ask whether a multi-modal method gains from its modalities, or from something else.

python baselines/controls.py runs/multi_fnp --data dambench --host runs/longer_fnp --out fnp.json
python baselines/controls.py var3d --data dambench --host var3d

MODEL is a trained multi-modal method: its folder, that of its training, or its id on the Hub; or
the name of a classical method that takes modalities, whose host is the same without them. It
assimilates the task as it is, and again with modalities that say nothing of their day (constant,
shuffled) or that are older (lagged). A gain that is left under constant or shuffled modalities is
not theirs. The host is the same method without modalities, trained for as many steps, from the same
model if MODEL began with one: what differs in the two trainings is told. A model given to
--capacity has the adapter too, but knows constant modalities only, in training as here.
Differences of skill are paired by time; their 95 % intervals come from means over blocks of at
least 30 days. Each method is one training: chance of its seed is not in them.

With --out the skill by day of each row is kept in a JSON file as soon as it is there: interrupted,
the same command goes on with the rows that are missing.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from rich import box
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dambench_hub.data import Batch, Data, load_data
from dambench_hub.data.modality_controls import CONTROLS, controlled
from dambench_hub.errors import TaskError
from dambench_hub.models import Assimilator, load_method
from dambench_hub.models.base import option_names
from dambench_hub.models.devices import find_device
from dambench_hub.models.learned import LearnedAssimilator
from dambench_hub.models.preparation import find_method
from dambench_hub.models.pretrained import model_files, training_record
from dambench_hub.models.registry import CLASSICAL, MULTI, method_class
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring.analyses import score_analyses
from dambench_hub.scoring.block_mean import block_mean
from dambench_hub.scoring.holm import holm
from dambench_hub.scoring.kept_scores import KeptScores
from dambench_hub.scoring.paired_difference import paired_difference
from dambench_hub.scoring.precision import percent
from dambench_hub.scoring.skill_by_day import skill_by_day
from dambench_hub.scoring.uncertain_mean import UncertainMean
from dambench_hub.storage.manifest import TRAIN_SPLIT
from dambench_hub.tasks import Task, load_task, task_names
from dambench_hub.version import __version__

TRAINING = ("initial", "epochs", "batch_size", "learning_rate", "seed")
"""What is the same in a fair pair of trainings, keys of run files."""

EXPLANATION = "\n".join(
    [
        "Skill in % (100 is a perfect analysis, 0 the background), and its differences in points "
        "with 95 % intervals; negative is worse.",
        "Bold: more than chance of the weather, all differences of the table taken together "
        "(Holm, 5 %). Chance of training is not counted.",
        *(f"{name}: {meaning}" for name, meaning in CONTROLS.items()),
    ]
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a multi-modal method")
    parser.add_argument("--host", help="folder or Hub id of the same method without modalities")
    parser.add_argument("--capacity", help="as MODEL, but trained with modality_control=constant")
    parser.add_argument("--data", default="dambench", help="data set folder or Hub id")
    parser.add_argument("--task", default="multimodal", help=", ".join(task_names()))
    parser.add_argument("--batch-size", type=int, default=4, help="samples at a time (4)")
    parser.add_argument("--seed", type=int, default=0, help="of methods that draw, and of the rest")
    parser.add_argument("--device", default="auto", help="auto (a GPU, if any), cpu, cuda:1 …")
    parser.add_argument("--out", type=local_path, metavar="FILE", help="JSON, keeps skill by day")
    return parser.parse_args(argv)


def compare(args: argparse.Namespace) -> Group:
    """Load, assimilate under every control, compare."""
    task, data = load_task(args.task), load_data(args.data)
    if not task.modalities(data.manifest):
        raise TaskError(f"The task {task.name} gives no modalities. Use the task multimodal.")
    times = task.times(data.manifest)
    block_mean(np.zeros(len(times)), times)  # refuses too few days now, not after the assimilations
    multi = load(args.model, data, task, args.device, multi_modal=True)
    name = multi.name if multi.name.startswith(MULTI) else MULTI + multi.name
    told = Text(EXPLANATION, "dim")
    runs: dict[str, tuple[str, Assimilator, str | None]]
    runs = {"background": ("background", load_method("background"), None)}
    if args.host:
        host = load(args.host, data, task, args.device, multi_modal=False)
        require_host(args.host, host.name, name.removeprefix(MULTI))
        told += Text(trained_otherwise(training(args.host), training(args.model)), "yellow")
        runs[host.name] = args.host, host, None
    runs[name] = args.model, multi, None
    runs |= {f"  {control}": (args.model, multi, control) for control in CONTROLS}
    if args.capacity:
        require_constant(args.capacity)
        capacity = load(args.capacity, data, task, args.device, multi_modal=True)
        runs["trained on constant"] = args.capacity, capacity, "constant"
    kept = KeptScores(
        args.out,
        {
            "task": task.name,
            "seed": args.seed,
            "dataset_revision": data.manifest.revision,
            "version": __version__,
        },
    )
    files = {
        given: model_files(find_method(given)[1]) for given in {run[0] for run in runs.values()}
    }
    skills = {}
    for label, (given, method, control) in runs.items():
        row = label.strip()
        key = {"row": row, "method": method.name, "files": files[given]}
        score = partial(daily_skill, method, row, data, task, args, control)
        skills[label] = np.array(kept.of(key, score))
    marks = [name, *([host.name] if args.host else [])]
    title = f"{args.model}  ·  task {task.name}  ·  {len(times)} times"
    return Group(comparison_table(title, skills, marks, times), told)


def load(name: str, data: Data, task: Task, device: str, *, multi_modal: bool) -> Assimilator:
    """A trained method on a device, or a fitted one, refused if it is not of the wanted kind."""
    if name in CLASSICAL and "modalities" in option_names(method_class(name)):
        options = {} if multi_modal else {"modalities": ()}
        return load_method(name, data.batches(task, TRAIN_SPLIT, 4), **options)
    method = load_method(name)
    if multi_modal != (isinstance(method, LearnedAssimilator) and method.reads_modalities):
        raise TaskError(
            f"{name} holds {method.name}, which reads no modalities. Give a multi-modal method, "
            f"for example one trained as multi_{method.name}."
            if multi_modal
            else f"--host {name} holds {method.name}, which reads modalities. Give the method "
            "without them; one trained under constant modalities is for --capacity."
        )
    if isinstance(method, torch.nn.Module):
        method.to(find_device(device))
    return method


def training(name: str) -> Mapping[str, Any]:
    """How a model was trained, as far as its folder tells; empty for a method without training."""
    folder = find_method(name)[1]
    return training_record(folder) if folder else {}


def trained_otherwise(host: Mapping[str, Any], multi: Mapping[str, Any]) -> str:
    """What makes two trainings no comparison of modalities alone; empty if nothing is known."""
    found = [
        f"{key}: {host[key]} and {multi[key]}"
        for key in TRAINING
        if key in host and key in multi and host[key] != multi[key]
    ]
    if not found:
        return ""
    return (
        f"\nThe host and the model were trained otherwise ({'; '.join(found)}), which is in their "
        "difference, too. A fair host is trained on from the same model, for as many epochs."
    )


def require_host(folder: str, name: str, wanted: str) -> None:
    """Refuse a host that is another method.

    Raises:
        TaskError: It names both.
    """
    if name != wanted:
        raise TaskError(f"--host {folder} holds {name}, the model is of {wanted}: give {wanted}.")


def require_constant(folder: str) -> None:
    """Refuse a model for --capacity that has seen modalities as they are.

    Raises:
        TaskError: It says how to train one.
    """
    control = training(folder).get("modality_control")
    if control != "constant":
        raise TaskError(
            f"--capacity {folder} was trained with modality_control={control or 'unknown'}; give a "
            "model trained with modality_control=constant."
        )


def daily_skill(
    method: Assimilator,
    label: str,
    data: Data,
    task: Task,
    args: argparse.Namespace,
    control: str | None = None,
) -> list[float]:
    """Skill by day, %, of all times of the task, N numbers; see `skill_by_day`."""
    batches: Iterable[Batch] = data.batches(
        task, batch_size=args.batch_size, buffers=2, ensemble=method.uses_ensemble
    )
    if control:
        batches = controlled(batches, data, task.split, control, seed=args.seed)
    batches = track(batches, math.ceil(len(task.times(data.manifest)) / args.batch_size), label)
    generator = torch.Generator().manual_seed(args.seed)
    scorer = score_analyses(method, data, batches, generator)
    errors = scorer.square_errors, scorer.background_square_errors
    return skill_by_day(data.channels, *errors, data.statistics.std).tolist()


def comparison_table(
    title: str, skills: Mapping[str, np.ndarray], marks: Sequence[str], times: np.ndarray
) -> Table:
    """Every row's skill, and its difference to the methods called `marks` with its interval."""
    table = Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        pad_edge=False,
    )
    table.add_column("method")
    for heading in "skill, %", *(f"to {mark}" for mark in marks):
        table.add_column(heading, justify="right")
    differences = {
        (name, mark): paired_difference(values, skills[mark], times)
        for name, values in skills.items()
        for mark in marks
        if name != mark
    }
    sure = holm(np.array([found.p_value for found in differences.values()])) <= 0.05
    cells = {
        pair: _cell(found, certain)
        for (pair, found), certain in zip(differences.items(), sure, strict=True)
    }
    for name, values in skills.items():
        shown = [cells.get((name, mark), Text()) for mark in marks]
        table.add_row(name, percent(float(values.mean()), digits=2), *shown)
    return table


def _cell(difference: UncertainMean, certain: bool) -> Text:
    ends = difference.interval()
    mean, low, high = (percent(x, digits=2, signs=True) for x in (ends.mean, ends.low, ends.high))
    return Text(f"{mean} ({low} … {high})", "bold" if certain else "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: Console().print(compare(parse_args(argv))))


if __name__ == "__main__":
    sys.exit(main())
