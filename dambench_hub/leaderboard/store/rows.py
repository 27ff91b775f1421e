"""Rows that are added to a store: what a person handed in, what became of it, and its scores.

Each function works within the caller's writing transaction.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sql

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.store.packed_errors import packed
from dambench_hub.leaderboard.store.schema import EVENTS, RESULTS, SUBMISSIONS, Badge, State
from dambench_hub.scoring.evaluation import Result


@dataclass(frozen=True)
class Event:
    """Why a submission comes into a state.

    Attributes:
        state: The new one.
        actor: Id of the person, or name of the worker.
        reason: For everybody who may see the submission.
        problems: What was wrong with the file.
        detail: For administrators only.
        result: Number of the result that was added with it.
        badge: Which it has from now on; None if that stays.
    """

    state: State
    actor: str
    reason: str | None = None
    problems: tuple[str, ...] = ()
    detail: str | None = None
    result: int | None = None
    badge: Badge | None = None


def stamp(moment: datetime) -> str:
    """A time in UTC as it is stored, like 2026-01-31T12:00:00Z; texts sort as times do."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def insert_submission(
    connection: sql.Connection, owner: Person, name: str, task: str, at: str, **known: Any
) -> str:
    """Add what a person handed in; its new id.

    Args:
        connection: To the store.
        owner: Who handed it in.
        name: What the board calls it.
        task: Name of the task.
        at: When it was received, see `stamp`.
        **known: Other columns; it is to be published, and there is no file, unless they say so.
    """
    key = uuid.uuid4().hex
    row: dict[str, Any] = {"id": key, "owner": owner.id, "owner_name": owner.name, "name": name}
    row |= {"task": task, "received_at": at, "description": "", "publish": True}
    row |= {"file": "", "bytes": 0, "sha256": ""}
    connection.execute(SUBMISSIONS.insert().values(row | known))
    return key


def append_event(connection: sql.Connection, submission: str, at: datetime, event: Event) -> None:
    """Let a submission, by its id, come into a state."""
    row: dict[str, Any] = {**vars(event), "submission": submission, "at": stamp(at)}
    row |= {"state": str(event.state), "problems": list(event.problems)}
    row["badge"] = None if event.badge is None else str(event.badge)
    connection.execute(EVENTS.insert().values(row))


def insert_result(
    connection: sql.Connection, submission: str, owner: str, result: Result, at: datetime
) -> int:
    """Add the scores of a submission; the row's number.

    Raises:
        DambenchError: When a score is not finite.
        IntegrityError: When the submission, or these values of the owner, have such a row.
    """
    known = [result.main_score, result.scores, result.sample_mse, result.skill_by_day]
    if not (_all_finite(known) and np.all(np.isfinite(result.square_errors))):
        raise DambenchError(f"{submission}: a score that is not finite is no score.")
    row = {key: value for key, value in vars(result).items() if key in RESULTS.columns}
    row |= {"submission": submission, "owner": owner, "scored_at": stamp(at)}
    row["sample_mse"] = list(result.sample_mse)
    row["hours"], row["skill_by_day"] = (
        list(result.hours) or None,
        list(result.skill_by_day) or None,
    )
    row["square_errors"] = packed(result.square_errors) if result.square_errors.size else None
    added = connection.execute(RESULTS.insert().values(row | result.attributes))
    return number_of(added)


def number_of(added: sql.CursorResult[Any]) -> int:
    """The number that the database gave to a new row."""
    key = added.inserted_primary_key
    assert key is not None  # one row was added
    return key[0]


def _all_finite(value: Any) -> bool:
    """Whether all numbers in nested dictionaries and sequences are finite."""
    if isinstance(value, dict):
        return all(map(_all_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_all_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
