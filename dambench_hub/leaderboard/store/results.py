"""Results, as they are added and ranked.

Every row names all that its score depends on: model, task, data set revision, scorer version and
the hash of the values. Rows that differ in one of those are never ranked against each other.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sql

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person, local_person
from dambench_hub.leaderboard.accounts.text_rules import check_name
from dambench_hub.leaderboard.store.conditions import IS_PUBLISHED, badge_of, comparable
from dambench_hub.leaderboard.store.database import DEFAULT_STORE, Database
from dambench_hub.leaderboard.store.packed_errors import unpacked
from dambench_hub.leaderboard.store.ranking import Entry, Ranking
from dambench_hub.leaderboard.store.rows import (
    Event,
    append_event,
    insert_result,
    insert_submission,
    stamp,
)
from dambench_hub.leaderboard.store.schema import EVENTS, RESULTS, SUBMISSIONS, Badge, State
from dambench_hub.metrics.scorer import SCORER_VERSION
from dambench_hub.scoring.evaluation import MODEL_ATTRIBUTES, Result, larger_is_better
from dambench_hub.scoring.precision import rank_key

BY_TIME = ("sample_mse", "skill_by_day", "hours")
"""Attributes of a result that have a number for each time."""


class DuplicateResult(DambenchError):
    """The same values are recorded under the same name already."""


class Store(Database):
    """The database, as the ranking sees it; see `Database` for arguments and errors."""

    def __init__(self, url: str = DEFAULT_STORE, *, create: bool = False) -> None:
        super().__init__(url, create=create)
        self._rankings: dict[tuple[str, str | None, str], tuple[int, Ranking]] = {}

    def add(
        self, result: Result, name: str, file: Path | None = None, description: str = ""
    ) -> None:
        """Record and publish a result made on this machine; once this returns, it is on the disk.

        Args:
            result: The scores.
            name: What the ranking calls it.
            file: The prediction file, of which the size is noted.
            description: What its page says of it.

        Raises:
            DuplicateResult: When the same values are recorded under this name already.
            DambenchError: When the name cannot be shown or the store cannot be written.
        """
        name, owner = check_name(name), local_person()
        with self.transaction(write=True) as connection:
            if name in recorded_names(connection, result, owner.id):
                raise DuplicateResult(
                    f"These values are already recorded as {name!r} for the task {result.task}. "
                    "Submit another file, or choose another --name."
                )
            at = self.now(connection)
            key = insert_submission(
                connection,
                owner,
                name,
                result.task,
                stamp(at),
                model_url=result.attributes.get("model_url"),
                paper_url=result.attributes.get("paper_url"),
                bytes=file.stat().st_size if file else 0,
                description=description,
            )
            number = insert_result(connection, key, owner.id, result, at)
            append_event(connection, key, at, Event(State.PUBLISHED, owner.id, result=number))

    def tasks(self) -> list[str]:
        """Names of the tasks that have published results, sorted."""
        with self.transaction() as connection:
            query = sql.select(RESULTS.c.task).where(IS_PUBLISHED)
            return sorted(connection.scalars(query.distinct()))

    def result(self, submission: str) -> Result | None:
        """The newest scores of a submission, by its id; None while there are none.

        Errors by time and channel, which are large, are not among them: see `square_errors`.
        """
        query = sql.select(*_SCORES).where(RESULTS.c.submission == submission)
        with self.transaction() as connection:
            row = connection.execute(query.order_by(RESULTS.c.sequence.desc())).mappings().first()
        return _result(dict(row)) if row else None

    def square_errors(self, entry: Entry) -> np.ndarray | None:
        """`Result.square_errors` of a row, (N, C); None where they are not kept."""
        query = sql.select(RESULTS.c.square_errors).where(
            RESULTS.c.submission == entry.submission, *comparable(vars(entry.result))
        )
        with self.transaction() as connection:
            content = connection.scalar(query)
        return unpacked(content) if content else None

    def ranking(
        self, task: str, revision: str | None = None, scorer_version: str = SCORER_VERSION
    ) -> Ranking:
        """The published results of a task, best first; of one revision and scorer version only.

        Args:
            task: Name of the task.
            revision: Of the data set; None for that of the newest result.
            scorer_version: Of the scores.
        """
        key = (task, revision, scorer_version)
        with self.transaction() as connection:
            latest = connection.scalar(
                sql.select(sql.func.max(EVENTS.c.sequence))
                .join(SUBMISSIONS, SUBMISSIONS.c.id == EVENTS.c.submission)
                .where(SUBMISSIONS.c.task == task)
            )
            known = self._rankings.get(key)
            if known and known[0] == latest:
                return known[1]
            ranking = _ranked(connection, task, revision, scorer_version)
        if ranking.entries:  # else whoever asks for what is not there could fill the memory
            self._rankings[key] = (latest or 0, ranking)
        return ranking


def recorded_names(connection: sql.Connection, result: Result, owner: str) -> list[str]:
    """Names under which a person had the same values scored, with the same task, data and scorer.

    Args:
        connection: To the store.
        result: The scores.
        owner: Id of the person.
    """
    query = (
        sql.select(SUBMISSIONS.c.name)
        .join(RESULTS, SUBMISSIONS.c.id == RESULTS.c.submission)
        .where(
            RESULTS.c.owner == owner,
            RESULTS.c.value_hash == result.value_hash,
            *comparable(vars(result)),
        )
        .order_by(RESULTS.c.sequence)
    )
    return list(connection.scalars(query))


def _ranked(
    connection: sql.Connection, task: str, revision: str | None, scorer_version: str
) -> Ranking:
    """Read and rank."""
    keys = connection.execute(
        sql.select(RESULTS.c.submission, RESULTS.c.dataset_revision, RESULTS.c.scorer_version)
        .where(IS_PUBLISHED, RESULTS.c.task == task)
        .order_by(RESULTS.c.sequence)
    ).all()
    current = [found for _, found, version in keys if version == scorer_version]
    revision = revision or (current[-1] if current else "")
    shared = {"task": task, "dataset_revision": revision, "scorer_version": scorer_version}
    rows = connection.execute(
        sql.select(*_SCORES, *_SHOWN)
        .join(SUBMISSIONS, SUBMISSIONS.c.id == RESULTS.c.submission)
        .where(IS_PUBLISHED, *comparable(shared))
        .order_by(SUBMISSIONS.c.sequence)
    ).mappings()
    larger = larger_is_better(task, scorer_version)
    # Stable: earlier ones first.
    ranked = sorted(rows, key=lambda row: rank_key(row["main_score"], larger))
    best: dict[tuple[str, str], Any] = {}
    for row in ranked:
        best.setdefault((row["owner"], row["name"]), row)
    scores = [rank_key(row["main_score"], larger) for row in best.values()]
    entries = tuple(
        _entry(scores.index(score) + 1, dict(row))
        for score, row in zip(scores, best.values(), strict=True)
    )
    hidden = {submission for submission, *_ in keys} - {row["submission"] for row in ranked}
    return Ranking(task, revision, entries, len(hidden))


_SCORES = [column for column in RESULTS.c if column.name != RESULTS.c.square_errors.name]
"""Columns of a result without its large one."""

_SHOWN = (
    SUBMISSIONS.c.name,
    SUBMISSIONS.c.owner_name,
    SUBMISSIONS.c.received_at,
    SUBMISSIONS.c.model_url.label("given_model_url"),
    SUBMISSIONS.c.paper_url.label("given_paper_url"),
    badge_of(SUBMISSIONS.c.id).label("badge"),
)
"""Columns of a submission that an entry shows."""


def _entry(rank: int, row: dict[str, Any]) -> Entry:
    owner = Person(row["owner"], row["owner_name"])
    return Entry(
        rank=rank,
        name=row["name"],
        submitted_at=row["received_at"],
        result=_result(row),
        submission=row["submission"],
        owner=owner,
        model_url=row["given_model_url"] or row["model_url"],
        paper_url=row["given_paper_url"] or row["paper_url"],
        badge=Badge(row["badge"]),
    )


def _result(row: dict[str, Any]) -> Result:
    attributes = {name: row[name] for name in MODEL_ATTRIBUTES}
    values: dict[str, Any] = {
        field.name: row[field.name] for field in fields(Result) if field.name in row
    }
    values |= {name: tuple(row[name] or ()) for name in BY_TIME}
    values["attributes"] = {name: value for name, value in attributes.items() if value is not None}
    return Result(**values)
