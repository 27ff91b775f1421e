"""The store as immutable files, one for each event, from which it can be made again.

A record holds an event and all that came with it: the submission, if it is the first event, and the
result, if there was one. Numbers that a store gives to its rows are not in it, so that the same
event has the same content in every store that was made from records; the number in its name only
tells the order. The name ends in a part of the hash: two stores can keep their records in one place
and never overwrite each other's. Records tell what is not published, too: they are not for
everybody.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.store.rows import number_of
from dambench_hub.leaderboard.store.schema import (
    BY_DAY,
    EVENTS,
    MIRRORED,
    RESULTS,
    STORE_STATE,
    SUBMISSIONS,
    count_on,
)

FORMAT, WITH_BADGE, WITH_TIMES = "1", "2", "3"
"""Of a record; what knows no badge and no times is written as it was before there were any."""
BINARY = "square_errors"
"""The column of bytes, which stand in a record in Base64."""

FOLDER = "results"


@dataclass(frozen=True)
class Record:
    """One event of a store, as a file.

    Attributes:
        sequence: Of the event in its store.
        path: `results/<task>/<sequence>-<hash>.json`.
        content: JSON in UTF-8 without spaces, keys in the order of the store's columns and of the
            scores: from the same rows, the same bytes.
    """

    sequence: int
    path: str
    content: bytes

    @classmethod
    def of(cls, task: str, sequence: int, parts: dict[str, Any]) -> Record:
        """The record of an event; `parts` are rows by the name of what they are."""
        version = WITH_BADGE if "badge" in parts["event"] else FORMAT
        if "hours" in parts.get("result", {}):
            version = WITH_TIMES
        text = json.dumps(
            {"format": version, **parts},
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
        content = text.encode()
        return cls(sequence, f"{FOLDER}/{task}/{sequence:06d}-{_short_hash(content)}.json", content)

    @classmethod
    def read(cls, path: Path) -> Record:
        """A record from a file.

        Raises:
            StoreError: When it is not what its name says.
        """
        content = path.read_bytes()
        sequence, _, digest = path.stem.partition("-")
        if _short_hash(content) != digest or not sequence.isdecimal():
            raise StoreError(f"The record {path.name} is damaged. Fetch the records again.")
        return cls(int(sequence), f"{FOLDER}/{path.parent.name}/{path.name}", content)

    def parts(self) -> dict[str, Any]:
        """The rows: `event`, and perhaps `submission` and `result`.

        Raises:
            StoreError: When a later version wrote it.
        """
        parts = json.loads(self.content)
        if (version := parts.pop("format")) not in (FORMAT, WITH_BADGE, WITH_TIMES):
            raise StoreError(
                f"The record {self.path} has format {version!r}, this dambench-hub reads "
                f"{FORMAT!r} to {WITH_TIMES!r}. Use the version that wrote it."
            )
        return parts


def pending_records(store: Store, repository: str, most: int) -> list[Record]:
    """The first records that a repository of the Hub is not known to hold."""
    sent = sql.select(MIRRORED.c.event).where(MIRRORED.c.repository == repository)
    query = EVENTS.select().where(EVENTS.c.sequence.not_in(sent))
    with store.transaction() as connection:
        events = connection.execute(query.order_by(EVENTS.c.sequence).limit(most)).mappings()
        return [_record(connection, dict(event)) for event in events.all()]


def read_records(folder: Path) -> Iterator[Record]:
    """All records in a folder.

    Raises:
        StoreError: When there are none, or one is damaged.
    """
    paths = sorted(folder.glob(f"{FOLDER}/*/*.json"))
    if not paths:
        raise StoreError(f"There are no records in {folder}/{FOLDER}.")
    return map(Record.read, paths)


def restore_records(url: str, records: Iterable[Record]) -> Store:
    """Make a new store from records, all at once.

    Where those of several stores meet, events get new numbers, in the old order; one that is there
    twice, since a store that was made from records was mirrored again, counts once.

    Args:
        url: Of a store that is not there yet, or holds nothing.
        records: In any order.

    Raises:
        StoreError: When the store holds something, or a record cannot be read.
    """
    unique: dict[bytes, Record] = {}
    for record in sorted(records, key=lambda record: (record.sequence, record.path)):
        unique.setdefault(record.content, record)
    numbered = len({record.sequence for record in unique.values()}) == len(unique)
    store = Store(url, create=True)
    with store.transaction(write=True) as connection:
        if connection.execute(sql.select(SUBMISSIONS.c.id).limit(1)).first():
            raise StoreError(f"The store {store.url} is not empty. Choose a new --store.")
        last = "1970-01-01T00:00:00Z"
        for record in unique.values():
            event = _insert(connection, record.parts(), record.sequence if numbered else None)
            last = max(last, event["at"])
        count_on(connection)
        seen = datetime.strptime(last, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        connection.execute(STORE_STATE.update().values(last_seen=seen.timestamp()))
    return store


def _record(connection: sql.Connection, event: dict[str, Any]) -> Record:
    """An event with all that came with it."""
    if event["badge"] is None:
        del event["badge"]
    sequence, result, key = event.pop("sequence"), event.pop("result"), event["submission"]
    earlier = sql.select(sql.func.count()).where(
        EVENTS.c.submission == key, EVENTS.c.sequence < sequence
    )
    submission = _row(connection, SUBMISSIONS, SUBMISSIONS.c.id == key)
    parts: dict[str, Any] = {"event": {"number": connection.scalar(earlier), **event}}
    if not parts["event"]["number"]:
        parts["submission"] = submission
    if result is not None:
        parts["result"] = _without_absent(_row(connection, RESULTS, RESULTS.c.sequence == result))
    return Record.of(submission["task"], sequence, parts)


def _row(
    connection: sql.Connection, table: sql.Table, wanted: sql.ColumnElement[bool]
) -> dict[str, Any]:
    """A row without its number."""
    row = dict(connection.execute(table.select().where(wanted)).mappings().one())
    row.pop("sequence")
    return row


def _without_absent(result: dict[str, Any]) -> dict[str, Any]:
    """A result's row without what it does not know by time, and with text for bytes."""
    by_day = [column.name for column in BY_DAY]
    row = {name: v for name, v in result.items() if v is not None or name not in by_day}
    if BINARY in row:
        row[BINARY] = b64encode(row[BINARY]).decode()
    return row


def _insert(
    connection: sql.Connection, parts: dict[str, Any], sequence: int | None
) -> dict[str, Any]:
    """Add the rows of a record, and give the event a number if one is known; the event's row.

    A result that another store has recorded, too, is added once.
    """
    event = dict(parts["event"])
    del event["number"]
    if sequence is not None:
        event["sequence"] = sequence
    if "submission" in parts:
        connection.execute(SUBMISSIONS.insert().values(parts["submission"]))
    if "result" in parts:
        if BINARY in parts["result"]:
            parts["result"][BINARY] = b64decode(parts["result"][BINARY])
        with suppress(IntegrityError), connection.begin_nested():
            added = connection.execute(RESULTS.insert().values(parts["result"]))
            event["result"] = number_of(added)
    connection.execute(EVENTS.insert().values(event))
    return event


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
