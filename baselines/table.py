"""Print the score table of recorded baselines, as Markdown.

python baselines/table.py baselines/scores --task unimodal

Records are written by record.py. Names that differ by a seed at the end (fnp-1, fnp-2) are
trainings of one method: a row has their mean, and how far they spread. Below the table stands what
its intervals and ranks mean. Not shown unless named by --columns: CRPS, the mean over channels in
units of each one's standard deviation, and spread/skill, the mean over channels, of methods that
say how sure they are.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.errors import ScoreError, TaskError, did_you_mean
from dambench_hub.models.registry import CLASSICAL, MULTI, method_class
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring import Result
from dambench_hub.scoring.overall_scores import overall_scores
from dambench_hub.scoring.precision import number, percent
from dambench_hub.scoring.score_record import Cost, ScoreRecord
from dambench_hub.scoring.seed_names import method_and_seed
from dambench_hub.scoring.seed_variance import seed_variance
from dambench_hub.scoring.standings import standings

ON_DEMAND = {
    "skill, ∞ members": "skill_infinite_ensemble",
    "CRPS": "crps",
    "spread/skill": "spread_skill",
}
"""Columns that are not shown unless named, and their scores."""
PAPER_CHANNELS = ("u10", "v10", "t2m", "msl", "z500", "t850", "q700", "u500")
"""Whose RMSE the table shows, those that the data set has."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "records", nargs="+", type=local_path, metavar="PATH", help="records, or folders of them"
    )
    parser.add_argument("--columns", nargs="+", metavar="HEAD", help="only these, by their heads")
    parser.add_argument("--task", help="only of this task; needed where records are of several")
    parser.add_argument("--without", metavar="NAME", help="no rows of such methods, as 'longer_*'")
    return parser.parse_args(argv)


def read_records(
    paths: Sequence[Path], task: str | None = None, without: str | None = None
) -> list[ScoreRecord]:
    """The records of one task, revision and scorer, without those of methods of such a name.

    Raises:
        ScoreError: When there are none, or they do not compare.
    """
    files = [
        f for path in paths for f in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    if without is not None:
        files = [f for f in files if not fnmatch(method_and_seed(f.stem)[0], without)]
    records = [ScoreRecord.read(file) for file in files]
    records = [record for record in records if task in (None, record.result.task)]
    kinds = {(r.result.task, r.result.dataset_revision, r.result.scorer_version) for r in records}
    if len(kinds) != 1:
        found = "; ".join(f"task {t}, revision {r}, scorer {v}" for t, r, v in sorted(kinds))
        raise ScoreError(
            f"A table is of one task, revision and scorer, found {found or 'no records'}. Name the "
            "task with --task, or record the predictions again."
        )
    return records


def table(records: Sequence[ScoreRecord], columns: Sequence[str] | None = None) -> str:
    """The methods in the order of their skill, and what the columns mean.

    Raises:
        ScoreError: When there is no such column.
    """
    if "station_rmse" in records[0].result.scores:
        return printed(*station_table(records), columns)
    found: dict[str, list[ScoreRecord]] = {}
    for record in records:
        found.setdefault(method_and_seed(record.name)[0], []).append(record)
    results = {name: [record.result for record in rows] for name, rows in found.items()}
    names = sorted(results, key=lambda name: -skill(results[name]))
    sure, explanation = certainty({name: results[name] for name in names})
    known = records[0].result.scores["rmse"]
    channels = [name for name in PAPER_CHANNELS if name in known]
    heading = ["method", "seeds", "parameters", "training, min", "analysis, s", "skill, %", "95 %"]
    heading += ["ranks", "MSE", "MAE", "SpecDiv", *ON_DEMAND, *channels]
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)]]
    for name, (interval, ranks) in zip(names, sure, strict=True):
        rows = results[name]
        cells = [name, str(len(rows)), *cost([record.cost for record in found[name]])]
        cells += [points([result.scores["skill"] for result in rows]), interval, ranks]
        for score_name in ("mse", "mae", "specdiv"):
            cells.append(spread([result.scores[score_name] for result in rows]))
        for head, score_name in ON_DEMAND.items():
            asked = columns and head in columns
            cells.append(of_uncertainty(found[name], score_name) if asked else "")
        cells += [spread([r.scores["rmse"][channel] for r in rows]) for channel in channels]
        lines.append(cells)
    return printed(lines, explanation, columns)


def station_table(records: Sequence[ScoreRecord]) -> tuple[list[list[str]], str]:
    """Errors at stations, the smallest first, and what they mean."""
    (channel,) = parse_channels(list(records[0].result.scores["rmse"]))
    heading = ["method", "analysis, s", f"RMSE, {channel.units}", f"95 %, {channel.units}"]
    heading += [f"bias, {channel.units}", f"MAE, {channel.units}", "skill, %"]
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)]]
    for record in sorted(records, key=lambda record: record.result.main_score):
        scores = record.result.scores
        low, high, bias, mae = (
            number(scores[name][channel.name])
            for name in ("rmse_low", "rmse_high", "bias", "station_mae")
        )
        cells = [record.name, cost([record.cost])[2], number(scores["station_rmse"])]
        skilled = percent(scores["skill"], digits=2)
        lines.append([*cells, f"{low} … {high}", bias, mae, skilled])
    stations = records[0].result.scores["stations"][channel.name]
    return lines, (
        f"At {stations} stations that no method has seen; where they stand close together, each "
        "counts less. 95 %: interval of the RMSE, by chance of the stations (bootstrap), not of "
        "the weather. Skill: share of the background's RMSE that is gone."
    )


def printed(lines: Sequence[Sequence[str]], explanation: str, columns: Sequence[str] | None) -> str:
    """Lines of cells, of which the first are the heads, as Markdown, and what they mean.

    Raises:
        ScoreError: When there is no such column.
    """
    heading = lines[0]
    if unknown := sorted(set(columns or ()) - set(heading)):
        raise ScoreError(f"There is no column {unknown[0]!r}. {did_you_mean(unknown[0], heading)}")
    wanted = columns or [head for head in heading if head not in ON_DEMAND]
    shown = [n for n, head in enumerate(heading) if head in wanted]
    rows = [[cells[n] for n in shown] for cells in lines]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return f"{text}\n\n{explanation}"


def of_uncertainty(records: Sequence[ScoreRecord], name: str) -> str:
    """A score that only analyses with members or a std have, "–" where a record lacks it.

    Raises:
        ScoreError: When a record of an earlier version has a CRPS, and no std to show it in.
    """
    if any(record.result.scores.get(name) is None for record in records):
        return "–"
    if name == "skill_infinite_ensemble":
        return points([record.result.scores[name] for record in records])
    if name == "crps" and not all(record.std for record in records):
        raise ScoreError(
            f"The record of {records[0].name} does not tell the standard deviations that its CRPS "
            "is shown in. Record the prediction again with record.py."
        )
    return spread([overall_scores(r.result.scores, r.std)[name] for r in records])


def skill(results: Sequence[Result]) -> float:
    """Mean over the seeds, %."""
    return float(np.mean([result.scores["skill"] for result in results]))


def certainty(found: Mapping[str, Sequence[Result]]) -> tuple[list[tuple[str, str]], str]:
    """Interval of the skill and possible ranks of each method, best first, and what they mean."""
    one = next(iter(found.values()))[0]
    several = [[r.scores["skill"] for r in results] for results in found.values() if results[1:]]
    between_seeds = seed_variance(several) if several else None
    untrained = {name for name, results in found.items() if is_fitted(name) and not results[1:]}
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
        f"(standard deviation, pooled over {len(several)} method{'s' * (len(several) > 1)})"
        if standing.seed_error is not None
        else "not of training, as no method has several seeds"
    )
    return cells, (
        "Skill: share of the background's RMSE that is gone, mean over variables. 95 %: interval "
        f"of the skill, by chance of the weather (t on means of blocks of days) {noise}. Ranks: "
        "those that all pairs, compared at once (Holm, 95 %), leave open."
    )


def is_fitted(name: str) -> bool:
    """Whether a method is one without training, as far as is known here: of what is installed."""
    if name.removeprefix(MULTI) in CLASSICAL:
        return True
    with suppress(TaskError):  # it is of a package that is not installed, or broken
        return not method_class(name).needs_training
    return False


def points(values: Sequence[float]) -> str:
    """Mean skill, %, and the standard deviation over seeds if there are several."""
    mean = percent(float(np.mean(values)), digits=2)
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.2f}"


def spread(values: Sequence[float]) -> str:
    """The mean, and the standard deviation over seeds if there are several."""
    mean = number(float(np.mean(values)))
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.1g}"


def cost(costs: Sequence[Cost]) -> list[str]:
    """Cells of parameters, minutes of training and seconds of an analysis; – where unknown."""
    minutes = [c.training_minutes for c in costs if c.training_minutes is not None]
    seconds = [c.seconds for c in costs if c.seconds is not None]
    parameters = costs[0].parameters
    return [
        f"{parameters:,}" if parameters else "–",
        f"{np.mean(minutes):.1f}" if minutes else "–",
        f"{min(seconds):.2g}" if seconds else "–",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""

    def run() -> None:
        args = parse_args(argv)
        records = read_records(args.records, args.task, args.without)
        print(table(records, args.columns))

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
