"""Ask whether a multi-modal method gains from its modalities, or from something else.

python baselines/controls.py runs/multi_fnp --data dambench --host runs/fnp

MODEL is a trained multi-modal method: its folder, that of its training, or its id on the Hub. It
assimilates the task as it is, and again with modalities that say nothing of their day (constant,
shuffled) or that are older (lagged). A gain that is left under constant or shuffled modalities is
not theirs. The host is the same method without modalities, trained for as many steps; a model given
to --capacity has the adapter too, but knows constant modalities only, in training as here.
Differences are paired by time; their 95 % intervals come from a block bootstrap over days.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

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
from dambench_hub.metrics import Scorer
from dambench_hub.models import Assimilator, load_method
from dambench_hub.models.devices import find_device
from dambench_hub.models.multi_modal import MultiModal
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.precision import number
from dambench_hub.scoring.significance import paired_interval
from dambench_hub.tasks import Task, load_task, task_names

EXPLANATION = "\n".join(
    [
        "Differences in % of the MSE they are to, with 95 % intervals; positive is worse.",
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
    parser.add_argument("--block-days", type=int, default=7, help="length of a block (7)")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of methods that draw, and of the rest")
    parser.add_argument("--device", default="auto", help="auto (a GPU, if any), cpu, cuda:1 …")
    return parser.parse_args(argv)


def compare(args: argparse.Namespace) -> Group:
    """Load, assimilate under every control, compare."""
    task, data = load_task(args.task), load_data(args.data)
    if not task.modalities(data.manifest):
        raise TaskError(f"The task {task.name} gives no modalities. Use the task multimodal.")
    times = task.times(data.manifest)
    interval = partial(
        paired_interval,
        time=times,
        block_days=args.block_days,
        resamples=args.resamples,
        seed=args.seed,
    )
    interval(np.zeros(len(times)))  # refuses unfit blocks now, not after the assimilations
    multi = load(args.model, args.device, multi_modal=True)
    runs: dict[str, tuple[Assimilator, str | None]]
    runs = {"background": (load_method("background"), None)}
    if args.host:
        host = load(args.host, args.device, multi_modal=False)
        runs[host.name] = host, None
    runs[multi.name] = multi, None
    runs |= {f"  {control}": (multi, control) for control in CONTROLS}
    if args.capacity:
        capacity = load(args.capacity, args.device, multi_modal=True)
        runs["trained on constant"] = capacity, "constant"
    mse = {
        label: sample_mse(method, label.strip(), data, task, args, control)
        for label, (method, control) in runs.items()
    }
    marks = [multi.name, *([host.name] if args.host else [])]
    title = f"{args.model}  ·  task {task.name}  ·  {len(times)} times"
    return Group(comparison_table(title, mse, marks, interval), Text(EXPLANATION, "dim"))


def load(name: str, device: str, *, multi_modal: bool) -> Assimilator:
    """A trained method on a device, refused if it is not of the wanted kind."""
    method = load_method(name)
    if multi_modal != isinstance(method, MultiModal):
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


def sample_mse(
    method: Assimilator,
    label: str,
    data: Data,
    task: Task,
    args: argparse.Namespace,
    control: str | None = None,
) -> np.ndarray:
    """The score `mse` of every time of the task, (N,)."""
    batches: Iterable[Batch] = data.batches(
        task, batch_size=args.batch_size, buffers=2, ensemble=method.uses_ensemble
    )
    if control:
        batches = controlled(batches, data, task.split, control, seed=args.seed)
    scorer = Scorer(data.channels, data.grid.latitude, data.statistics.std)
    generator = torch.Generator().manual_seed(args.seed)
    for batch in track(batches, -(-len(task.times(data.manifest)) // args.batch_size), label):
        analysis = method.assimilate(batch.without_reference(), generator)
        scorer.update(torch.as_tensor(analysis.mean).float().cpu().numpy(), batch.reference)
    return scorer.per_sample_mse


def comparison_table(
    title: str,
    mse: Mapping[str, np.ndarray],
    marks: Sequence[str],
    interval: Callable[[np.ndarray], Interval],
) -> Table:
    """Every row's score, and its difference to the methods called `marks` with its interval."""
    table = Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        pad_edge=False,
    )
    table.add_column("method")
    for heading in "MSE", *(f"to {mark}" for mark in marks):
        table.add_column(heading, justify="right")
    for name, values in mse.items():
        cells = ["" if name == m else _difference(interval(values - mse[m]), mse[m]) for m in marks]
        table.add_row(name, number(values.mean()), *cells)
    return table


def _difference(interval: Interval, mark: np.ndarray) -> str:
    percent = 100 / mark.mean()
    mean, low, high = (percent * x for x in (interval.mean, interval.low, interval.high))
    return f"{mean:+.2f} ({low:+.2f} … {high:+.2f})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: Console().print(compare(parse_args(argv))))


if __name__ == "__main__":
    sys.exit(main())
