"""From each older schema of the store to the next; a step runs within the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sql

from dambench_hub.leaderboard.accounts.person import local_person
from dambench_hub.leaderboard.store.schema import (
    EVENTS,
    METADATA,
    RESULTS,
    SUBMISSIONS,
    State,
    count_on,
)


def _add_submissions(connection: sql.Connection) -> None:
    """Version 1 had results only, each with its name: they become published submissions."""
    old = sql.Table("results", sql.MetaData(), autoload_with=connection)
    rows = connection.execute(old.select().order_by(old.c.sequence)).mappings().all()
    old.drop(connection)
    METADATA.create_all(connection)
    for row in rows:
        submission, event, result = _split(dict(row))
        connection.execute(SUBMISSIONS.insert().values(submission))
        connection.execute(RESULTS.insert().values(result))
        connection.execute(EVENTS.insert().values(event))
    count_on(connection)


def _split(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A row of version 1 as a submission, its only event, and its result."""
    owner, key, at = local_person(), uuid.uuid4().hex, row.pop("submitted_at")
    sequence, name = row["sequence"], row.pop("name")
    submission = {
        "sequence": sequence,
        "id": key,
        "owner": owner.id,
        "owner_name": owner.name,
        "name": name,
        "task": row["task"],
        "description": "",
        "model_url": row["model_url"],
        "paper_url": row["paper_url"],
        "publish": True,
        "file": "",
        "bytes": 0,
        "sha256": "",
        "received_at": at,
    }
    event = {"sequence": sequence, "submission": key, "state": str(State.PUBLISHED), "at": at}
    event |= {"actor": owner.id, "reason": None, "problems": [], "detail": None, "result": sequence}
    return submission, event, row | {"submission": key, "owner": owner.id, "scored_at": at}


MIGRATIONS: dict[int, Callable[[sql.Connection], None]] = {1: _add_submissions}
"""The step that leads from each version to the next."""
