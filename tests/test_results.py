"""The store: append-only, finite, each result once; the ranking: like with like only."""

import dataclasses
import sqlite3
import threading

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from dambench_hub.errors import DambenchError
from dambench_hub.results import DuplicateResult, Store, rounded
from dambench_hub.scoring import SCORER_VERSION, Result


def result(score=0.5, value_hash="a", **changes):
    values = {
        "task": "unimodal",
        "dataset": "tiny",
        "dataset_revision": "r1",
        "scorer_version": SCORER_VERSION,
        "value_hash": value_hash,
        "main_score": score,
        "scores": {"mse": score, "mae": 0.1, "specdiv": 0.2, "rmse": {"z500": 10.0, "t100": 1.0}},
        "sample_mse": (0.1, 0.2),
        "attributes": {"model_name": "m", "model_url": "https://example.org"},
    }
    return Result(**{**values, **changes})


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/sub/results.db"


@pytest.fixture
def store(url):
    return Store(url, create=True)


def names(ranking):
    return [(entry.rank, entry.name) for entry in ranking.entries]


def test_what_is_recorded_is_ranked(store, url):
    recorded = result(0.25)
    store.add(recorded, " mine ")
    [entry] = Store(url).ranking("unimodal").entries
    assert (entry.rank, entry.name) == (1, "mine")
    assert dataclasses.asdict(entry.result) == dataclasses.asdict(recorded)
    assert entry.to_dict() == {
        "rank": 1,
        "name": "mine",
        "submitted_at": entry.submitted_at,
        **recorded.to_dict(),
    }
    assert entry.submitted_at.endswith("Z")


def test_smaller_is_better_and_ties_share_a_rank(store):
    for name, score in [("b", 0.30000001), ("c", 0.5), ("a", 0.1), ("d", 0.3), ("e", 0.29)]:
        store.add(result(score, name), name)
    ranking = store.ranking("unimodal")
    assert names(ranking) == [(1, "a"), (2, "e"), (3, "b"), (3, "d"), (5, "c")]


def test_revisions_and_scorers_are_not_mixed(store):
    store.add(result(0.3, "1"), "old data")
    store.add(result(0.2, "2", scorer_version="0"), "old scorer")
    store.add(result(0.1, "3", task="noise-free"), "other task")
    store.add(result(0.4, "4", dataset_revision="r2"), "new")
    newest = store.ranking("unimodal")
    assert (names(newest), newest.hidden, newest.dataset_revision) == ([(1, "new")], 2, "r2")
    assert names(store.ranking("unimodal", "r1")) == [(1, "old data")]
    assert names(store.ranking("unimodal", "r1", "0")) == [(1, "old scorer")]
    assert store.tasks() == ["noise-free", "unimodal"]
    assert store.ranking("multimodal").entries == ()


def test_a_result_is_recorded_once(store):
    store.add(result(), "mine")
    with pytest.raises(DuplicateResult, match="already recorded as 'mine'.*another --name"):
        store.add(result(), "mine")
    store.add(result(), "yours")
    store.add(result(dataset_revision="r2"), "mine")
    assert len(store.ranking("unimodal", "r1").entries) == 2


def test_two_at_once_are_recorded_once(url, store):
    outcomes = []

    def add():
        try:
            Store(url).add(result(), "mine")
            outcomes.append("added")
        except DuplicateResult:
            outcomes.append("refused")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["added"] + ["refused"] * 7


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_refused(store, score):
    """SQLite keeps NaN as NULL, which would sort first."""
    with pytest.raises(DambenchError, match="not finite"):
        store.add(result(score, scores={}), "mine")
    assert store.ranking("unimodal").entries == ()


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "a\x1b[31mb", "a\u202eb"])
def test_a_name_that_cannot_be_shown_is_refused(store, name):
    with pytest.raises(DambenchError, match="1 to 80 printable characters"):
        store.add(result(), name)


@pytest.mark.parametrize("change", ["UPDATE results SET main_score = 0", "DELETE FROM results"])
def test_rows_are_never_changed(store, change):
    store.add(result(0.7), "mine")
    with pytest.raises(IntegrityError, match="never changed"), store.engine.begin() as connection:
        connection.execute(text(change))
    assert store.ranking("unimodal").entries[0].result.main_score == 0.7


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("results.db", "not the URL of a store.*like sqlite:///"),
        ("nosuchbase://x", "not the URL of a store"),
        ("sqlite:///none.db", "no results store.*dambench submit"),
    ],
)
def test_a_store_that_is_none(url, words):
    with pytest.raises(DambenchError, match=words):
        Store(url)


def test_a_file_that_is_no_store(tmp_path):
    (tmp_path / "x.db").write_bytes(b"this is no database, though it is long enough to be one" * 99)
    with pytest.raises(DambenchError, match="not a database"):
        Store(f"sqlite:///{tmp_path}/x.db")
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE other (x)").connection.close()
    with pytest.raises(DambenchError, match="holds no results"):
        Store(f"sqlite:///{tmp_path}/empty.db")


def test_a_store_of_another_version(url, store):
    with store.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 99")
    with pytest.raises(DambenchError, match="schema version 99, this dambench-hub reads 1"):
        Store(url)


def test_a_full_disk_is_told(url, store):
    store.add(result(value_hash="1"), "first")

    @event.listens_for(store.engine, "connect")
    def limit(connection, _):
        connection.execute("PRAGMA max_page_count = 12")

    store.engine.dispose()
    with pytest.raises(DambenchError, match="database or disk is full"):
        store.add(result(value_hash="2", sample_mse=(0.1,) * 100_000), "second")
    assert names(store.ranking("unimodal")) == [(1, "first")]


def test_a_read_only_store_can_be_read(tmp_path, url, store):
    store.add(result(value_hash="1"), "first")
    read_only = f"sqlite:///file:{tmp_path}/sub/results.db?mode=ro&uri=true"
    assert names(Store(read_only, create=True).ranking("unimodal")) == [(1, "first")]
    with pytest.raises(DambenchError, match="readonly"):
        Store(read_only, create=True).add(result(value_hash="2"), "second")


def test_the_board_has_the_same_columns_in_each_row(store):
    store.add(result(0.5), "background")
    store.add(result(0.2, "b"), "better")
    rows = store.ranking("unimodal").board()
    assert [list(row) for row in rows] == 2 * [
        ["rank", "name", "mse", "mae", "specdiv", "skill", "rmse_z500"]
    ]
    assert [row["skill"] for row in rows] == [pytest.approx(0.6), 0.0]


def test_rounding_is_to_four_digits():
    assert rounded(123456.0) == 123500.0
    assert rounded(0.0) == 0.0
