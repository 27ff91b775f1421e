"""Print the score table of prediction files, as Markdown.

python baselines/table.py results/*.nc --data dambench --runs runs

Files whose names differ by a number at the end (fnp-1.nc, fnp-2.nc) are seeds of one method: a row
has their mean, and how far they spread. The interval of the MSE comes from a block bootstrap over
days. The training of results/fnp-1.nc is looked for in runs/fnp-1: it tells the minutes, and its
model is timed on one batch.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from dambench_hub.data import Data, load_data
from dambench_hub.models import METHODS, load_method
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring import Result, score
from dambench_hub.scoring.precision import number
from dambench_hub.scoring.significance import paired_interval
from dambench_hub.tasks import Task, load_task

PAPER_CHANNELS = ("u10", "v10", "t2m", "msl", "z500", "t850", "q700", "u500")
"""Whose RMSE the table shows, those that the data set has."""

TIMED = 4
"""Samples of the batch that is timed."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("predictions", nargs="+", type=local_path, metavar="FILE")
    parser.add_argument("--data", default="dambench", help="data set folder or Hub id")
    parser.add_argument("--runs", type=local_path, default="runs", help="folder of the trainings")
    parser.add_argument("--block-days", type=int, default=7, help="length of a block (7)")
    return parser.parse_args(argv)


def table(args: argparse.Namespace) -> str:
    """Score the files, and put the methods in the order of their MSE."""
    data = load_data(args.data)
    methods: dict[str, list[Path]] = {}
    for path in args.predictions:
        methods.setdefault(re.sub(r"-\d+$", "", path.stem), []).append(path)
    channels = [name for name in PAPER_CHANNELS if name in data.channels]
    heading = ["method", "seeds", "parameters", "training, min", "analysis, s", "MSE", "95 %"]
    heading += ["MAE", "SpecDiv", *channels]
    rows = []
    for name, paths in methods.items():
        results = [score(path, data) for path in paths]
        runs = [run for run in (args.runs / path.stem for path in paths) if run.is_dir()]
        cells = [name, str(len(paths)), *cost(name, runs, data, load_task(results[0].task))]
        cells += scores(results, data, args.block_days, channels)
        rows.append((np.mean([result.scores["mse"] for result in results]), cells))
    lines = [cells for _, cells in sorted(rows, key=lambda row: row[0])]
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, rule, *lines))


def scores(
    results: Sequence[Result], data: Data, block_days: int, channels: Iterable[str]
) -> list[str]:
    """Cells of MSE, its interval over days, MAE, SpecDiv and the RMSE of channels."""
    times = load_task(results[0].task).times(data.manifest)
    daily = np.mean([result.sample_mse for result in results], axis=0)
    interval = paired_interval(daily, times, block_days=block_days)
    cells = [spread([result.scores["mse"] for result in results])]
    cells += [f"{number(interval.low)} … {number(interval.high)}"]
    cells += [spread([result.scores[name] for result in results]) for name in ("mae", "specdiv")]
    return cells + [spread([r.scores["rmse"][name] for r in results]) for name in channels]


def spread(values: Sequence[float]) -> str:
    """The mean, and the standard deviation over seeds if there are several."""
    mean = number(float(np.mean(values)))
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.1g}"


def cost(name: str, trained: Sequence[Path], data: Data, task: Task) -> list[str]:
    """Cells of parameters, minutes of training and seconds of an analysis; – where unknown."""
    if not trained and name not in METHODS:
        return ["–"] * 3
    method = load_method(trained[0] if trained else name, data.batches(task, "train", TIMED))
    batch = next(data.batches(task, task.split, TIMED, ensemble=method.uses_ensemble))
    started = time.perf_counter()
    method.assimilate(batch.without_reference())
    seconds = (time.perf_counter() - started) / len(batch)
    minutes = "–"
    if trained:
        from dambench_hub.training.run_folder import training_minutes

        minutes = f"{np.mean([training_minutes(run) for run in trained]):.1f}"
    parameters = getattr(method, "parameter_count", None)
    return [
        f"{parameters:,}" if parameters else "–",
        minutes,
        f"{seconds:.2g}",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: print(table(parse_args(argv))))


if __name__ == "__main__":
    sys.exit(main())
