"""`Ranking`: results that can be compared, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dambench_hub.coordinates.variables import HEADLINE_CHANNELS
from dambench_hub.errors import TaskError
from dambench_hub.leaderboard.accounts.look_alikes import picture
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.store.schema import Badge
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.models.registry import CLASSICAL, METHODS, MULTI
from dambench_hub.scoring.evaluation import Result
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.overall_scores import SINGLE
from dambench_hub.scoring.precision import rank_key
from dambench_hub.scoring.seed_names import method_and_seed
from dambench_hub.scoring.seed_variance import SeedVariance, seed_variance
from dambench_hub.scoring.standings import Standings, standings
from dambench_hub.scoring.station_interval import station_interval

BACKGROUND = "background"
AT_STATIONS = (
    "95 %: where the RMSE would lie if chance had chosen other stations (bootstrap over stations); "
    "other weather is not counted. All methods meet the same stations, so intervals that overlap "
    "do not say that two methods are equally good."
)
HIDDEN_STATIONS = "There are no intervals: they would tell of stations that are not public."


@dataclass(frozen=True, eq=False)
class Entry:
    """One row of a ranking.

    Attributes:
        rank: From 1; equal scores share a rank, the earlier one stands first.
        name: Under which the result was submitted.
        submitted_at: UTC, like 2026-01-31T12:00:00Z.
        result: The scores and all they depend on.
        submission: Id of the submission.
        owner: Who submitted it.
        model_url: Where the model is described.
        paper_url: Where the paper is.
        badge: Whether whoever keeps the board made the prediction, too.
    """

    rank: int
    name: str
    submitted_at: str
    result: Result
    submission: str
    owner: Person
    model_url: str | None = None
    paper_url: str | None = None
    badge: Badge = Badge.SELF_REPORTED

    @property
    def baseline(self) -> bool:
        """Whether this is one of the package's methods, run by who keeps the store."""
        return self.owner.is_trusted and is_baseline_name(self.name)

    @property
    def method(self) -> tuple[str, str]:
        """Whose method it is, and its name without the seed: the same for all of its seeds."""
        return self.owner.id, method_and_seed(self.name)[0]

    @property
    def trainings(self) -> float:
        """Of how many trainings the score is the mean: 1, or infinity for what is not trained."""
        fitted = self.name.removeprefix(MULTI) in CLASSICAL
        return math.inf if self.baseline and fitted else 1

    def to_dict(self) -> dict[str, Any]:
        """Rank, name and time before what `dambench score --json` prints."""
        ranked = {"rank": self.rank, "name": self.name, "submitted_at": self.submitted_at}
        return ranked | self.result.to_dict()


@dataclass(frozen=True, eq=False)
class Ranking:
    """Results that can be compared, best first: of each person and name the best one.

    Attributes:
        task: Name of the task.
        dataset_revision: Revision that all entries share.
        entries: The rows.
        hidden: Published submissions of the task that have results of other revisions or scorer
            versions only.
    """

    task: str
    dataset_revision: str
    entries: tuple[Entry, ...]
    hidden: int

    @cached_property
    def background(self) -> Entry | None:
        """The baseline called background; None if it is not ranked."""
        return next((e for e in self.entries if e.baseline and e.name == BACKGROUND), None)

    @property
    def standings(self) -> Standings | None:
        """How sure scores, ranks and order are; None where that is not known, see `unsure`."""
        return self._judged[0]

    @property
    def unsure(self) -> str:
        """What to say where there are no `standings`: why, or what intervals there are instead."""
        return self._judged[1]

    @property
    def at_stations(self) -> bool:
        """Whether methods are ranked by their errors at stations, all at the same ones."""
        return any("station_rmse" in entry.result.scores for entry in self.entries)

    @cached_property
    def intervals(self) -> tuple[Interval | None, ...]:
        """Of the main score of each entry, at 95 %; None where it is not known."""
        if self.standings:
            return tuple(row.interval for row in self.standings.rows)
        return tuple(station_interval(entry.result.scores) for entry in self.entries)

    @property
    def between_seeds(self) -> SeedVariance | None:
        """Variance of the skill over training seeds; None where nothing was trained twice.

        Pooled over the methods of whoever keeps the store, whose seeds are rows of their own,
        called METHOD-SEED; what strangers call theirs changes no row but their own.
        """
        seeds: dict[tuple[str, str], list[float]] = {}
        for entry in self.entries:
            if entry.owner.is_trusted and method_and_seed(entry.name)[1] is not None:
                seeds.setdefault(entry.method, []).append(entry.result.main_score)
        several = [scores for scores in seeds.values() if len(scores) > 1]
        return seed_variance(several) if several else None

    @cached_property
    def _judged(self) -> tuple[Standings | None, str]:
        if not self.entries:
            return None, ""
        if self.at_stations:
            known = all(station_interval(entry.result.scores) for entry in self.entries)
            return None, AT_STATIONS if known else HIDDEN_STATIONS
        hours, series = _common_series(self.entries)
        if not hours:
            return None, (
                "There are no intervals: methods are not ranked by skill here, or their skill by "
                "day is not known. It is not kept where the reference is not public."
            )
        try:
            found = standings(
                series,
                np.array(hours, "datetime64[h]"),
                between_seeds=self.between_seeds,
                seeds=[entry.trainings for entry in self.entries],
                methods=[entry.method for entry in self.entries],
            )
        except TaskError:
            few = f"{len(hours)} analyses are" if len(hours) > 1 else "one analysis is"
            return None, (
                f"There are no intervals: {few} too few, or too close together. Chance of the "
                "weather shows from 90 days on."
            )
        return found, ""

    def to_dicts(self) -> list[dict[str, Any]]:
        """What `dambench leaderboard --json` prints: a row's scores, and how sure they are.

        Returns:
            Those of `Entry.to_dict` with `interval`, the two ends of the main score's, and
            `possible_ranks`, the best and the worst; None where they are not known.
        """
        rows = self.standings.rows if self.standings else [None] * len(self.entries)
        return [
            entry.to_dict()
            | {
                "interval": [ends.low, ends.high] if ends else None,
                "possible_ranks": [row.best_rank, row.worst_rank] if row else None,
            }
            for entry, row, ends in zip(self.entries, rows, self.intervals, strict=True)
        ]

    def board(self) -> list[dict[str, Any]]:
        """The rows of a leaderboard, with the same columns in each.

        Returns:
            `rank`, `name`; then, where they are known, `best_rank` and `worst_rank`, the possible
            ones; `station_rmse`, where that ranks, or `skill` (%), and after it, where it is known,
            its 95 % interval, `station_rmse_low` or `skill_low` and `…_high`; then those of
            `skill`, `mse`, `mae` and `specdiv` that all have, and the RMSE of those of
            `HEADLINE_CHANNELS` that are scored, called for example `rmse_z500`.
        """
        rows = []
        names = [
            name
            for name in SINGLE
            if all(entry.result.scores.get(name) is not None for entry in self.entries)
        ]
        known = self.standings.rows if self.standings else [None] * len(self.entries)
        sure = all(self.intervals)
        for entry, standing, ends in zip(self.entries, known, self.intervals, strict=True):
            scores = entry.result.scores
            row = {"rank": entry.rank, "name": entry.name}
            if standing:
                row |= {"best_rank": standing.best_rank, "worst_rank": standing.worst_rank}
            row |= {name: scores[name] for name in names[:1]}
            if ends and sure:
                row |= {f"{names[0]}_low": ends.low, f"{names[0]}_high": ends.high}
            row |= {name: scores[name] for name in names[1:]}
            # Where stations rank, there is one channel, and its RMSE stands there already.
            shown = () if self.at_stations else HEADLINE_CHANNELS
            rmse = {name: scores["rmse"][name] for name in shown if name in scores["rmse"]}
            rows.append(row | {f"rmse_{name}": value for name, value in rmse.items()})
        return rows

    def place(self, result: Result, owner: str, name: str) -> int | None:
        """The rank that a result would have; None if it cannot be compared.

        Args:
            result: One that is not here.
            owner: Id of the person whose it is.
            name: What it would be called; it takes the place of the owner's row of that name.
        """
        if (result.dataset_revision, result.scorer_version) != (
            self.dataset_revision,
            SCORER_VERSION,
        ):
            return None
        others = (entry for entry in self.entries if (entry.owner.id, entry.name) != (owner, name))
        larger = result.larger_is_better
        key = rank_key(result.main_score, larger)
        return 1 + sum(rank_key(entry.result.main_score, larger) < key for entry in others)

    def of(self, submission: str) -> Entry | None:
        """The row of a submission, by its id; None if it has none."""
        return next((e for e in self.entries if e.submission == submission), None)

    def entry(self, owner: Person, name: str) -> Entry | None:
        """The best result of a person under a name; None if there is none."""
        wanted = (owner.id, name)
        return next((e for e in self.entries if (e.owner.id, e.name) == wanted), None)


def _common_series(entries: Sequence[Entry]) -> tuple[tuple[int, ...], np.ndarray]:
    """Hours and skill by day, (N,) and (E, N); none where an entry lacks them."""
    hours = entries[0].result.hours
    known = entries[0].result.larger_is_better and all(
        entry.result.hours == hours and len(entry.result.skill_by_day) == len(hours) > 0
        for entry in entries
    )
    series = [entry.result.skill_by_day for entry in entries] if known else []
    return (hours if known else ()), np.array(series, np.float64)


BASELINES = frozenset(
    {before + method for method in METHODS for before in ("", MULTI, "longer_")}
    | {"slams_autoencoder"}
)
"""What `make baselines` makes, without seeds: also methods trained longer, and a first stage."""


def is_baseline_name(name: str) -> bool:
    """Whether a name is that of one of the package's methods, perhaps with a seed.

    >>> is_baseline_name("multi_fnp"), is_baseline_name("longer_fnp-0"), is_baseline_name("mine")
    (True, True, False)
    """
    return method_and_seed(name)[0] in BASELINES


def looks_like_baseline(name: str) -> bool:
    """Whether a name is, or is easily taken for, that of one of the package's methods.

    >>> looks_like_baseline("Background"), looks_like_baseline("background, tuned")
    (True, False)
    """
    return picture(method_and_seed(name)[0]) in map(picture, BASELINES)
