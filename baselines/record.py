"""Score prediction files of baselines, and keep what tables are made of.

python baselines/record.py results/fnp-0.nc --data dambench --runs runs

Writes baselines/scores/NAME.json for each results/NAME.nc: its scores, errors by day and channel,
and what it costs. The training of results/fnp-1.nc is looked for in runs/fnp-1: it tells the
minutes, and its model is timed on one batch. A classical method is looked for by its name, with
multi_ before it where it assimilates modalities, too: results/multi_var3d.nc is var3d's. Files of
other tasks lie in folders of their names, results/density-01/var3d.nc. A record of another task is
not replaced.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dambench_hub.data import Data, load_data
from dambench_hub.errors import ScoreError
from dambench_hub.models import load_method
from dambench_hub.models.registry import CLASSICAL, METHODS, MULTI, method_names
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring import score
from dambench_hub.scoring.score_record import Cost, ScoreRecord
from dambench_hub.scoring.seed_names import method_and_seed
from dambench_hub.storage.manifest import TRAIN_SPLIT
from dambench_hub.tasks import Task, load_task, task_names

TIMED = 4
"""Samples of the batch that is timed."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("predictions", nargs="+", type=local_path, metavar="FILE")
    parser.add_argument("--data", default="dambench", help="data set folder or Hub id")
    parser.add_argument("--runs", type=local_path, default="runs", help="folder of the trainings")
    parser.add_argument("--out", type=local_path, default="baselines/scores", help="of the records")
    return parser.parse_args(argv)


def record(path: Path, data: Data, runs: Path) -> ScoreRecord:
    """The record of one prediction file."""
    result = score(path, data)
    trained = runs / path.stem if (runs / path.stem).is_dir() else None
    cost = cost_of(path.stem, trained, data, load_task(result.task))
    command = f"make results/{path.relative_to(path.parents[path.parent.name in task_names()])}"
    if method_and_seed(path.stem)[0].removeprefix(MULTI) not in METHODS:
        command = f"python baselines/predict.py {trained or path.stem} --task {result.task}"
    std = dict(zip(data.channels, data.statistics.std.tolist(), strict=True))
    return ScoreRecord(path.stem, command, cost, result, std)


def cost_of(name: str, trained: Path | None, data: Data, task: Task) -> Cost:
    """Parameters, minutes of training and seconds of an analysis, where they can be known."""
    classical = name.removeprefix(MULTI)
    fitted = classical if classical in CLASSICAL else name
    if not trained and fitted not in method_names():
        return Cost()
    known = TRAIN_SPLIT in data.manifest.splits
    training = data.batches(task, TRAIN_SPLIT, TIMED) if known else None
    method = load_method(trained or fitted, training)
    batch = next(data.batches(task, task.split, TIMED, ensemble=method.uses_ensemble))
    started = time.perf_counter()
    method.assimilate(batch.without_reference())
    seconds = (time.perf_counter() - started) / len(batch)
    minutes = None
    if trained:
        from dambench_hub.training.run_folder import training_minutes

        minutes = training_minutes(trained)
    return Cost(getattr(method, "parameter_count", None), minutes, seconds)


def require_same_task(predictions: Path, folder: Path) -> None:
    """Refuse to replace a record of another task, as by what the quickstart predicted.

    Raises:
        ScoreError: It names both tasks.
        PredictionError: As `open_prediction`.
    """
    kept = folder / f"{predictions.stem}.json"
    if not kept.is_file():
        return
    task = ScoreRecord.read(kept).result.task
    with open_prediction(predictions) as prediction:
        given = prediction.header.attributes.get("task")
    if given != task:
        raise ScoreError(
            f"{kept} is of the task {task}, the predictions are of {given}: give "
            f"--out {folder / str(given)}, or delete the record."
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""

    def run() -> None:
        args = parse_args(argv)
        data = load_data(args.data)
        for path in args.predictions:
            require_same_task(path, args.out)
            written = record(path, data, args.runs).write(args.out)
            print(f"{path} → {written}")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
