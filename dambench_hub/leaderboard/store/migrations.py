"""From each older schema of the store to the next; a step runs within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sql

from dambench_hub.leaderboard.accounts.person import local_person
from dambench_hub.leaderboard.store.rows import insert_submission
from dambench_hub.leaderboard.store.schema import (
    BY_DAY,
    EVENTS,
    METADATA,
    RESULTS,
    State,
    count_on,
)


def _add_submissions(connection: sql.Connection) -> None:
    """Version 1 had results only, each with its name: they become published submissions."""
    old = sql.Table("results", sql.MetaData(), autoload_with=connection)
    rows = connection.execute(old.select().order_by(old.c.sequence)).mappings().all()
    old.drop(connection)
    METADATA.create_all(connection)
    owner = local_person()
    for row in map(dict, rows):
        name, at, sequence = row.pop("name"), row.pop("submitted_at"), row["sequence"]
        urls = {"model_url": row["model_url"], "paper_url": row["paper_url"]}
        key = insert_submission(connection, owner, name, row["task"], at, sequence=sequence, **urls)
        row |= {"submission": key, "owner": owner.id, "scored_at": at}
        connection.execute(RESULTS.insert().values(row))
        event = {"sequence": sequence, "submission": key, "state": str(State.PUBLISHED), "at": at}
        event |= {"actor": owner.id, "problems": [], "result": sequence}
        connection.execute(EVENTS.insert().values(event))
    count_on(connection)


def _add_badges(connection: sql.Connection) -> None:
    """Version 2 had no badges."""
    _add_columns(connection, EVENTS.c.badge)


def _add_times(connection: sql.Connection) -> None:
    """Version 3 knew of each time its `mse` alone."""
    _add_columns(connection, *BY_DAY)


def _add_columns(connection: sql.Connection, *columns: sql.Column[Any]) -> None:
    """Add empty columns; where version 1 was before, the tables are new and have them."""
    for column in columns:
        table = column.table.name
        known = {there["name"] for there in sql.inspect(connection).get_columns(table)}
        if column.name not in known:
            kind = column.type.compile(connection.dialect)
            connection.execute(sql.text(f"ALTER TABLE {table} ADD COLUMN {column.name} {kind}"))


MIGRATIONS: dict[int, Callable[[sql.Connection], None]] = {
    1: _add_submissions,
    2: _add_badges,
    3: _add_times,
}
"""The step that leads from each version to the next."""
