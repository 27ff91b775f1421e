"""The copy on the Hub: complete, never overwritten, and enough to make the store again."""

import json
import os
import shutil
import subprocess
import sys
from threading import Event

import hub_server as server
import numpy as np
import pytest

from dambench_hub.errors import BuildError
from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.store.mirror import keep_mirrored
from dambench_hub.leaderboard.store.records import (
    Record,
    pending_records,
    read_records,
    restore_records,
)
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.store.schema import Badge
from dambench_hub.leaderboard.submissions.lifecycle import Person, State, Submissions
from dambench_hub.leaderboard.submissions.limits import Limits

ANN, BOB, KEEPER = Person("hf:1", "Ann"), Person("hf:2", "Bob"), Person("admin:kim", "kim")
LIMITS = Limits(tries_per_day=99, scored_per_day=99, scored_per_month=99, open_jobs=99)


def hand_in(board, owner, name, file, result):
    one = board.receive(owner, name, "unimodal", file=f"{file}.nc", bytes=1, sha256=file)
    board.claim("worker")
    if result is None:
        board.reject(one.id, "worker", ["Too “small”."])
    else:
        board.finish(one.id, "worker", result)
    return one


@pytest.fixture
def fill(make_result):
    """Writes a store in which everything happened that can happen."""

    def fill(path, prefix=""):
        board = Submissions(Store(f"sqlite:///{path}", create=True), LIMITS)
        board.store.add(make_result(0.5, f"{prefix}b"), "background")
        hand_in(board, ANN, "Größe 2", f"{prefix}1", make_result(1 / 3, f"{prefix}1"))
        better = hand_in(board, ANN, "mine", f"{prefix}2", make_result(0.2, f"{prefix}2"))
        hand_in(board, BOB, "wrong", f"{prefix}3", None)
        held = hand_in(board, BOB, "copy", f"{prefix}4", make_result(0.2, f"{prefix}2"))
        assert board.get(held.id).state is State.HELD
        board.withdraw(better.id, ANN, "error")
        old = make_result(0.4, f"{prefix}5", scorer_version="0")
        old = hand_in(board, BOB, "old", f"{prefix}5", old)
        board.rescore(KEEPER)
        board.finish(board.claim("w").id, "w", make_result(0.3, f"{prefix}5"))
        board.award(old.id, KEEPER, Badge.REPRODUCED)
        waiting = {"file": "6.nc", "bytes": 1, "sha256": f"{prefix}6"}
        board.receive(ANN, "waits", "unimodal", **waiting)
        return board.store

    return fill


@pytest.fixture
def store(fill, tmp_path):
    return fill(tmp_path / "board.db")


def write(records, folder):
    for record in records:
        path = folder / record.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.content)


def shown(store):
    """What a reader of the board sees, as bytes."""
    rankings = [store.ranking(task, None, version) for task in store.tasks() for version in "012"]
    rows = [entry.to_dict() for ranking in rankings for entry in ranking.entries]
    return json.dumps([rows, [ranking.board() for ranking in rankings]]).encode()


def test_records_make_the_same_store(store, tmp_path):
    records = pending_records(store, "ORG/x", 999)
    assert len({record.path for record in records}) == len(records) == 16
    assert records[0].path.startswith("results/unimodal/000001-")
    write(records, tmp_path / "copy")
    again = restore_records(f"sqlite:///{tmp_path}/new.db", read_records(tmp_path / "copy"))
    assert shown(again) == shown(store)
    assert Submissions(again).all() == Submissions(store).all()
    assert pending_records(again, "ORG/x", 999) == records
    assert pending_records(again, "ORG/x", 3) == records[:3]


def test_what_is_known_by_time_is_mirrored(store, tmp_path, make_result):
    errors = np.arange(6.0).reshape(2, 3)
    known = {"hours": (0, 72), "skill_by_day": (1 / 3, 0.5), "square_errors": errors}
    store.add(make_result(0.1, "known", **known), "known")
    *older, record = pending_records(store, "ORG/x", 999)
    assert {json.loads(one.content)["format"] for one in older} == {"1", "2"}, "as they were before"
    assert json.loads(record.content)["format"] == "3"
    again = restore_records(f"sqlite:///{tmp_path}/new.db", [*older, record])
    entry = again.ranking("unimodal").entries[0]
    assert (entry.result.hours, entry.result.skill_by_day) == ((0, 72), (1 / 3, 0.5))
    np.testing.assert_array_equal(again.square_errors(entry), errors)
    assert pending_records(again, "ORG/x", 999) == [*older, record]


def test_records_are_canonical(store):
    for record in pending_records(store, "ORG/x", 999):
        value = json.loads(record.content)
        again = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
        assert again == record.content
    assert "Größe 2".encode() in b"".join(r.content for r in pending_records(store, "", 999))


def test_records_of_two_stores_meet(fill, tmp_path):
    stores = [fill(tmp_path / f"{name}.db", name) for name in ("one", "two")]
    for store in stores:
        write(pending_records(store, "ORG/x", 999), tmp_path / "copy")
    union = restore_records(f"sqlite:///{tmp_path}/union.db", read_records(tmp_path / "copy"))
    found = {one.id: (one.state, one.name, one.value_hash) for one in Submissions(union).all()}
    for store in stores:
        for one in Submissions(store).all():
            assert found.pop(one.id) == (one.state, one.name, one.value_hash)
    assert found == {}
    write(pending_records(union, "ORG/x", 999), tmp_path / "copy")  # the same, renumbered
    again = restore_records(f"sqlite:///{tmp_path}/again.db", read_records(tmp_path / "copy"))
    assert Submissions(again).all() == Submissions(union).all()


def test_clocks_go_on_from_the_records(store, tmp_path, monkeypatch):
    records = pending_records(store, "ORG/x", 999)
    again = restore_records(f"sqlite:///{tmp_path}/new.db", records)
    last = max(record.parts()["event"]["at"] for record in records)
    monkeypatch.setattr("time.time", lambda: 0.0)
    with again.transaction() as connection:
        assert again.now(connection).strftime("%Y-%m-%dT%H:%M:%SZ") == last


def test_what_cannot_be_restored(store, tmp_path):
    records = pending_records(store, "ORG/x", 999)
    with pytest.raises(StoreError, match="is not empty"):
        restore_records(store.url, records)
    with pytest.raises(StoreError, match="no records"):
        read_records(tmp_path)
    write(records, tmp_path / "copy")
    path = tmp_path / "copy" / records[2].path
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.1").replace(b"hf:1", b"hf:2"))
    with pytest.raises(StoreError, match=f"{path.name} is damaged"):
        list(read_records(tmp_path / "copy"))
    newer = json.dumps({**json.loads(records[0].content), "format": "9"}).encode()
    with pytest.raises(StoreError, match="has format '9'"):
        restore_records(f"sqlite:///{tmp_path}/x.db", [Record(1, "results/x", newer)])


def test_the_mirror_goes_on_whatever_fails(store, monkeypatch):
    stop, said, outcomes = Event(), [], [BuildError("no"), RuntimeError("odd"), None]

    def outcome(*_):
        if len(outcomes) == 1:
            stop.set()
        if error := outcomes.pop(0):
            raise error

    monkeypatch.setattr("dambench_hub.leaderboard.store.mirror.mirror", outcome)
    keep_mirrored(store, "ORG/x", stop, said.append, every=0)
    assert outcomes == [] and said[0] == "no" and "RuntimeError('odd')" in said[1]


# With a Hub

MIRROR = """
import json, os, sys, time

sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.001))  # waits are minutes in earnest

from dambench_hub.leaderboard.store import mirror
from dambench_hub.leaderboard.store.records import restore_records
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.store.results import Store

mirror.MOST = 10  # two commits
for line in sys.stdin:
    job = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    if job["token"]:
        os.environ["HF_TOKEN"] = job["token"]
    said, count = [], None
    try:
        if job.get("restore"):
            records = mirror.download_records(job["repo_id"], said.append)
            restore_records(job["store"], records)
            count = len(records)
        else:
            count = mirror.mirror(Store(job["store"]), job["repo_id"], said.append)
    except DambenchError as error:
        said.append(str(error))
    print(json.dumps([count, said]), flush=True)
"""


@pytest.fixture(scope="module")
def run(hub, tmp_path_factory):
    """Do several jobs in one process with the real client; count and sentences of each."""

    def run(*jobs):
        home = tmp_path_factory.mktemp("home")
        jobs = [{"token": "hf_maintainer", **job} for job in jobs]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", MIRROR],
            input="\n".join(map(json.dumps, jobs)),
            env={**os.environ, **server.environment(hub, home, None)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]

    return run


def held(hub, repo_id):
    repository = hub.repositories["datasets", repo_id]
    files = repository.commits[repository.branches["main"]]
    return {path: content for path, content in files.items() if path.startswith("results/")}


def wanted(*stores):
    records = [record for store in stores for record in pending_records(store, "nowhere", 999)]
    return {record.path: record.content for record in records}


def test_everything_is_mirrored_once(hub, run, fill, tmp_path, make_result):
    store = fill(tmp_path / "board.db")
    job = {"store": store.url, "repo_id": "ORG/board"}
    first, second = run(job, job)
    assert (first[0], second[0]) == (16, 0)
    assert held(hub, "ORG/board") == wanted(store)
    repository = hub.repositories["datasets", "ORG/board"]
    assert repository.private and len(repository.moves) == 3
    store.add(make_result(0.1, "later"), "later")
    url = f"sqlite:///{tmp_path}/restored.db"
    third, restored = run(job, {**job, "store": url, "restore": True})
    assert (third[0], restored[0]) == (1, 17)
    assert held(hub, "ORG/board") == wanted(store)
    assert shown(Store(url)) == shown(store)


def test_a_fault_at_any_request_is_survived(hub, run, store, tmp_path):
    """Limits, lost answers, somebody else's commit: all arrives, once."""
    store.close()
    hub.sessions["hf_count"] = counted = server.Session()

    def job(name):
        copy = shutil.copy(store.path, tmp_path / f"{name}.db")
        return {"store": f"sqlite:///{copy}", "repo_id": f"ORG/{name}", "token": f"hf_{name}"}

    run(job("count"))
    requests = list(enumerate(counted.requests))
    names = [f"{kind}-at-{at}" for kind in ("429", "lost") for at, _ in requests]
    names += [f"conflict-at-{at}" for at, request in requests if "/commit/" in request]
    for name in names:
        kind, at = name.split("-at-")
        hub.sessions[f"hf_{name}"] = server.Session()
        hub.sessions[f"hf_{name}"].plan(server.Fault(kind, int(at)))
    for name, (count, said) in zip(names, run(*map(job, names)), strict=True):
        assert count == 16, (name, said)
        assert held(hub, f"ORG/{name}") == wanted(store), name


def test_two_spaces_share_a_repository(hub, run, fill, tmp_path):
    one, two = (fill(tmp_path / f"{name}.db", name) for name in ("one", "two"))
    jobs = [{"store": store.url, "repo_id": "ORG/shared"} for store in (one, two)]
    assert [count for count, _ in run(*jobs)] == [16, 16]
    assert held(hub, "ORG/shared") == wanted(one, two)


def test_what_the_hub_refuses(hub, run, fill, tmp_path):
    store = fill(tmp_path / "board.db")
    hub.repositories["datasets", "ORG/open"] = server.new_repository()
    hub.repositories["datasets", "ORG/other"] = other = server.new_repository(private=True)
    path = next(iter(wanted(store)))
    other.commit("main", {**server.INITIAL, path: b"other"}, "Somebody's")
    hub.sessions["hf_down"] = server.Session()
    hub.sessions["hf_down"].plan(server.Fault("503", 3, 10**9))
    cases = {
        "There is no token": {"repo_id": "ORG/x", "token": None},
        "Give ORG/NAME": {"repo_id": "x"},
        "is public, and records tell": {"repo_id": "ORG/open"},
        f"holds {path} with other content": {"repo_id": "ORG/other"},
        "goes on where it stopped": {"repo_id": "ORG/down", "token": "hf_down"},
    }
    jobs = [{"store": store.url, **job} for job in cases.values()]
    *said, again = run(*jobs, {"store": store.url, "repo_id": "ORG/down"})
    for words, (count, sentences) in zip(cases, said, strict=True):
        assert count is None and words in sentences[-1], sentences
    assert held(hub, "ORG/open") == {} and held(hub, "ORG/other") == {path: b"other"}
    assert again[0] == 16 and held(hub, "ORG/down") == wanted(store)
