"""Assimilate a task with one method, and write the prediction file.

python baselines/predict.py optimal_interpolation --data dambench --task multimodal --out oi.nc

METHOD is a name, such as `background` (does nothing: the mark to beat) or `optimal_interpolation`,
or the folder of a trained one. A method that learns from the training split is fitted first. The
reference is taken out of every batch before the method sees it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dambench_hub.batch import Analysis
from dambench_hub.commands import exit_code
from dambench_hub.data import Data, load_data
from dambench_hub.errors import PredictionError
from dambench_hub.models import METHODS, Assimilator, load_method
from dambench_hub.predictions import write_predictions
from dambench_hub.progress import track
from dambench_hub.tasks import Task, load_task, task_names


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    description, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=description,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("method", metavar="METHOD", help=f"{', '.join(METHODS)}, or a folder")
    parser.add_argument("--data", default="dambench", help="data set folder or Hub id")
    parser.add_argument("--task", default="multimodal", help=", ".join(task_names()))
    parser.add_argument("--out", type=Path, help="METHOD.nc, or .safetensors to write faster")
    parser.add_argument("--batch-size", type=int, default=4, help="samples at a time (4)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    return parser.parse_args(argv)


def predict(args: argparse.Namespace) -> Path:
    """Load, assimilate, write; returns the path of the prediction file."""
    name = Path(args.method).name
    out = args.out or Path(f"{name}.nc")
    if out.exists() and not args.overwrite:
        raise PredictionError(f"{out} exists. Add --overwrite, or choose another file with --out.")
    task = load_task(args.task)
    data = load_data(args.data)
    method = load_method(args.method, batches(data, task, "train", args.batch_size, "Fitting"))
    analyses = assimilated(method, data, task, args.batch_size)
    write_predictions(out, analyses, task=task, data=data, model_name=name)
    return out


def batches(data: Data, task: Task, split: str | None, batch_size: int, doing: str) -> Iterator:
    """Batches of a split (None: those that the task scores), with their progress shown."""
    samples = data.size(split) if split else len(task.times(data.manifest))
    loaded = data.batches(task, split, batch_size, buffers=2)
    return track(loaded, -(-samples // batch_size), doing)


def assimilated(method: Assimilator, data: Data, task: Task, batch_size: int) -> Iterator[Analysis]:
    """The analyses of the task, batch by batch."""
    for batch in batches(data, task, None, batch_size, "Assimilating"):
        yield method.assimilate(batch.without_reference())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    args = parse_args(argv)
    return exit_code(lambda: print(predict(args)))


if __name__ == "__main__":
    sys.exit(main())
