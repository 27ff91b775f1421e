"""The store as immutable files, one for each event, from which it can be made again.

A record holds an event and all that came with it: the submission, if it is the first event, and the
result, if there was one. Its name ends in a part of its hash, so that two stores can keep their
records in one place and never overwrite each other's. Records tell what is not published, too: they
are not for everybody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from dambench_hub.results import Store, number_of
from dambench_hub.schema import (
    EVENTS,
    MIRRORED,
    RESULTS,
    STORE_STATE,
    SUBMISSIONS,
    count_on,
)
from dambench_hub.store import StoreError

FORMAT = "1"
FOLDER = "results"


@dataclass(frozen=True)
class Record:
    """One event of a store, as a file.

    Attributes:
        sequence: Of the event.
        path: `results/<task>/<sequence>-<hash>.json`.
        content: JSON in UTF-8 without spaces, keys in the order of the store's columns and of the
            scores: from the same rows, the same bytes.
    """

    sequence: int
    path: str
    content: bytes

    @classmethod
    def of(cls, task: str, parts: dict[str, Any]) -> Record:
        """The record of an event; `parts` are rows by the name of what they are."""
        text = json.dumps(
            {"format": FORMAT, **parts},
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
        content, sequence = text.encode(), parts["event"]["sequence"]
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
        if (version := parts.pop("format")) != FORMAT:
            raise StoreError(
                f"The record {self.path} has format {version!r}, this dambench-hub reads "
                f"{FORMAT!r}. Use the version that wrote it."
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

    Where those of several stores meet, events get new numbers, in the old order.

    Args:
        url: Of a store that is not there yet, or holds nothing.
        records: In any order.

    Raises:
        StoreError: When the store holds something, or a record cannot be read.
    """
    parts = [record.parts() for record in sorted(records, key=lambda r: (r.sequence, r.path))]
    store = Store(url, create=True)
    with store.transaction(write=True) as connection:
        if connection.execute(sql.select(SUBMISSIONS.c.id).limit(1)).first():
            raise StoreError(f"The store {store.url} is not empty. Choose a new --store.")
        keep_numbers = not any(
            _has_doubles([part[kind]["sequence"] for part in parts if kind in part])
            for kind in ("submission", "result", "event")
        )
        for part in parts:
            _insert(connection, part, keep_numbers)
        count_on(connection)
        last = max((part["event"]["at"] for part in parts), default="1970-01-01T00:00:00Z")
        seen = datetime.strptime(last, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        connection.execute(STORE_STATE.update().values(last_seen=seen.timestamp()))
    return store


def _record(connection: sql.Connection, event: dict[str, Any]) -> Record:
    """An event with all that came with it."""
    key = event["submission"]
    submission = dict(_row(connection, SUBMISSIONS, SUBMISSIONS.c.id == key))
    first = sql.select(sql.func.min(EVENTS.c.sequence)).where(EVENTS.c.submission == key)
    parts: dict[str, Any] = {"event": event}
    if connection.scalar(first) == event["sequence"]:
        parts["submission"] = submission
    if event["result"] is not None:
        parts["result"] = _row(connection, RESULTS, RESULTS.c.sequence == event["result"])
    return Record.of(submission["task"], parts)


def _row(
    connection: sql.Connection, table: sql.Table, wanted: sql.ColumnElement[bool]
) -> dict[str, Any]:
    return dict(connection.execute(table.select().where(wanted)).mappings().one())


def _insert(connection: sql.Connection, part: dict[str, Any], keep_numbers: bool) -> None:
    """Add the rows of a record; a result that another store has, too, is added once."""
    rows = {kind: dict(part[kind]) for kind in part}
    if not keep_numbers:
        for row in rows.values():
            row.pop("sequence")
    if "submission" in rows:
        connection.execute(SUBMISSIONS.insert().values(rows["submission"]))
    if "result" in rows:
        try:
            with connection.begin_nested():
                added = connection.execute(RESULTS.insert().values(rows["result"]))
            rows["event"]["result"] = number_of(added)
        except IntegrityError:
            rows["event"]["result"] = None
    connection.execute(EVENTS.insert().values(rows["event"]))


def _has_doubles(numbers: list[int]) -> bool:
    return len(set(numbers)) < len(numbers)


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
