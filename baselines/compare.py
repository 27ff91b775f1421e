"""Print how recorded baselines differ in pairs, day by day, as Markdown.

python baselines/compare.py longer_vae_var:multi_vae_var var3d:multi_var3d

A pair is ONE:OTHER, names of records; a name without its seed (fnp for fnp-0, fnp-1) stands for the
mean of all its trainings. The two may be of different tasks with the same days. Records are written
by record.py; below the table stands what it means.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from dambench_hub.errors import ScoreError, did_you_mean
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring import Result
from dambench_hub.scoring.paired_difference import paired_difference
from dambench_hub.scoring.precision import number, percent
from dambench_hub.scoring.score_record import ScoreRecord
from dambench_hub.scoring.seed_names import method_and_seed

CHANNELS = ("v850", "q700", "t850", "z500")
"""Whose mean square error is shown, those that the data set has."""

Method = Mapping[int | None, ScoreRecord]
"""The records of one method by seed, None if it has none."""

EXPLANATION = (
    "From the first to the second. Difference: points of skill. 95 %: by chance of the weather (t "
    "on means of blocks of days), not of training; that shows in the differences by seed, where "
    "both have the same seeds. Better, less on: days. MSE of a channel: area-weighted."
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("pairs", nargs="+", type=pair, metavar="ONE:OTHER")
    parser.add_argument(
        "--records", type=local_path, default="baselines/scores", help="folder of the records"
    )
    return parser.parse_args(argv)


def pair(text: str) -> tuple[str, str]:
    """Two names."""
    one, colon, other = text.partition(":")
    if not (one and colon and other) or ":" in other:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pair. Give two names, ONE:OTHER.")
    return one, other


def read_method(folder: Path, name: str) -> Method:
    """The record NAME, or all of NAME-SEED.

    Raises:
        ScoreError: When there is none, or both.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise ScoreError(f"{folder} is no folder with records. Give one with --records.")
    found = [f for f in files if name in (f.stem, method_and_seed(f.stem)[0])]
    if not found:
        known = sorted({n for f in files for n in (f.stem, method_and_seed(f.stem)[0])})
        raise ScoreError(f"{folder} has no record {name!r}. {did_you_mean(name, known)}")
    if len(found) > 1 and folder / f"{name}.json" in found:
        raise ScoreError(f"{name} is a record of {folder}, and has seeds there, too. Name a seed.")
    return {method_and_seed(f.stem)[1]: ScoreRecord.read(f) for f in found}


def require_comparable(records: Sequence[ScoreRecord]) -> None:
    """Refuse records of different worlds, scorers or days.

    Raises:
        ScoreError: It names them.
    """
    for record in records:
        if not (record.result.skill_by_day and record.result.hours):
            raise ScoreError(f"{record.name} has no skill by day, as scores at stations have none.")
    kinds = {(r.result.dataset_revision, r.result.scorer_version, r.result.hours) for r in records}
    if len(kinds) > 1:
        found = "; ".join(
            f"{r.name} (revision {r.result.dataset_revision}, scorer {r.result.scorer_version}, "
            f"{len(r.result.hours)} days from {days(r)[0]} to {days(r)[-1]})"
            for r in records
        )
        raise ScoreError(
            f"Records of one revision, scorer and the same days compare, found {found}. Record the "
            "predictions again."
        )


def days(record: ScoreRecord) -> np.ndarray:
    """Valid times, datetime64, (N,)."""
    return np.array(record.result.hours, "datetime64[h]")


def table(pairs: Sequence[tuple[str, str]], folder: Path) -> str:
    """A row for each pair, and what the columns mean.

    Raises:
        ScoreError: When a record is missing or damaged, or two do not compare.
        TaskError: When there are too few days.
    """
    read = {name: read_method(folder, name) for both in pairs for name in both}
    known = set.intersection(
        *({*r.result.scores["rmse"]} for m in read.values() for r in m.values())
    )
    channels = [name for name in CHANNELS if name in known]
    heading = ["pair", "days", "skill, %", "difference", "95 %", "by seed", "better on", "MSE"]
    heading += ["less on", *(f"MSE of {channel}" for channel in channels)]
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)]]
    for one, other in pairs:
        lines.append([f"`{one}` → `{other}`", *row(read[one], read[other], channels)])
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{text}\n\n{EXPLANATION}"


def row(one: Method, other: Method, channels: Sequence[str]) -> list[str]:
    """Cells of one pair, after its name."""
    require_comparable([*one.values(), *other.values()])
    time = days(next(iter(one.values())))
    skills = [float(mean(method, lambda result: result.scores["skill"])) for method in (one, other)]
    skill_by_day = [mean(method, lambda result: result.skill_by_day) for method in (one, other)]
    mse_by_day = [mean(method, lambda result: result.sample_mse) for method in (one, other)]
    ends = paired_difference(skill_by_day[1], skill_by_day[0], time).interval()
    mse = [float(values.mean()) for values in mse_by_day]
    return [
        str(len(time)),
        " → ".join(percent(skill, digits=2) for skill in skills),
        points(ends.mean),
        f"{points(ends.low)} … {points(ends.high)}",
        by_seed(one, other),
        str(int(np.sum(skill_by_day[1] > skill_by_day[0]))),
        f"{' → '.join(map(number, mse))} ({change(*mse)})",
        str(int(np.sum(mse_by_day[1] < mse_by_day[0]))),
        *(change(channel_mse(one, name), channel_mse(other, name)) for name in channels),
    ]


def by_seed(one: Method, other: Method) -> str:
    """Differences of skill of the seeds that both have; – if these are fewer than two."""
    seeds = sorted(seed for seed in one if seed in other and seed is not None)
    skills = [[method[s].result.scores["skill"] for s in seeds] for method in (one, other)]
    differences = np.subtract(skills[1], skills[0]).tolist()
    return ", ".join(map(points, differences)) if len(seeds) > 1 else "–"


def channel_mse(method: Method, channel: str) -> float:
    """Area-weighted mean square error, mean over days and trainings, physical units squared."""

    def by_day(result: Result) -> np.ndarray:
        return result.square_errors[:, list(result.scores["rmse"]).index(channel)]

    return float(mean(method, by_day).mean())


def mean(method: Method, score: Callable[[Result], ArrayLike]) -> np.ndarray:
    """A score, mean over trainings."""
    return np.mean([score(record.result) for record in method.values()], axis=0)


def points(value: float) -> str:
    """Points of skill with their sign."""
    return percent(value, digits=2, signs=True)


def change(one: float, other: float) -> str:
    """From one to the other, %."""
    return f"{percent(100 * (other / one - 1), signs=True)} %" if one else "–"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""

    def run() -> None:
        args = parse_args(argv)
        print(table(args.pairs, args.records))

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
