"""The database of results and submissions: SQLite, or any other that SQLAlchemy speaks to.

What a transaction wrote is on the disk once its block ends, or not at all. Writers wait for each
other, so that what a transaction has counted is still so when it adds a row.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.store.migrations import MIGRATIONS
from dambench_hub.leaderboard.store.schema import (
    METADATA,
    RESULTS,
    SCHEMA_VERSION,
    STORE_STATE,
)
from dambench_hub.runtime.files import atomic_path

DEFAULT_STORE = "sqlite:///dambench.db"
PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # else REPLACE deletes rows behind the triggers' back
)


class StoreError(DambenchError):
    """A store that cannot be used; the message names its place, so it is not for strangers."""


class Database:
    """A store of the present schema; older ones are migrated when they are opened.

    Args:
        url: SQLAlchemy URL, for example `sqlite:///dambench.db`.
        create: Make the database and its tables if there are none.

    Raises:
        StoreError: When the URL is none, or the database is absent, damaged, read-only, full, or
            of a newer version.
    """

    def __init__(self, url: str = DEFAULT_STORE, *, create: bool = False) -> None:
        try:
            # Connections to a file cost nothing, and readers do not wait for each other.
            pool = {"max_overflow": -1} if self.file_of(url) else {}
            serializer = partial(json.dumps, allow_nan=False)
            self.engine = sql.create_engine(url, json_serializer=serializer, **pool)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            shown = re.sub(r":[^:@/]*@", ":***@", url)
            raise StoreError(
                f"{shown!r} is not the URL of a store ({error}). Write it like {DEFAULT_STORE}."
            ) from error
        self.url = self.engine.url.render_as_string(hide_password=True)
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        if self.path and not create and not self.path.is_file():
            raise StoreError(
                f"There is no results store {self.url}. "
                "`dambench submit FILE --name NAME` makes one, or choose another with --store."
            )
        if self.path and create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._bring_up_to_date(create)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file that one machine uses."""
        return self.engine.dialect.name == "sqlite"

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None where there is none, or only SQLite knows it."""
        return self.file_of(self.engine.url)

    @staticmethod
    def file_of(url: str | sql.URL) -> Path | None:
        """The file of a SQLite database, by its URL; see `path`."""
        try:
            place = sql.make_url(url)
        except ArgumentError:
            return None
        plain = place.get_backend_name() == "sqlite" and "uri" not in place.query
        named = place.database and place.database != ":memory:"
        return Path(str(place.database)) if plain and named else None

    @contextmanager
    def transaction(self, write: bool = False) -> Iterator[sql.Connection]:
        """All of the block's statements, or none; writers come one after the other.

        Raises:
            IntegrityError: When a row may not be added or changed.
            StoreError: When the database cannot be used.
        """
        with self._begin(write) as connection:
            if write and not self.is_sqlite:
                connection.execute(sql.select(STORE_STATE.c.id).with_for_update())
            yield connection

    def now(self, connection: sql.Connection) -> datetime:
        """The time, UTC, in whole seconds; never before a time that the store has seen.

        Within a writing transaction the store remembers it.
        """
        seen = connection.scalar(sql.select(STORE_STATE.c.last_seen)) or 0.0
        moment = max(seen, time.time())
        if connection.get_execution_options().get("write"):
            connection.execute(STORE_STATE.update().values(last_seen=moment))
        return datetime.fromtimestamp(int(moment), UTC)

    def backup(self, out: Path) -> None:
        """Copy a SQLite database as it is at one moment, while others write; checked, atomic.

        Raises:
            StoreError: When the database is no file, or the copy is not sound.
        """
        if self.path is None:
            raise StoreError(
                f"{self.url} is no SQLite file: back it up with its own tools, or mirror it."
            )
        try:
            with atomic_path(out) as unfinished:
                with (
                    closing(sqlite3.connect(self.path)) as source,
                    closing(sqlite3.connect(unfinished)) as copy,
                ):
                    source.backup(copy)
                    copy.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
                require_sound(unfinished)
        except sqlite3.Error as error:
            raise StoreError(f"{self.url} cannot be copied to {out}: {error}.") from error

    def close(self) -> None:
        """Close all connections; a SQLite database is then one file."""
        self.engine.dispose()

    @contextmanager
    def _begin(self, write: bool) -> Iterator[sql.Connection]:
        try:
            with (
                self.engine.connect().execution_options(write=write) as connection,
                connection.begin(),
            ):
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise StoreError(f"The store {self.url} cannot be used: {error.orig}.") from error
        except PoolTimeout as error:
            raise StoreError(f"The store {self.url} is busy. Try again in a minute.") from error

    def _bring_up_to_date(self, create: bool) -> None:
        with self._begin(write=False) as connection:
            version = self._version(connection)
        if version == SCHEMA_VERSION:
            return
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"The store {self.url} has schema version {version}, this dambench-hub reads "
                f"{SCHEMA_VERSION}. Use the version that wrote it, or another --store."
            )
        if not version and not create:
            raise StoreError(f"{self.url} holds no results table. Choose another --store.")
        if version and self.path:
            self.backup(self.path.with_name(f"{self.path.name}.version-{version}"))
        if self.is_sqlite:
            self._write_ahead()
        with self._begin(write=True) as connection:
            version = self._version(connection)  # another process may have been quicker
            if version == SCHEMA_VERSION:
                return
            if version:
                for old in range(version, SCHEMA_VERSION):
                    MIGRATIONS[old](connection)
            else:
                METADATA.create_all(connection)
            self._finish_schema(connection)

    def _write_ahead(self) -> None:
        """Let readers and a writer work at the same time; the file remembers it."""
        with self._begin(write=False) as connection:
            driver: Any = connection.connection.driver_connection
            driver.rollback()
            driver.execute("PRAGMA journal_mode = WAL")

    def _version(self, connection: sql.Connection) -> int:
        """Version of the schema; 0 where there are no tables of ours."""
        tables = sql.inspect(connection).get_table_names()
        if self.is_sqlite:
            there = RESULTS.name in tables
            return connection.exec_driver_sql("PRAGMA user_version").scalar_one() if there else 0
        if STORE_STATE.name in tables:
            return connection.scalar(sql.select(STORE_STATE.c.schema_version)) or 0
        return 1 if RESULTS.name in tables else 0

    def _finish_schema(self, connection: sql.Connection) -> None:
        if connection.scalar(sql.select(STORE_STATE.c.id)):
            connection.execute(STORE_STATE.update().values(schema_version=SCHEMA_VERSION))
        else:
            row = {"id": 1, "schema_version": SCHEMA_VERSION, "last_seen": 0.0}
            connection.execute(STORE_STATE.insert().values(row))
        if self.is_sqlite:
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def require_sound(path: Path) -> None:
    """Refuse a SQLite file that is torn or damaged.

    Raises:
        StoreError: The message says so.
    """
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise StoreError(f"{path.name} is damaged ({said}). Use another copy.")


def _prepare_sqlite(engine: sql.Engine) -> None:
    """Begin transactions by name, as the driver would not, and wait for each other's locks."""

    @sql.event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(pragma)

    @sql.event.listens_for(engine, "begin")
    def begin(connection: sql.Connection) -> None:
        write = connection.get_execution_options().get("write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
