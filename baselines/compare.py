"""Print how recorded baselines differ in pairs, day by day, as Markdown.

python baselines/compare.py longer_vae_var:multi_vae_var var3d:multi_var3d

A pair is ONE:OTHER, names of records; a name without its seed (fnp for fnp-0, fnp-1) stands for the
mean of all its trainings. The two may be of different tasks with the same days. Records are written
by record.py; below the table stands what it means.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dambench_hub.errors import ScoreError, did_you_mean
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring.paired_difference import paired_difference
from dambench_hub.scoring.precision import number, percent
from dambench_hub.scoring.score_record import ScoreRecord
from dambench_hub.scoring.seed_names import method_and_seed
from dambench_hub.scoring.seed_variance import SeedVariance, seed_variance

CHANNELS = ("v850", "q700", "t850", "z500")
"""Whose mean square error is shown, those that the data set has."""


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


@dataclass(frozen=True, eq=False)
class Method:
    """One method's records, and their means over trainings."""

    name: str
    records: Sequence[ScoreRecord]

    @classmethod
    def read(cls, folder: Path, name: str) -> Method:
        """The record NAME, or all of NAME-SEED.

        Raises:
            ScoreError: When there is none, or seeds do not compare.
        """
        files = sorted(folder.glob("*.json"))
        seeds = [f for f in files if method_and_seed(f.stem)[0] == name]
        found = [f for f in files if f.stem == name] or seeds
        if not found:
            known = sorted({n for f in files for n in (f.stem, method_and_seed(f.stem)[0])})
            raise ScoreError(f"{folder} has no record {name!r}. {did_you_mean(name, known)}")
        records = [ScoreRecord.read(file) for file in found]
        require_comparable(records)
        return cls(name, records)

    @property
    def seeds(self) -> float:
        """Trainings whose mean it is; infinity where nothing is trained."""
        trained = method_and_seed(self.records[0].name)[1] is not None
        return len(self.records) if trained else np.inf

    @property
    def skills(self) -> list[float]:
        """Of each training, %."""
        return [record.result.scores["skill"] for record in self.records]

    @property
    def skill_by_day(self) -> np.ndarray:
        """Mean over trainings, %, (N,)."""
        return np.mean([record.result.skill_by_day for record in self.records], axis=0)

    @property
    def mse_by_day(self) -> np.ndarray:
        """Mean over trainings, (N,)."""
        return np.mean([record.result.sample_mse for record in self.records], axis=0)

    def mse(self, channel: str) -> float:
        """Area-weighted mean square error of a channel, physical units squared."""
        at = self.channels.index(channel)
        return float(np.mean([r.result.square_errors[:, at] for r in self.records]))

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""
        return list(self.records[0].result.scores["rmse"])


def require_comparable(records: Sequence[ScoreRecord]) -> None:
    """Refuse records of different worlds, scorers or days.

    Raises:
        ScoreError: It names them.
    """
    for record in records:
        if "station_rmse" in record.result.scores:
            raise ScoreError(f"{record.name} is scored at stations, and has no errors by day.")
    kinds = {
        (r.result.dataset_revision, r.result.scorer_version, tuple(r.result.hours)) for r in records
    }
    if len(kinds) > 1:
        found = "; ".join(
            f"{r.name} (revision {r.result.dataset_revision}, scorer {r.result.scorer_version}, "
            f"{len(r.result.hours)} days)"
            for r in records
        )
        raise ScoreError(
            f"Records of one revision, scorer and the same days compare, found {found}. Record the "
            "predictions again."
        )


def table(pairs: Sequence[tuple[Method, Method]]) -> str:
    """A row for each pair, and what the columns mean."""
    named = {method.name: method.skills for both in pairs for method in both}
    several = [skills for skills in named.values() if len(skills) > 1]
    between_seeds = seed_variance(several) if several else None
    known = set.intersection(*(set(method.channels) for both in pairs for method in both))
    channels = [name for name in CHANNELS if name in known]
    heading = ["pair", "days", "skill, %", "difference", "95 %", "better on", "MSE", "less on"]
    heading += [f"MSE of {channel}" for channel in channels]
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)]]
    lines += [row(one, other, channels, between_seeds) for one, other in pairs]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    noise = (
        f"and of training (seeds, pooled over {len(several)} methods)"
        if several
        else "not of training: each that is trained is one training"
    )
    return (
        f"{text}\n\nFrom the first to the second. Difference: points of skill, with an interval by "
        f"chance of the weather (means of blocks of days) {noise}. Better, less on: days. MSE of a "
        "channel: area-weighted."
    )


def row(
    one: Method, other: Method, channels: Sequence[str], between_seeds: SeedVariance | None
) -> list[str]:
    """Cells of one pair.

    Raises:
        ScoreError: When the two do not compare.
        TaskError: When there are too few days.
    """
    require_comparable([*one.records, *other.records])
    time = np.array(one.records[0].result.hours, "datetime64[h]")
    ends = paired_difference(
        other.skill_by_day,
        one.skill_by_day,
        time,
        between_seeds=between_seeds,
        seeds=(other.seeds, one.seeds),
    ).interval()
    mean, low, high = (percent(x, digits=2, signs=True) for x in (ends.mean, ends.low, ends.high))
    skills = (percent(float(np.mean(method.skills)), digits=2) for method in (one, other))
    mse = [float(method.mse_by_day.mean()) for method in (one, other)]
    cells = [f"`{one.name}` → `{other.name}`", str(len(time)), " → ".join(skills), mean]
    cells += [f"{low} … {high}", str(int(np.sum(other.skill_by_day > one.skill_by_day)))]
    cells += [f"{' → '.join(map(number, mse))} ({change(*mse)})"]
    cells += [str(int(np.sum(other.mse_by_day < one.mse_by_day)))]
    return cells + [change(one.mse(channel), other.mse(channel)) for channel in channels]


def change(one: float, other: float) -> str:
    """From one to the other, %."""
    return f"{percent(100 * (other / one - 1), signs=True)} %" if one else "–"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""

    def run() -> None:
        args = parse_args(argv)
        print(table([tuple(Method.read(args.records, name) for name in p) for p in args.pairs]))

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
