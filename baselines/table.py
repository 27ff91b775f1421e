"""Print the score table of prediction files, as Markdown.

python baselines/table.py results/*.nc --data dambench --runs runs

Files whose names differ by a seed at the end (fnp-1.nc, fnp-2.nc) are trainings of one method: a
row has their mean, and how far they spread. Below the table stands what its intervals and ranks
mean. The training of results/fnp-1.nc is looked for in runs/fnp-1: it tells the minutes, and its
model is timed on one batch.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dambench_hub.data import Data, load_data
from dambench_hub.errors import TaskError
from dambench_hub.models import METHODS, load_method
from dambench_hub.models.registry import CLASSICAL
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring import Result, score
from dambench_hub.scoring.precision import number, percent
from dambench_hub.scoring.seed_names import method_and_seed
from dambench_hub.scoring.seed_variance import seed_variance
from dambench_hub.scoring.standings import standings
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
    return parser.parse_args(argv)


def table(args: argparse.Namespace) -> str:
    """Score the files, and put the methods in the order of their skill."""
    data = load_data(args.data)
    files: dict[str, list[Path]] = {}
    for path in args.predictions:
        files.setdefault(method_and_seed(path.stem)[0], []).append(path)
    found = {name: [score(path, data) for path in paths] for name, paths in files.items()}
    names = sorted(found, key=lambda name: -skill(found[name]))
    sure, explanation = certainty({name: found[name] for name in names})
    channels = [name for name in PAPER_CHANNELS if name in data.channels]
    heading = ["method", "seeds", "parameters", "training, min", "analysis, s", "skill, %", "95 %"]
    heading += ["ranks", "MSE", "MAE", "SpecDiv", *channels]
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)]]
    for name, (interval, ranks) in zip(names, sure, strict=True):
        results, paths = found[name], files[name]
        runs = [run for run in (args.runs / path.stem for path in paths) if run.is_dir()]
        cells = [name, str(len(paths)), *cost(name, runs, data, load_task(results[0].task))]
        cells += [points([result.scores["skill"] for result in results]), interval, ranks]
        for score_name in ("mse", "mae", "specdiv"):
            cells.append(spread([result.scores[score_name] for result in results]))
        cells += [spread([r.scores["rmse"][channel] for r in results]) for channel in channels]
        lines.append(cells)
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{text}\n\n{explanation}"


def skill(results: Sequence[Result]) -> float:
    """Mean over the seeds, %."""
    return float(np.mean([result.scores["skill"] for result in results]))


def certainty(found: Mapping[str, Sequence[Result]]) -> tuple[list[tuple[str, str]], str]:
    """Interval of the skill and possible ranks of each method, best first, and what they mean."""
    one = next(iter(found.values()))[0]
    several = [[r.scores["skill"] for r in results] for results in found.values() if results[1:]]
    between_seeds = seed_variance(several) if several else None
    untrained = {name for name, results in found.items() if name in CLASSICAL and not results[1:]}
    try:
        standing = standings(
            np.array([np.mean([r.skill_by_day for r in rows], axis=0) for rows in found.values()]),
            np.array(one.hours, "datetime64[h]"),
            between_seeds=between_seeds,
            seeds=[math.inf if n in untrained else len(rows) for n, rows in found.items()],
        )
    except TaskError as error:
        return [("–", "–")] * len(found), f"No intervals: {error}"
    cells = [
        (
            f"{percent(row.interval.low)} … {percent(row.interval.high)}",
            "–".join(map(str, dict.fromkeys((row.best_rank, row.worst_rank)))),
        )
        for row in standing.rows
    ]
    noise = (
        f"and of training: seeds of one method differ by {percent(standing.seed_error)} points "
        f"(standard deviation, pooled over {len(several)} methods)"
        if standing.seed_error is not None
        else "not of training, as no method has several seeds"
    )
    return cells, (
        "Skill: share of the background's RMSE that is gone, mean over variables. 95 %: interval "
        f"of the skill, by chance of the weather (t on means of blocks of days) {noise}. Ranks: "
        "those that all pairs, compared at once (Holm, 95 %), leave open."
    )


def points(values: Sequence[float]) -> str:
    """Mean skill, %, and the standard deviation over seeds if there are several."""
    mean = percent(float(np.mean(values)), digits=2)
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.2f}"


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
