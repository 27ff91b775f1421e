"""What a person handed in, with what became of it, as the store tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.store.conditions import badge_of
from dambench_hub.leaderboard.store.schema import EVENTS, RESULTS, SUBMISSIONS, Badge, State
from dambench_hub.leaderboard.submissions.queue import Queue


@dataclass(frozen=True)
class Submission:
    """What a person handed in, and what became of it.

    Attributes:
        id: 32 hexadecimal digits.
        sequence: Ascends in the order of receipt.
        owner: Who handed it in.
        name: What the board calls it.
        task: Name of the task.
        description: In the owner's words, perhaps empty.
        model_url: Where the model is described.
        paper_url: Where the paper is.
        publish: Whether it is to be published as soon as it is scored.
        file: Name within the inbox; empty where the file was not kept.
        bytes: Size of the file.
        sha256: Of the file.
        received_at: UTC, like 2026-01-31T12:00:00Z.
        state: The present state.
        state_at: Since when.
        problems: What was wrong with the file.
        reason: Why the state is what it is, in words for the owner.
        value_hash: Of the newest result; None while there is none.
        progress: Share of the scoring that is done, 0 to 1; None while nobody scores it.
        published_at: When it was first published; None if it never was.
        detail: Why, in words for administrators only.
        badge: Whether whoever keeps the board made the prediction, too.
    """

    id: str
    sequence: int
    owner: Person
    name: str
    task: str
    description: str
    model_url: str | None
    paper_url: str | None
    publish: bool
    file: str
    bytes: int
    sha256: str
    received_at: str
    state: State
    state_at: str
    problems: tuple[str, ...]
    reason: str | None
    value_hash: str | None
    progress: float | None
    published_at: str | None
    detail: str | None
    badge: Badge

    def visible_to(self, person: Person | None) -> bool:
        """Whether somebody, or a stranger (None), may see this and its result."""
        if person is not None and (person.id == self.owner.id or person.is_administrator):
            return True
        shown = (State.PUBLISHED, State.WITHDRAWN, State.RECEIVED)
        return self.published_at is not None and self.state in shown


def select_submissions(
    connection: sql.Connection, queue: Queue, *wanted: sql.ColumnElement[bool]
) -> list[Submission]:
    """Submissions with their present states, in the order of receipt."""
    query = _SUBMISSIONS.where(*wanted).order_by(SUBMISSIONS.c.sequence)
    rows = connection.execute(query).mappings().all()
    progress = queue.progress(connection)
    return [_submission(dict(row), progress.get(row["id"])) for row in rows]


def _submission(row: dict[str, Any], progress: float | None) -> Submission:
    row["badge"] = Badge(row["badge"])
    owner = Person(row.pop("owner"), row.pop("owner_name"))
    state, problems = State(row.pop("state")), tuple(row.pop("problems"))
    return Submission(owner=owner, state=state, problems=problems, progress=progress, **row)


def _last(column: sql.ColumnElement[Any]) -> sql.ScalarSelect[Any]:
    """That column of the submission's last event or result."""
    table = column.table
    return (
        sql.select(column)
        .where(table.c.submission == SUBMISSIONS.c.id)
        .order_by(table.c.sequence.desc())
        .limit(1)
        .correlate(SUBMISSIONS)
        .scalar_subquery()
    )


_FIRST_PUBLISHED = (
    sql.select(sql.func.min(EVENTS.c.at))
    .where(EVENTS.c.submission == SUBMISSIONS.c.id, EVENTS.c.state == str(State.PUBLISHED))
    .correlate(SUBMISSIONS)
    .scalar_subquery()
)
_SUBMISSIONS = sql.select(
    SUBMISSIONS,
    EVENTS.c.state,
    EVENTS.c.at.label("state_at"),
    EVENTS.c.problems,
    EVENTS.c.reason,
    EVENTS.c.detail,
    _last(RESULTS.c.value_hash).label("value_hash"),
    _FIRST_PUBLISHED.label("published_at"),
    badge_of(SUBMISSIONS.c.id).label("badge"),
).join(EVENTS, EVENTS.c.sequence == _last(EVENTS.c.sequence))
