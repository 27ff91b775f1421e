"""From the queue to the board: nothing is lost, nothing is there twice, limits hold."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import text

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.store.schema import SUBMISSIONS, Badge
from dambench_hub.leaderboard.submissions.lifecycle import (
    DuplicateSubmission,
    LeaseLost,
    NotAllowed,
    Person,
    QuotaError,
    State,
    Submissions,
    TextRefused,
)
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.submissions.review import HELD_FOR_REVIEW

ANN, BOB, KEEPER = Person("hf:1", "Ann"), Person("hf:2", "Bob"), Person("admin:kim", "kim")
GENEROUS = Limits(tries_per_day=99, scored_per_day=99, scored_per_month=99, open_jobs=99)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/board.db"


@pytest.fixture
def clock(monkeypatch):
    """Sets the wall clock; the monotonic one goes on by itself."""

    def at(moment):
        seconds = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
        monkeypatch.setattr("time.time", lambda: seconds)

    at("2026-03-14 12:00")
    return at


@pytest.fixture
def board(url, clock):
    return Submissions(Store(url, create=True), GENEROUS)


def hand_in(board, owner=ANN, name=None, file="a", **changes):
    name = name or ("mine" if owner is ANN else f"that of {owner.name}")
    values = {"file": f"{file}.nc", "bytes": 10, "sha256": file, **changes}
    return board.receive(owner, name, values.pop("task", "unimodal"), **values)


def score(board, submission, result):
    assert board.claim("worker").id == submission.id
    return board.finish(submission.id, "worker", result)


def test_from_the_queue_to_the_board(board, make_result):
    received = hand_in(board, description="Two\nlines", model_url="https://example.org/m")
    assert received == board.get(received.id)
    assert (received.state, received.sequence, received.owner) == (State.RECEIVED, 1, ANN)
    assert (received.received_at, received.progress) == ("2026-03-14T12:00:00Z", None)
    assert not received.visible_to(None) and received.visible_to(ANN)
    assert board.queue_place(received.id) == 1

    claimed = board.claim("worker")
    assert (claimed.id, claimed.progress) == (received.id, 0.0)
    assert board.queue_place(received.id) is None
    assert board.claim("other") is None
    assert board.beat(received.id, "worker", 0.5)
    assert board.get(received.id).progress == 0.5
    assert board.store.ranking("unimodal").entries == ()
    assert board.finish(received.id, "worker", make_result()) is State.PUBLISHED

    done = board.get(received.id)
    assert (done.state, done.value_hash, done.progress) == (State.PUBLISHED, "a", None)
    assert done.visible_to(None)
    [entry] = board.store.ranking("unimodal").entries
    assert (entry.submission, entry.owner, entry.model_url) == (done.id, ANN, done.model_url)
    assert not entry.baseline
    assert [event.state for _, event in board.events(done.id)] == ["received", "published"]
    assert board.all(State.PUBLISHED, "unimodal") == board.of(ANN) == [done]
    assert board.of(BOB) == []


def test_files_that_cannot_be_scored(board):
    wrong, broken = hand_in(board), hand_in(board, file="b")
    board.claim("worker")
    board.reject(wrong.id, "worker", ["Too small.", "Too late."])
    assert board.get(wrong.id).problems == ("Too small.", "Too late.")
    board.claim("worker")
    board.fail(broken.id, "worker", "4f2a")
    assert board.get(broken.id).reason == "internal error, incident 4f2a"
    assert board.claim("worker") is None
    again = hand_in(board)  # what was rejected may come again
    assert board.get(again.id).state is State.RECEIVED


def test_a_private_one_is_shown_by_its_owner(board, make_result):
    mine = hand_in(board, publish=False)
    assert score(board, mine, make_result()) is State.PRIVATE
    assert not board.get(mine.id).visible_to(BOB)
    with pytest.raises(NotAllowed, match="Only who handed it in"):
        board.publish(mine.id, BOB)
    board.publish(mine.id, ANN)
    assert board.get(mine.id).visible_to(BOB)
    with pytest.raises(NotAllowed, match="'mine' is published; it cannot become published"):
        board.publish(mine.id, ANN)


def test_withdrawn_ones_stay_in_the_history(board, make_result):
    first, second = hand_in(board), hand_in(board, file="b")
    score(board, first, make_result(0.3, "a"))
    score(board, second, make_result(0.2, "b"))
    board.withdraw(second.id, ANN, "wrong file")
    assert [e.submission for e in board.store.ranking("unimodal").entries] == [first.id]
    history = board.history(ANN, "mine", "unimodal")
    assert [(s.id, s.state, s.reason) for s in history] == [
        (second.id, State.WITHDRAWN, "wrong file"),
        (first.id, State.PUBLISHED, None),
    ]
    for owner in BOB, ANN:
        with pytest.raises(NotAllowed):
            board.publish(second.id, owner)
    board.publish(second.id, KEEPER, "was right")
    assert board.store.ranking("unimodal").entries[0].submission == second.id


def test_one_leaves_the_queue(board):
    mine = hand_in(board)
    board.claim("worker")
    board.withdraw(mine.id, ANN, "")
    assert not board.beat(mine.id, "worker", 0.5)
    assert board.claim("other") is None


def test_an_unknown_submission(board):
    with pytest.raises(DambenchError, match="There is no submission 'nonsense'"):
        board.get("nonsense")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": " "}, "1 to 80"),
        ({"name": "a\u202eb"}, "RIGHT-TO-LEFT OVERRIDE"),
        ({"name": "optimal_interpolation"}, "name of a baseline"),
        ({"description": "x" * 2001}, "at most 2000"),
        ({"model_url": "javascript:alert(1)"}, "not a plain https address"),
        ({"task": "multimodl"}, "Did you mean 'multimodal'"),
    ],
)
def test_what_cannot_be_shown_is_refused(board, changes, words):
    with pytest.raises(DambenchError, match=words) as told:
        hand_in(board, **changes)
    assert isinstance(told.value, TextRefused) or "task" in changes
    assert board.all() == []
    with pytest.raises(ValueError, match="no name within the inbox"):
        hand_in(board, file="../a")


def test_the_same_file_is_taken_once(board, make_result):
    mine = hand_in(board)
    with pytest.raises(DuplicateSubmission, match="already, as 'mine' on 2026-03-14; it is rec"):
        hand_in(board, name="other")
    hand_in(board, task="multimodal")
    hand_in(board, owner=BOB)
    score(board, mine, make_result())
    with pytest.raises(DuplicateSubmission, match="it is published"):
        hand_in(board)


def test_the_same_values_are_judged_once(board, make_result):
    first, second = hand_in(board), hand_in(board, name="other", file="b")
    score(board, first, make_result())
    assert score(board, second, make_result()) is State.REJECTED
    assert board.get(second.id).problems == ("You had the same values scored before, as 'mine'.",)
    assert len(board.store.ranking("unimodal").entries) == 1


# Leases


def test_a_silent_worker_loses_its_lease(board, make_result, monkeypatch):
    mine = hand_in(board)
    board.claim("first")
    board.beat(mine.id, "first", 0.3)
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + 121)
    assert board.get(mine.id).progress is None
    assert board.beat(mine.id, "first", 0.4)  # nobody else came: it goes on
    monkeypatch.setattr("time.monotonic", lambda: now + 300)
    assert board.claim("second").id == mine.id
    assert not board.beat(mine.id, "first", 0.5)
    for late in (
        lambda: board.finish(mine.id, "first", make_result()),
        lambda: board.reject(mine.id, "first", ["no"]),
        lambda: board.fail(mine.id, "first", "1"),
    ):
        with pytest.raises(LeaseLost):
            late()
    assert board.finish(mine.id, "second", make_result()) is State.PUBLISHED
    with pytest.raises(LeaseLost):
        board.finish(mine.id, "second", make_result())


def test_the_wall_clock_ends_no_lease(board, clock):
    mine = hand_in(board)
    board.claim("first")
    for moment in "2027-03-14 12:00", "2026-03-12 12:00", "2026-03-29 01:30":
        clock(moment)
        assert board.claim("second") is None
        assert board.get(mine.id).progress == 0.0


def test_leases_end_with_the_machine(board, monkeypatch):
    """After a restart the monotonic clock begins anew; whoever held a lease is gone."""
    mine = hand_in(board)
    board.claim("first")
    restarted = Submissions(board.store, GENEROUS)
    restarted.queue.clock = "another start"
    assert restarted.claim("second").id == mine.id


def test_after_three_attempts_it_has_failed(board, monkeypatch):
    mine = hand_in(board)
    now = time.monotonic()
    for attempt in range(3):
        monkeypatch.setattr("time.monotonic", lambda step=attempt: now + 200 * step)
        assert board.claim(f"worker {attempt}").id == mine.id
    monkeypatch.setattr("time.monotonic", lambda: now + 1000)
    assert board.claim("worker 4") is None
    failed = board.get(mine.id)
    assert (failed.state, failed.reason) == (
        State.FAILED,
        "scoring ended 3 times without a result",
    )


def test_a_lease_given_back_counts_as_none(board):
    mine = hand_in(board)
    for _ in range(5):
        assert board.claim("worker").id == mine.id
        board.release(mine.id, "other")
        assert board.claim("other") is None
        board.release(mine.id, "worker")
    assert board.queue_place(mine.id) == 1


def test_the_queue_is_first_come_first_served(board):
    ids = [hand_in(board, file=str(number)).id for number in range(4)]
    assert [board.queue_place(id) for id in ids] == [1, 2, 3, 4]
    assert board.claim("a").id == ids[0]
    assert board.claim("b").id == ids[1]
    assert [board.queue_place(id) for id in ids] == [None, None, 1, 2]


def test_many_workers_score_each_once(url, clock, make_result):
    board = Submissions(Store(url, create=True), GENEROUS)
    ids = [hand_in(board, file=str(number)).id for number in range(12)]
    claimed = []

    def work(worker):
        mine = Submissions(Store(url), GENEROUS)
        while one := mine.claim(worker):
            claimed.append(one.id)
            mine.finish(one.id, worker, make_result(0.5, one.id))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(ids)
    assert all(one.state is State.PUBLISHED for one in board.all())


# Quotas


def test_tries_and_scored_files_count_apart(url, clock, make_result):
    limits = Limits(tries_per_day=4, scored_per_day=2, scored_per_month=3, open_jobs=9)
    board = Submissions(Store(url, create=True), limits)
    rejected = hand_in(board, file="0")
    board.claim("worker")
    board.reject(rejected.id, "worker", ["no"])
    for number in 1, 2:
        score(board, hand_in(board, file=str(number)), make_result(0.5, str(number)))
    with pytest.raises(QuotaError, match="2 files scored today.*from 2026-03-15T00") as told:
        hand_in(board, file="3")
    assert told.value.until == datetime(2026, 3, 15, tzinfo=UTC)
    clock("2026-03-15 00:00")
    score(board, hand_in(board, file="3"), make_result(0.5, "3"))
    with pytest.raises(QuotaError, match="3 files scored this month.*from 2026-04-01T00"):
        hand_in(board, file="4")
    clock("2026-04-01 00:00")
    for number in range(4, 8):
        bad = hand_in(board, file=str(number))
        board.claim("worker")
        board.reject(bad.id, "worker", ["no"])
    with pytest.raises(QuotaError, match="4 files handed in today"):
        hand_in(board, file="8")
    hand_in(board, owner=BOB, file="8")


def test_a_clock_that_goes_back_gives_no_tries(url, clock):
    board = Submissions(Store(url, create=True), Limits(tries_per_day=1, open_jobs=9))
    hand_in(board)
    for moment in "2026-03-13 12:00", "2026-03-14 23:59", "2025-01-01 00:00":
        clock(moment)
        with pytest.raises(QuotaError, match="from 2026-03-15T00"):
            hand_in(board, file="b")


def test_one_waits_at_a_time_and_the_queue_ends(url, clock, make_result):
    board = Submissions(Store(url, create=True), Limits(queue_length=2))
    mine = hand_in(board)
    with pytest.raises(QuotaError, match="1 file in the queue, of 1 allowed") as told:
        hand_in(board, file="b")
    assert told.value.until is None
    hand_in(board, owner=BOB)
    with pytest.raises(QuotaError, match="The queue is full"):
        hand_in(board, owner=Person("hf:3", "Cleo"))
    score(board, mine, make_result())
    hand_in(board, file="b")


def test_limits_from_settings():
    assert Limits.from_dict({"tries_per_day": 3}) == Limits(tries_per_day=3)
    for raw, words in (
        ({"tries_a_day": 3}, "limits: unknown key 'tries_a_day'. Did you mean 'tries_per_day'"),
        ({"tries_per_day": "3"}, "is a number"),
        ({"tries_per_day": -1}, "at least 0"),
        ({"copy_correlation": float("nan")}, "at least 0"),
    ):
        with pytest.raises(DambenchError, match=words):
            Limits.from_dict(raw)


def test_a_race_by_threads_keeps_the_limit(url, clock):
    limits = Limits(tries_per_day=5, scored_per_day=9, open_jobs=9)
    Store(url, create=True)
    outcomes = Counter()

    def race(number):
        try:
            hand_in(Submissions(Store(url), limits), file=str(number))
            outcomes["taken"] += 1
        except QuotaError:
            outcomes["refused"] += 1

    threads = [threading.Thread(target=race, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"taken": 5, "refused": 15}


RACE = """
import os, sys
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.submissions.lifecycle import Person, QuotaError, Submissions
from dambench_hub.leaderboard.store.results import Store

limits = Limits(tries_per_day=5, scored_per_day=9, open_jobs=9)
wait, start = os.pipe()
for racer in range(4):
    if os.fork() == 0:
        board = Submissions(Store(sys.argv[1]), limits)
        os.close(start)
        os.read(wait, 1)  # all begin when the last of the other end is closed
        for number in range(5):
            key = f"{racer}-{number}"
            try:
                board.receive(
                    Person("hf:1", "Ann"), "mine", "unimodal", file=key, bytes=1, sha256=key
                )
                os.write(1, b"taken\\n")
            except QuotaError:
                os.write(1, b"refused\\n")
        os._exit(0)
os.close(start)
for racer in range(4):
    os.wait()
"""


def test_a_race_by_processes_keeps_the_limit(url):
    Store(url, create=True).close()
    done = subprocess.run([sys.executable, "-c", RACE, url], capture_output=True, text=True)
    assert Counter(done.stdout.split()) == {"taken": 5, "refused": 15}, done.stderr


# Review


def test_a_result_near_perfection_is_held(board, make_result):
    board.store.add(make_result(0.5, "b"), "background")
    mine, perfect = hand_in(board), hand_in(board, file="p")
    good, better = make_result(0.0006, "a"), make_result(0.0004, "p", main_score=99.0)
    assert score(board, mine, good) is State.PUBLISHED
    assert score(board, perfect, better) is State.HELD
    held = board.get(perfect.id)
    assert (held.reason, held.detail) == (
        HELD_FOR_REVIEW,
        "mse 0.0004 is below 0.0005",
    )
    assert not held.visible_to(None)
    with pytest.raises(NotAllowed):
        board.publish(perfect.id, ANN)
    board.publish(perfect.id, KEEPER)
    assert board.store.ranking("unimodal").entries[0].submission == perfect.id


def test_without_a_background_perfection_is_absolute(board, make_result):
    assert score(board, hand_in(board), make_result(1e-4, "a")) is State.PUBLISHED
    assert score(board, hand_in(board, file="p"), make_result(0.0, "p")) is State.HELD


@pytest.mark.parametrize(("skill", "state"), [(96.0, State.PUBLISHED), (97.0, State.HELD)])
def test_at_stations_the_skill_tells_perfection(board, make_result, skill, state):
    """RMSE / RMSE of the background is √0.001 = 3.2 %."""
    scores = {"rmse": {"t2m": 0.1}, "station_rmse": 0.1, "skill": skill}
    known = {"scores": scores, "main_score": 0.1, "sample_mse": ()}
    assert score(board, hand_in(board), make_result(value_hash="a", **known)) is state


def test_a_stranger_s_background_moves_no_floor(board, make_result):
    with board.store.transaction(write=True) as connection:  # no stranger may take this name
        hand_in_row = {"owner": "hf:9", "owner_name": "x", "name": "background"}
        row = {"task": "unimodal", "description": "", "publish": True, "file": "f", "bytes": 1}
        row |= {"sha256": "s", "received_at": "2026-03-14T12:00:00Z", "id": "f" * 32}
        connection.execute(SUBMISSIONS.insert().values(row | hand_in_row))
        connection.execute(
            text(
                "INSERT INTO events (submission, state, at, actor, problems) "
                "VALUES (:id, 'received', 't', 'x', '[]')"
            ),
            {"id": "f" * 32},
        )
    score(board, board.get("f" * 32), make_result(500.0, "s"))
    assert score(board, hand_in(board), make_result(0.1, "a")) is State.PUBLISHED


def test_somebody_else_s_values_are_held(board, make_result):
    first = hand_in(board)
    score(board, first, make_result(value_hash="same"))
    assert score(board, hand_in(board, owner=BOB), make_result(value_hash="same")) is State.HELD
    held = board.of(BOB)[0]
    assert held.detail == f"same values as {first.name!r}, submission {first.id}"
    for word in ("almost", "Whoever keeps this board decides", "time", "dambench admin publish"):
        assert word in held.reason


def test_on_ones_own_machine_nothing_is_held(board, make_result, rng):
    """Whoever sits there decides, and is told what is strange."""
    me, errors = Person("local:me", "me"), rng.gamma(3, size=60)

    def handed_in(name, key, score_value=0.5, series=errors, **options):
        mine = hand_in(board, owner=me, name=name, file=key, **options)
        series = tuple(np.asarray(series).tolist())
        state = score(board, mine, make_result(score_value, key[:1], sample_mse=series))
        return state, board.get(mine.id).reason

    assert handed_in("background", "a") == (State.PUBLISHED, None)
    state, told = handed_in("mine", "a2")
    assert state is State.PUBLISHED and "same values as 'background'" in told
    state, told = handed_in("near", "b", series=errors + 1e-6, publish=False)
    assert state is State.PRIVATE and "correlate 1.000000 with those of 'background'" in told
    state, told = handed_in("perfect", "c", 1e-9, series=errors[::-1])
    assert state is State.PUBLISHED and "is below" in told
    assert handed_in("mine", "a3")[0] is State.REJECTED  # the same values under the same name
    assert {e.name for e in board.store.ranking("unimodal").entries} == {
        "background",
        "mine",
        "perfect",
    }


def test_who_sits_at_the_machine_shows_what_was_held_there(board, make_result):
    me = Person("local:me", "me")
    mine = hand_in(board, owner=me)
    score(board, mine, make_result())
    board.hold(mine.id, KEEPER, "why")
    board.publish(mine.id, me)
    assert board.get(mine.id).state is State.PUBLISHED


def test_copied_errors_are_held(board, make_result, rng):
    errors = rng.gamma(3, size=60)

    def with_errors(key, series):
        return make_result(0.5, key, sample_mse=tuple(np.asarray(series).tolist()))

    first = hand_in(board)
    score(board, first, with_errors("a", errors))
    copied = hand_in(board, owner=BOB, file="b")
    assert score(board, copied, with_errors("b", 0.9 * errors + 1e-4)) is State.HELD
    assert board.get(copied.id).detail.endswith(f"with those of 'mine', submission {first.id}")
    alike = hand_in(board, owner=BOB, file="c")
    similar = errors + 0.1 * rng.normal(size=60)
    assert score(board, alike, with_errors("c", similar)) is State.PUBLISHED
    own = hand_in(board, file="d")
    assert score(board, own, with_errors("d", 0.9 * errors)) is State.PUBLISHED
    short = hand_in(board, owner=BOB, file="e")
    assert score(board, short, with_errors("e", errors[:20])) is State.PUBLISHED


@pytest.mark.parametrize(
    "name",
    ["mine", "Mine", "m\u0456ne", "M I N E", "\uff4d\uff49\uff4e\uff45", "rnine", "m\u00efn\u00e9"],
)
def test_a_name_on_the_board_is_its_owners(board, make_result, name):
    first = hand_in(board)
    assert hand_in(board, owner=BOB, name="mine", file="b")  # nothing of that name is shown yet
    score(board, first, make_result())
    with pytest.raises(TextRefused, match="looks like 'mine', which Ann has on this board"):
        hand_in(board, owner=BOB, name=name, file="c")
    assert hand_in(board, owner=BOB, name=f"{name} 2", file="d")
    assert hand_in(board, owner=BOB, name=name, file="e", task="multimodal")
    assert hand_in(board, name=name, file="f")


def test_a_name_is_kept_for_who_shows_it_first(board, make_result):
    """Both may have handed in before either was shown."""
    later, private, first = (
        hand_in(board, owner=BOB, name="Mine", file="b"),
        hand_in(board, owner=BOB, name="m\u0456ne", file="c", publish=False),
        hand_in(board, name="mine"),
    )
    assert board.claim("slow").id == later.id
    assert score(board, private, make_result(0.6, "c")) is State.PRIVATE
    assert score(board, first, make_result(0.5, "a")) is State.PUBLISHED
    assert board.finish(later.id, "slow", make_result(0.4, "b")) is State.REJECTED
    (problem,) = board.get(later.id).problems
    assert "looks like 'mine', which Ann has" in problem and "under another name" in problem
    with pytest.raises(NotAllowed, match="looks like 'mine', which Ann has on this board"):
        board.publish(private.id, BOB)
    board.publish(private.id, KEEPER)
    again = hand_in(board, owner=BOB, name="another", file="b")
    assert score(board, again, make_result(0.4, "b")) is State.PUBLISHED


@pytest.mark.parametrize("name", ["Background", "b\u0430ckground", "0ptimal Interpolation", "FNP"])
def test_what_looks_like_a_baseline_is_refused(board, name):
    with pytest.raises(TextRefused, match="is the name of a baseline, or looks like it"):
        hand_in(board, name=name)
    assert hand_in(board, owner=Person("local:me", "me"), name=name)


def test_an_administrator_holds(board, make_result):
    mine = hand_in(board)
    score(board, mine, make_result())
    with pytest.raises(NotAllowed, match="Only an administrator"):
        board.hold(mine.id, ANN, "why")
    board.hold(mine.id, KEEPER, "trained on the test year")
    held = board.get(mine.id)
    assert (held.reason, held.detail) == (HELD_FOR_REVIEW, "trained on the test year")
    assert board.store.ranking("unimodal").entries == ()


def test_an_administrator_says_what_was_reproduced(board, make_result):
    mine = hand_in(board, publish=False)
    score(board, mine, make_result())
    with pytest.raises(NotAllowed, match="cannot become published"):
        board.award(mine.id, KEEPER, Badge.REPRODUCED)
    board.publish(mine.id, ANN)
    with pytest.raises(NotAllowed, match="Only an administrator"):
        board.award(mine.id, ANN, Badge.REPRODUCED)
    for badge in (Badge.REPRODUCED, Badge.SELF_REPORTED, Badge.REPRODUCED):
        board.award(mine.id, KEEPER, badge, "from its code")
        [entry] = board.store.ranking("unimodal").entries
        assert (
            entry.badge is board.get(mine.id).badge is board.events(mine.id)[-1][1].badge is badge
        )
    board.withdraw(mine.id, ANN, "why")
    board.publish(mine.id, KEEPER)
    assert board.get(mine.id).badge is Badge.REPRODUCED


def test_an_owner_is_told_what_can_be_done(board, make_result):
    mine, me = hand_in(board, publish=False), Person("local:me", "me")
    assert board.choices(mine, ANN) == ("withdraw",)
    score(board, mine, make_result())
    mine = board.get(mine.id)
    assert board.choices(mine, ANN) == ("publish", "withdraw")
    assert board.choices(mine, BOB) == board.choices(mine, None) == ()
    board.hold(mine.id, KEEPER, "why")
    assert board.choices(board.get(mine.id), ANN) == ("withdraw",)
    own = hand_in(board, owner=me, file="b")
    score(board, own, make_result(value_hash="b"))
    board.withdraw(own.id, me, "why")
    assert board.choices(board.get(own.id), me) == ("publish",)


# A new scorer


def test_scoring_again_keeps_old_rows_and_quotas(url, clock, make_result, monkeypatch):
    board = Submissions(Store(url, create=True), Limits(scored_per_day=2))
    board.store.add(make_result(0.9, "l", scorer_version="0", main_score=0.9), "local")
    first = hand_in(board, publish=False)
    score(board, first, make_result(0.3, "a", scorer_version="0", main_score=0.3))
    board.publish(first.id, ANN)
    with pytest.raises(NotAllowed):
        board.rescore(ANN)
    queued, lacking = board.rescore(KEEPER)
    assert [one.id for one in queued] == [first.id]
    assert [one.name for one in lacking] == ["local"]
    assert board.rescore(KEEPER)[0] == []
    board.claim("worker")
    board.fail(first.id, "worker", "4f2a")
    assert [one.id for one in board.rescore(KEEPER)[0]] == [first.id]
    new = hand_in(board, file="b")  # the one that is scored again is no open job
    assert board.queue_place(new.id) == 1  # and waits until new ones are scored
    score(board, new, make_result(0.4, "b"))
    assert score(board, first, make_result(0.25, "a")) is State.PUBLISHED
    assert [e.result.main_score for e in board.store.ranking("unimodal").entries] == [-0.25]
    assert board.store.ranking("unimodal").hidden == 1
    old = board.store.ranking("unimodal", scorer_version="0").entries
    assert [e.result.main_score for e in old] == [0.3, 0.9]


# Whatever happens


class Life(RuleBasedStateMachine):
    """Persons and workers in any order; the board is always what a simple model says."""

    def __init__(self):
        super().__init__()
        self.board = Submissions(Store("sqlite://", create=True), GENEROUS)
        self.files = 0
        self.states = {}
        self.scores = {}
        self.claimed = {}

    make_result = None

    @rule(owner=st.sampled_from([ANN, BOB]), publish=st.booleans())
    def receive(self, owner, publish):
        self.files += 1
        one = hand_in(self.board, owner, file=str(self.files), publish=publish)
        self.states[one.id] = State.RECEIVED

    @rule(worker=st.sampled_from("xy"))
    def claim(self, worker):
        waiting = [i for i, s in self.states.items() if s == "received" and i not in self.claimed]
        one = self.board.claim(worker)
        assert (one.id if one else None) == (waiting[0] if waiting else None)
        if one:
            self.claimed[one.id] = worker

    @precondition(lambda self: self.claimed)
    @rule(data=st.data(), value=st.integers(1, 5))
    def finish(self, data, value):
        id = data.draw(st.sampled_from(sorted(self.claimed)))
        worker = self.claimed.pop(id)
        score = value / 10
        state = self.board.finish(id, worker, self.make_result(score, id))
        assert state is (State.PUBLISHED if self.board.get(id).publish else State.PRIVATE)
        self.states[id], self.scores[id] = state, score

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def reject(self, data):
        id = data.draw(st.sampled_from(sorted(self.claimed)))
        self.board.reject(id, self.claimed.pop(id), ["no"])
        self.states[id] = State.REJECTED

    @precondition(lambda self: self.states)
    @rule(data=st.data(), by=st.sampled_from([ANN, BOB, KEEPER]))
    def decide(self, data, by):
        id = data.draw(st.sampled_from(sorted(self.states)))
        wanted = data.draw(st.sampled_from([State.PUBLISHED, State.WITHDRAWN]))
        act = self.board.publish if wanted is State.PUBLISHED else self.board.withdraw
        try:
            act(id, by, "why")
        except NotAllowed:
            return
        assert by in (KEEPER, self.board.get(id).owner)
        assert wanted is State.WITHDRAWN or id in self.scores
        self.states[id] = wanted
        self.claimed.pop(id, None)

    @invariant()
    def the_board_is_as_the_model_says(self):
        found = {one.id: one.state for one in self.board.all()}
        assert found == self.states
        best = {}
        for id, state in self.states.items():
            if state is State.PUBLISHED:
                owner = self.board.get(id).owner
                best[owner] = min(best.get(owner, 9), self.scores[id])
        entries = self.board.store.ranking("unimodal").entries
        assert {e.owner: -e.result.main_score for e in entries} == best


def test_any_order_of_things(make_result, monkeypatch):
    monkeypatch.setattr(Life, "make_result", staticmethod(make_result))
    machine = Life.TestCase()
    machine.settings = settings(max_examples=6, stateful_step_count=15, deadline=None)
    machine.runTest()


LOAD = """
import itertools, os, sys, threading
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.submissions.lifecycle import Person, Submissions
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.scoring.evaluation import Result, SCORER_VERSION

many = 10**6
limits = Limits(many, 0, many, many, many, many, many, attempts=many)
scores = {"mse": 0.5, "mae": 0.1, "specdiv": 0.2, "rmse": {"z500": 9.0}}

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())

def receive(person):
    board = Submissions(Store(sys.argv[1]), limits)
    for number in itertools.count():
        key = f"{os.getpid()}-{person.id}-{number}"
        one = board.receive(
            person, f"{person.name}'s", "unimodal", file=key, bytes=1, sha256=key
        )
        say("received", one.id)

def work():
    board = Submissions(Store(sys.argv[1]), limits)
    worker = str(os.getpid())
    while True:
        one = board.claim(worker)
        if one:
            result = Result("unimodal", "tiny", "r1", SCORER_VERSION, one.sha256, 0.5, scores,
                            (0.1, 0.2), {"model_name": "m"})
            board.finish(one.id, worker, result)
            say("finished", one.id)

for _ in sys.stdin:  # each line: once more, in a process of its own
    child = os.fork()
    if child == 0:
        ann, bob = Person("hf:1", "Ann"), Person("hf:2", "Bob")
        say("ready", str(os.getpid()))
        for task in (lambda: receive(ann), lambda: receive(bob), work):
            threading.Thread(target=task, daemon=True).start()
        threading.Event().wait()
    os.wait()
    say("ended")
"""


@pytest.fixture
def under_load(url):
    """Lets a process hand in, score and tell what it did, and kills it; what it told."""
    helper = subprocess.Popen(
        [sys.executable, "-c", LOAD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def run(count, seconds):
        print("go", file=helper.stdin, flush=True)
        said, kill = [], None
        for line in helper.stdout:
            if line == "ended\n":
                break
            said.append(tuple(line.split()))
            if len(said) == count:
                arguments = int(said[0][1]), signal.SIGKILL
                kill = threading.Timer(seconds, os.kill, arguments)
                kill.start()
        kill.join()
        return said

    yield run
    helper.communicate()


def test_kills_lose_and_double_nothing(url, under_load):
    """SIGKILL at 20 random moments under load."""
    Store(url, create=True).close()
    moments, said = random.Random(0), []
    for _ in range(20):
        said += under_load(moments.randint(2, 12), moments.uniform(0, 0.02))
    received = {key for what, key in said if what == "received"}
    finished = {key for what, key in said if what == "finished"}
    assert len(received) > 20 and len(finished) > 20
    store = Store(url)
    found = {one.id: one for one in Submissions(store).all()}
    assert received <= set(found)
    assert all(found[key].state is State.PUBLISHED for key in finished)
    assert len({one.sha256 for one in found.values()}) == len(found)
    with store.transaction() as connection:
        for query in (
            "SELECT submission FROM results GROUP BY submission HAVING count(*) > 1",
            "SELECT submission FROM events WHERE state = 'published' "
            "GROUP BY submission HAVING count(*) > 1",
            "SELECT submission FROM events WHERE state = 'published' AND result IS NULL",
            "SELECT r.sequence FROM results r LEFT JOIN events e ON e.result = r.sequence "
            "WHERE e.sequence IS NULL",
        ):
            assert connection.execute(text(query)).all() == []
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
