"""Assimilate a task with one method, and write the prediction file.

    python baselines/predict.py optimal_interpolation --data dambench --task multimodal --out oi.nc
    torchrun --nproc-per-node 4 baselines/predict.py runs/fnp --data dambench --out fnp.nc

METHOD is a name, such as `background` (does nothing: the mark to beat) or `optimal_interpolation`,
or that of a method which an installed package brings (baselines/your_method); the folder of a
trained model, or of the training run that holds it; or the id of one on the Hub. A method that
needs no training is fitted to the training split first. The reference is taken out of every batch
before the method sees it. A method that predicts the standard deviation of its error, not by
members, has it written beside its analysis.

What is done lies in OUT.parts/ until it is all there. Interrupted, the same command goes on where
it stopped. Several processes share the work: under torchrun or `accelerate launch`, or started by
hand with --part 1/4 … 4/4, also on several machines with a common folder. The one that completes
the last part writes the file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dambench_hub.data import Analysis, Data, load_data
from dambench_hub.errors import PredictionError, TaskError
from dambench_hub.models import METHODS, Assimilator, load_method
from dambench_hub.models.entry_points import packaged_code
from dambench_hub.models.preparation import (
    described,
    find_method,
    prepare,
    read_options,
    require_modalities,
    sampling_methods,
)
from dambench_hub.models.pretrained import model_files
from dambench_hub.predictions import write_predictions
from dambench_hub.predictions.header import text_problems
from dambench_hub.predictions.parts import Parts, Share
from dambench_hub.predictions.validation import MAX_MEMBERS
from dambench_hub.predictions.writer import require_free
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.manifest import TRAIN_SPLIT
from dambench_hub.tasks import Task, load_task, task_names
from dambench_hub.version import __version__


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "method",
        metavar="METHOD",
        help=f"{', '.join(METHODS)}; one of an installed package; a folder, or a Hub id",
    )
    parser.add_argument("--revision", help="commit, tag or branch of a method on the Hub")
    parser.add_argument("--data", default="dambench", help="data set folder or Hub id")
    parser.add_argument("--task", default="multimodal", help=", ".join(task_names()))
    parser.add_argument("--out", type=local_path, help="METHOD.nc, or .safetensors to write faster")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    parser.add_argument("--device", default="auto", help="auto (a GPU, if any), cpu, cuda:1 …")
    parser.add_argument("--batch-size", type=int, default=4, help="samples at a time (4)")
    parser.add_argument(
        "--members", type=int, metavar="N", help="sample and write N members, instead of the mean"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of a method that is fitted, such as localisation_km=1500; can be repeated",
    )
    parser.add_argument(
        "--no-ensemble",
        action="store_true",
        help="do without the data set's ensemble; ensemble methods then draw a climatological one",
    )
    parser.add_argument("--seed", type=int, default=0, help="of methods that draw samples (0)")
    parser.add_argument("--part", metavar="n/m", help="do the n-th of m parts")
    return parser.parse_args(argv)


def predict(args: argparse.Namespace) -> Path | None:
    """Load, assimilate, write; the prediction file's path, or None if other parts are left."""
    name, folder = find_method(args.method, args.revision)
    if problems := text_problems({"model_name": name}):
        raise PredictionError(f"{name!a}: {problems[0]} Rename the folder.")
    out = args.out or Path(f"{name}.nc")
    share = own_share(args.part)
    if share.number and not args.part and out.exists() and not args.overwrite:
        return None  # this one came late: the others have done it all
    require_free(out, args.overwrite)
    task = load_task(args.task)
    data = load_data(args.data)
    if task.cycle_hours:
        raise TaskError(
            f"The task {task.name} is for methods in their own forecasts: run python "
            f"baselines/cycle.py {args.method} --data {args.data}."
        )
    if other := task.other_reference(data.manifest):
        raise TaskError(other)
    options = read_options(args.method, args.option)
    training = (
        batches(data, task, TRAIN_SPLIT, None, args.batch_size, "Fitting")
        if TRAIN_SPLIT in data.manifest.splits
        else None
    )
    method = load_method(folder or args.method, training, **options)
    require_modalities(method, task, data)
    ensemble = method.uses_ensemble and not args.no_ensemble
    set_members(method, args.members)
    if ensemble and task.split in data.manifest.ensemble_splits:
        require_all_members(method, args.members, data.manifest.ensemble_size)
    generator = prepare(method, args.device, args.seed)
    settings = {
        "method": method.name,
        "files": model_files(folder),
        "task": task.name,
        "dataset_revision": data.manifest.revision,
        "options": options,
        "members": args.members,
        "ensemble": ensemble,
        "seed": args.seed,
        "device": generator.device.type if generator else "cpu",
        "version": __version__,
        "method_package": packaged_code(type(method)),
    }
    parts = Parts(out, settings, task.times(data.manifest))
    left = parts.unfinished(share, args.batch_size)
    doing = "Assimilating" if share.count == 1 else f"Assimilating part {share}"
    left *= task.stride
    for batch in batches(data, task, None, left, args.batch_size, doing, ensemble):
        analysis = method.assimilate(batch.without_reference(), generator)
        if args.members is None:
            # The spread of members that are not kept is a sample's, no prediction, and may be 0.
            std = analysis.std if analysis.members is None else None
            parts.add(batch.time, analysis.mean, std)
        else:
            parts.add(batch.time, analysis.members)

    def write(kept: Iterator[Analysis]) -> None:
        analyses = track(kept, len(parts.times), "Writing")
        about = described(method, folder)
        write_predictions(out, analyses, task=task, data=data, model_name=name, **about)

    return out if parts.finish(share, write) else None


def own_share(part: str | None) -> Share:
    """What this process does."""
    share = Share.of_process(os.environ)
    if part is None:
        return share
    if share.count > 1:
        raise TaskError("--part is for processes started by hand; leave it out under a launcher.")
    return Share.parse(part)


def batches(
    data: Data,
    task: Task,
    split: str | None,
    indices: np.ndarray | None,
    batch_size: int,
    doing: str,
    ensemble: bool = False,
) -> Iterator:
    """Batches of a split (None: the one that the task scores), with their progress shown."""
    loaded = data.batches(task, split, batch_size, indices=indices, buffers=2, ensemble=ensemble)
    samples = data.size(split or task.split) if indices is None else len(indices)
    return track(loaded, -(-samples // batch_size), doing)


def set_members(method: Assimilator, members: int | None) -> None:
    """Let a method draw so many members, if any are asked for."""
    if members is None:
        return
    if not hasattr(method, "members"):
        raise TaskError(
            f"{method.name} draws no samples, so there are no --members of it. Methods that do: "
            f"{', '.join(sampling_methods())}."
        )
    if not 1 <= members <= MAX_MEMBERS:
        raise TaskError(f"--members is 1 to {MAX_MEMBERS}, got {members}.")
    method.members = members


def require_all_members(method: Assimilator, members: int | None, size: int) -> None:
    """Refuse another number of members than the data set's ensemble has."""
    if members not in (None, size):
        raise TaskError(
            f"{method.name} analyses the {size} members of the data set, got --members {members}. "
            f"Give --members {size}, or --no-ensemble for a climatological ensemble."
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: tell(predict(parse_args(argv))))


def tell(path: Path | None) -> None:
    """Print where the file is, or that others are not done yet."""
    if path:
        print(path)
    else:
        print("This part is done; the last one writes the file.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
