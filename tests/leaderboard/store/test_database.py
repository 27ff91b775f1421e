"""The store: rows are added and never changed, writers take turns, older stores are taken over."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import create_mock_engine, event, text
from sqlalchemy.exc import IntegrityError

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import local_person
from dambench_hub.leaderboard.store.database import StoreError, require_sound
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.store.schema import (
    BY_DAY,
    EVENTS,
    METADATA,
    RESULTS,
    SCHEMA_VERSION,
    Badge,
)

VERSION_1 = """
CREATE TABLE results (
	sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL,
	task TEXT NOT NULL,
	dataset TEXT NOT NULL,
	dataset_revision TEXT NOT NULL,
	scorer_version TEXT NOT NULL,
	value_hash TEXT NOT NULL,
	main_score DOUBLE NOT NULL,
	scores JSON NOT NULL,
	sample_mse JSON NOT NULL,
	submitted_at TEXT NOT NULL,
	model_name TEXT NOT NULL,
	model_url TEXT,
	paper_url TEXT,
	authors TEXT,
	parameters TEXT,
	training_data TEXT,
	CONSTRAINT main_score_is_finite CHECK (abs(main_score) < 1e300),
	CONSTRAINT judged_once UNIQUE (name, task, dataset_revision, scorer_version, value_hash)
);
INSERT INTO results VALUES (1, 'background', 'unimodal', 'tiny', 'r1', '1', 'a', 0.5,
    '{"mse": 0.5, "mae": 0.1, "specdiv": 0.2, "rmse": {"z500": 9.0}}', '[0.4, 0.6]',
    '2026-01-31T12:00:00Z', 'b', NULL, NULL, NULL, NULL, NULL);
INSERT INTO results VALUES (2, 'mine', 'unimodal', 'tiny', 'r1', '1', 'b', 0.25,
    '{"mse": 0.25, "mae": 0.1, "specdiv": 0.2, "rmse": {"z500": 5.0}}', '[0.2, 0.3]',
    '2026-01-31T13:00:00Z', 'm', 'https://example.org', NULL, 'me', NULL, NULL);
INSERT INTO results VALUES (4, 'again', 'unimodal', 'tiny', 'r1', '1', 'b', 0.25,
    '{"mse": 0.25, "mae": 0.1, "specdiv": 0.2, "rmse": {"z500": 5.0}}', '[0.2, 0.3]',
    '2026-01-31T14:00:00Z', 'm', NULL, NULL, NULL, NULL, NULL);
CREATE TRIGGER results_no_update BEFORE UPDATE ON results
    BEGIN SELECT RAISE(ABORT, 'results are never changed, only added'); END;
CREATE TRIGGER results_no_delete BEFORE DELETE ON results
    BEGIN SELECT RAISE(ABORT, 'results are never changed, only added'); END;
PRAGMA user_version = 1;
"""
"""A store as version 1 wrote it, with the same values under two names."""


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/sub/results.db"


@pytest.fixture
def store(url):
    return Store(url, create=True)


@pytest.fixture
def old(tmp_path):
    """A store of version 1."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1)
    connection.close()
    return path


def names(ranking):
    return [(entry.rank, entry.name) for entry in ranking.entries]


ROWS = "submissions", "events", "results", "mirrored"


@pytest.fixture
def filled(store, make_result):
    store.add(make_result(0.7), "mine")
    with store.transaction(write=True) as connection:
        connection.execute(text("INSERT INTO mirrored VALUES (1, 'ORG/x', 'c', 't')"))
    return store


@pytest.mark.parametrize("table", ROWS)
def test_rows_are_never_changed(filled, table):
    column = "at" if table in ("events", "mirrored") else "task"
    for change in (
        f"UPDATE {table} SET {column} = 'x'",
        f"DELETE FROM {table}",
        f"REPLACE INTO {table} SELECT * FROM {table}",
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ):
        with (
            pytest.raises(IntegrityError, match="never changed"),
            filled.transaction(write=True) as connection,
        ):
            connection.execute(text(change))
    assert names(filled.ranking("unimodal")) == [(1, "mine")]


@pytest.mark.parametrize("table", ROWS)
def test_nor_by_strangers(filled, table):
    """A connection without our settings does not fire triggers for what REPLACE deletes."""
    connection = sqlite3.connect(filled.path)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        connection.execute(f"REPLACE INTO {table} SELECT * FROM {table}")
    connection.close()


def test_replacing_by_another_key_is_refused(filled):
    columns = "submission, owner, task, dataset, dataset_revision, scorer_version, value_hash"
    rest = "scores, sample_mse, scored_at, model_name"
    with (
        pytest.raises(IntegrityError, match="never changed"),
        filled.transaction(write=True) as connection,
    ):
        connection.execute(
            text(
                f"REPLACE INTO results ({columns}, main_score, {rest}) "
                f"SELECT {columns}, 0.0, {rest} FROM results"
            )
        )


@pytest.mark.parametrize("score", ["NULL", "9e999", "-9e999", "1e300"])
def test_no_score_is_infinite(filled, score):
    with pytest.raises(IntegrityError), filled.transaction(write=True) as connection:
        connection.execute(
            text(
                "INSERT INTO results SELECT NULL, submission, owner, task, dataset, 'r2', "
                f"scorer_version, value_hash, {score}, scores, sample_mse, scored_at, model_name, "
                "model_url, paper_url, authors, parameters, training_data, hours, "
                "skill_by_day, square_errors FROM results"
            )
        )


def test_durable_settings(store):
    with store.transaction() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "user_version")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "user_version": SCHEMA_VERSION,
    }


def test_closed_it_is_one_file(store, url, make_result):
    store.add(make_result(), "mine")
    store.close()
    assert [path.name for path in store.path.parent.iterdir()] == ["results.db"]


def test_writers_take_turns(store, url):
    """What a writer has counted is so until it ends."""
    counted = []

    def count():
        with Store(url).transaction(write=True) as connection:
            seen = connection.scalar(text("SELECT last_seen FROM store_state"))
            connection.execute(text("UPDATE store_state SET last_seen = :n"), {"n": seen + 1})
            counted.append(seen)

    threads = [threading.Thread(target=count) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == list(range(12))


def test_many_read_at_once(store):
    """More than a pool of connections usually holds."""
    with ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(store.transaction())
            assert connection.scalar(text("SELECT count(*) FROM events")) == 0


def test_time_never_goes_back(store, monkeypatch):
    def now_at(moment):
        monkeypatch.setattr("time.time", lambda: moment)
        with store.transaction(write=True) as connection:
            return store.now(connection)

    assert now_at(1_800_000_000) == datetime.fromtimestamp(1_800_000_000, UTC)
    two_days = 2 * 86400
    assert now_at(1_800_000_000 - two_days) == datetime.fromtimestamp(1_800_000_000, UTC)
    assert now_at(1_800_000_000 + 5) == datetime.fromtimestamp(1_800_000_005, UTC)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("results.db", "not the URL of a store.*like sqlite:///"),
        ("nosuchbase://x", "not the URL of a store"),
        ("sqlite:///none.db", "no results store.*dambench submit"),
    ],
)
def test_a_store_that_is_none(url, words):
    with pytest.raises(StoreError, match=words):
        Store(url)


def test_a_file_that_is_no_store(tmp_path):
    (tmp_path / "x.db").write_bytes(b"this is no database, though it is long enough to be one" * 99)
    with pytest.raises(StoreError, match="not a database"):
        Store(f"sqlite:///{tmp_path}/x.db")
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(StoreError, match="holds no results"):
        Store(f"sqlite:///{tmp_path}/empty.db")


def test_a_store_of_a_newer_version(url, store):
    with store.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema version 99, this dambench-hub reads 4"):
        Store(url)


def test_passwords_are_not_told():
    with pytest.raises(DambenchError) as told:
        Store("sqlite://ann:secret@/none.db")
    assert "secret" not in str(told.value)


def test_a_full_disk_is_told(url, store, make_result):
    store.add(make_result(value_hash="1"), "first")

    @event.listens_for(store.engine, "connect")
    def limit(connection, _):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    store.engine.dispose()
    with pytest.raises(StoreError, match="database or disk is full"):
        store.add(make_result(value_hash="2", sample_mse=(0.1,) * 100_000), "second")
    assert names(store.ranking("unimodal")) == [(1, "first")]


def test_a_read_only_store_can_be_read(tmp_path, store, make_result):
    store.add(make_result(value_hash="1"), "first")
    read_only = f"sqlite:///file:{tmp_path}/sub/results.db?mode=ro&uri=true"
    assert names(Store(read_only, create=True).ranking("unimodal")) == [(1, "first")]
    with pytest.raises(StoreError, match="readonly"):
        Store(read_only, create=True).add(make_result(value_hash="2"), "second")


def test_version_1_is_taken_over(old, make_result):
    store = Store(f"sqlite:///{old}")
    ranking = store.ranking("unimodal", scorer_version="1")
    assert names(ranking) == [(1, "mine"), (1, "again"), (3, "background")]
    mine = ranking.entries[0]
    assert (mine.owner, mine.submitted_at) == (local_person(), "2026-01-31T13:00:00Z")
    assert mine.result.attributes == {
        "model_name": "m",
        "model_url": "https://example.org",
        "authors": "me",
    }
    assert mine.result.sample_mse == (0.2, 0.3)
    store.add(make_result(0.1, "c"), "later")
    assert names(Store(f"sqlite:///{old}").ranking("unimodal")) == [(1, "later")]
    kept = old.with_name("old.db.version-1")
    require_sound(kept)
    with sqlite3.connect(kept) as connection:
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (3,)
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


def test_version_2_is_taken_over(url, store, make_result):
    store.add(make_result(value_hash="1"), "first")
    columns = ", ".join(column.name for column in EVENTS.columns if column.name != "badge")
    with store.engine.begin() as connection:  # as it was without badges
        # Not every SQLite can drop a column.
        connection.exec_driver_sql(f"CREATE TABLE older AS SELECT {columns} FROM events")
        connection.exec_driver_sql("DROP TABLE events")
        connection.exec_driver_sql("ALTER TABLE older RENAME TO events")
        connection.exec_driver_sql("PRAGMA user_version = 2")
        connection.exec_driver_sql("UPDATE store_state SET schema_version = 2")
    seen = store.engine.connect().exec_driver_sql("SELECT last_seen FROM store_state").scalar()
    store.close()
    again = Store(url)
    [entry] = again.ranking("unimodal").entries
    assert (entry.name, entry.badge) == ("first", Badge.SELF_REPORTED)
    with again.transaction() as connection:
        state = connection.exec_driver_sql("SELECT schema_version, last_seen FROM store_state")
        assert tuple(state.one()) == (SCHEMA_VERSION, seen)
    again.add(make_result(value_hash="2"), "second")
    require_sound(again.path.with_name(f"{again.path.name}.version-2"))


def test_version_3_is_taken_over(url, store, make_result):
    """Its results keep their scores, and are ranked among themselves."""
    store.add(make_result(0.25, "1", scorer_version="1", main_score=0.25), "first")
    store.add(make_result(0.5, "2", scorer_version="1", main_score=0.5), "second")
    before = store.ranking("unimodal", scorer_version="1")
    later = [column.name for column in BY_DAY]
    columns = ", ".join(column.name for column in RESULTS.columns if column.name not in later)
    store.close()
    with sqlite3.connect(store.path) as connection:  # as it was without times
        query = "SELECT sql FROM sqlite_master WHERE name = 'results'"
        table = re.sub(rf"\s({'|'.join(later)}) \w+,", "", connection.execute(query).fetchone()[0])
        connection.executescript(
            "PRAGMA legacy_alter_table = ON; ALTER TABLE results RENAME TO older; "
            f"{table}; INSERT INTO results SELECT {columns} FROM older; DROP TABLE older; "
            "PRAGMA user_version = 3"
        )
    connection.close()
    again = Store(url)
    after = again.ranking("unimodal", scorer_version="1")
    assert names(after) == names(before) == [(1, "first"), (2, "second")]
    for entry in after.entries:
        assert (entry.result.hours, entry.result.skill_by_day) == ((), ())
        assert again.square_errors(entry) is None
    again.add(make_result(0.1, "3", square_errors=np.ones((2, 3)), hours=(0, 24)), "third")
    newest = again.ranking("unimodal")
    assert (names(newest), newest.hidden) == ([(1, "third")], 2)
    np.testing.assert_array_equal(again.square_errors(newest.entries[0]), np.ones((2, 3)))
    require_sound(again.path.with_name(f"{again.path.name}.version-3"))


def test_many_take_over_at_once(old):
    """Whoever comes second finds the work done."""
    counts = []

    def take_over():
        counts.append(len(Store(f"sqlite:///{old}").ranking("unimodal", None, "1").entries))

    threads = [threading.Thread(target=take_over) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [3] * 6


KILLED = """
import os, signal, sys
from dambench_hub.leaderboard.store import database, migrations, results

migrate = migrations.MIGRATIONS[1]

def interrupted(connection):
    migrate(connection)
    os.kill(os.getpid(), signal.SIGKILL)

database.MIGRATIONS[1] = interrupted
results.Store(sys.argv[1])
"""


def test_a_killed_migration_leaves_the_old_store(old):
    killed = subprocess.run([sys.executable, "-c", KILLED, f"sqlite:///{old}"], env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    with sqlite3.connect(old) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (3,)
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'events'")
        assert tables.fetchone() == (0,)
    connection.close()
    assert len(Store(f"sqlite:///{old}").ranking("unimodal", None, "1").entries) == 3


def test_the_tables_are_made_for_postgresql():
    """They were compiled for it, not run: what is refused there is refused by triggers, too."""
    statements = []

    def keep(statement, *_, **__):
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql://", keep)
    METADATA.create_all(engine, checkfirst=False)
    text = "\n".join(statements)
    for table in ROWS:
        assert f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}" in text
    assert "WHERE substr(owner, 1, 6) <> 'local:'" in text
    assert "RAISE(ABORT" not in text
