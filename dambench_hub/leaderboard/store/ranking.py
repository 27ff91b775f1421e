"""`Ranking`: results that can be compared, best first."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from operator import gt, lt
from typing import Any

import numpy as np

from dambench_hub.coordinates.variables import HEADLINE_CHANNELS
from dambench_hub.leaderboard.accounts.look_alikes import picture
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.store.schema import Badge
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.models.registry import METHODS, MULTI
from dambench_hub.scoring.evaluation import Result
from dambench_hub.scoring.precision import rounded
from dambench_hub.scoring.significance import neighbour_groups

BACKGROUND = "background"


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

    def to_dict(self) -> dict[str, Any]:
        """What `dambench leaderboard --json` prints."""
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
    _groups: dict[bytes, tuple[int, ...] | None] = field(
        default_factory=dict, init=False, repr=False
    )

    @cached_property
    def background(self) -> Entry | None:
        """The baseline called background; None if it is not ranked."""
        return next((e for e in self.entries if e.baseline and e.name == BACKGROUND), None)

    def board(self) -> list[dict[str, Any]]:
        """The rows of a leaderboard, with the same columns in each.

        Returns:
            `rank`, `name`, then those of `skill` (%), `mse`, `mae` and `specdiv` that all have;
            then the RMSE of those of `HEADLINE_CHANNELS` that are scored, called for example
            `rmse_z500`.
        """
        rows = []
        names = [
            name
            for name in ("skill", "mse", "mae", "specdiv")
            if all(entry.result.scores.get(name) is not None for entry in self.entries)
        ]
        for entry in self.entries:
            scores = entry.result.scores
            row = {"rank": entry.rank, "name": entry.name}
            row |= {name: scores[name] for name in names}
            rmse = {
                name: scores["rmse"][name] for name in HEADLINE_CHANNELS if name in scores["rmse"]
            }
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
        better, score = (gt if result.larger_is_better else lt), rounded(result.main_score)
        return 1 + sum(better(rounded(entry.result.main_score), score) for entry in others)

    def of(self, submission: str) -> Entry | None:
        """The row of a submission, by its id; None if it has none."""
        return next((e for e in self.entries if e.submission == submission), None)

    def entry(self, owner: Person, name: str) -> Entry | None:
        """The best result of a person under a name; None if there is none."""
        wanted = (owner.id, name)
        return next((e for e in self.entries if (e.owner.id, e.name) == wanted), None)

    def groups(self, time: np.ndarray) -> tuple[int, ...] | None:
        """Which neighbours in the ranking chance alone could have put in their order.

        Args:
            time: Valid times of the task, (N,), those of `Result.sample_mse`.

        Returns:
            A number for each entry, from 1: an entry that a paired block bootstrap over days cannot
            tell from the one before has its number. None where there are too few days to say.
        """
        key = time.astype("datetime64[h]").tobytes()
        if key not in self._groups:
            errors = np.array([entry.result.sample_mse for entry in self.entries], np.float64)
            self._groups[key] = neighbour_groups(errors, time)
        return self._groups[key]


def is_baseline_name(name: str) -> bool:
    """Whether a name is that of one of the package's methods.

    >>> is_baseline_name("multi_fnp"), is_baseline_name("mine")
    (True, False)
    """
    return name.removeprefix(MULTI) in METHODS


def looks_like_baseline(name: str) -> bool:
    """Whether a name is, or is easily taken for, that of one of the package's methods.

    >>> looks_like_baseline("Background"), looks_like_baseline("background, tuned")
    (True, False)
    """
    return picture(name) in {
        picture(prefix + method) for method in METHODS for prefix in ("", MULTI)
    }
