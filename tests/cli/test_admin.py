"""The commands for who keeps a store: what they do, and messages without a traceback."""

import json

import pytest

from dambench_hub.cli import commands as cli
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.store.schema import Badge
from dambench_hub.leaderboard.submissions.lifecycle import Person, State, Submissions
from dambench_hub.leaderboard.submissions.limits import Limits

ANN = Person("hf:1", "Ann [red]")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/board.db"


@pytest.fixture
def board(url, make_result):
    """A published submission, and one that is held."""
    board = Submissions(Store(url, create=True), Limits(open_jobs=9))
    for name, score in ("mine", 0.5), ("perfect", 0.0):
        one = board.receive(ANN, name, "unimodal", file=f"{name}.nc", bytes=1, sha256=name)
        board.claim("worker")
        board.finish(one.id, "worker", make_result(score, name))
    return board


@pytest.fixture
def admin(url, capsys):
    """Run a command on the store; gives exit code, stdout and stderr."""

    def run(command, *arguments, store=url):
        try:
            cli.main(["admin", command, *map(str, arguments), "--store", store])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return run


def test_submissions_are_listed(board, admin):
    code, out, _ = admin("list")
    assert (code, out.count("\n")) == (0, 3)
    assert "Ann [red] (hf:1)" in out
    code, out, _ = admin("list", "--state", "held")
    assert "perfect" in out and "mine" not in out
    assert "No submissions" in admin("list", "--task", "multimodal")[1]


def test_a_submission_is_shown(board, admin):
    [_, perfect] = board.all()
    code, out, _ = admin("show", perfect.id[:8])
    shown = json.loads(out)
    assert (code, shown["id"], shown["owner"]["id"]) == (0, perfect.id, "hf:1")
    assert [event["state"] for event in shown["events"]] == ["received", "held"]
    assert shown["detail"] == "mse 0 is below 1e-05"
    assert shown["result"]["value_hash"] == "perfect"


def test_decisions(board, admin):
    mine, perfect = (one.id for one in board.all())
    assert admin("publish", perfect, "--reason", "fine")[1] == "perfect is published.\n"
    assert admin("hold", mine, "--reason", "leak")[1] == "mine is held for review.\n"
    assert admin("withdraw", mine, "--reason", "leak")[1] == "mine is withdrawn.\n"
    assert [(one.state, one.reason) for one in board.all()] == [
        (State.WITHDRAWN, "leak"),
        (State.PUBLISHED, "fine"),
    ]
    actors = {event.actor for _, event in board.events(mine)}
    assert any(actor.startswith("admin:") for actor in actors)


def test_what_was_reproduced(board, admin):
    mine, perfect = (one.id for one in board.all())
    assert admin("reproduced", mine, "--reason", "from its code")[1] == "mine is reproduced.\n"
    assert board.get(mine).badge is Badge.REPRODUCED
    assert json.loads(admin("show", mine)[1])["badge"] == "reproduced"
    assert admin("reproduced", mine, "--undo")[1] == "mine is self-reported.\n"
    code, _, err = admin("reproduced", perfect)
    assert code == 1 and "is held; it cannot become published" in err


def test_submitting_again(board, url, make_result, monkeypatch, capsys):
    """The rank is that of the name's best result; what was taken off is not put back."""

    def submit(result):
        monkeypatch.setattr("dambench_hub.data.dataset.load_data", lambda _: None)
        monkeypatch.setattr("dambench_hub.scoring.evaluation.score", lambda *_: result)
        try:
            cli.main(["submit", __file__, "--name", "mine", "--store", url])
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    better, worse = make_result(0.3, "better"), make_result(0.4, "worse")
    assert submit(better) == (0, "mine has rank 1 of 2 in the task unimodal.\n", "")
    code, out, err = submit(worse)
    assert (code, out) == (0, "mine has rank 1 of 2 in the task unimodal.\n")
    assert "An earlier result of 'mine' is as good or better" in err
    keeper = Person("admin:kim", "kim")
    for one in board.all()[-2:]:
        board.withdraw(one.id, keeper, "leak")
    code, out, err = submit(better)
    assert (code, out) == (1, "") and "taken off the board" in err


def test_a_new_scorer(board, admin, monkeypatch):
    board.store.add(board.store.result(board.all()[0].id), "local")
    monkeypatch.setattr("dambench_hub.leaderboard.submissions.lifecycle.SCORER_VERSION", "next")
    code, out, _ = admin("rescore")
    assert code == 0
    assert "1 submissions are in the queue again" in out
    assert "local (unimodal): its file was not kept" in out


def test_copies(board, admin, url, tmp_path):
    code, out, _ = admin("backup", "--out", tmp_path / "copy.db")
    assert (code, "copy.db: sha256" in out) == (0, True)
    new = f"sqlite:///{tmp_path}/new.db"
    assert admin("restore", tmp_path / "copy.db", store=new)[0] == 0
    assert Submissions(Store(new)).all() == board.all()


def test_mistakes_are_told_without_a_traceback(board, admin, tmp_path):
    mine, perfect = (one.id for one in board.all())
    (tmp_path / "torn.db").write_bytes(b"torn")
    new = f"sqlite:///{tmp_path}/new.db"
    for words, arguments, store in (
        ("There is no results store", ("list",), f"sqlite:///{tmp_path}/none.db"),
        ("Did you mean 'held'", ("list", "--state", "helt"), None),
        ("0 submissions have an id that begins with 'xyz'", ("show", "xyz"), None),
        ("2 submissions have an id", ("show", ""), None),
        ("is held; it cannot become held", ("hold", perfect, "--reason", "x"), None),
        ("is published; it cannot become published", ("publish", mine), None),
        ("is not whole", ("restore", tmp_path / "torn.db"), new),
        ("There is no backup", ("restore", tmp_path / "none.db"), new),
        ("is there already", ("restore", tmp_path / "torn.db"), None),
        ("There are no records", ("restore", "--from-records", tmp_path), new),
        ("Give ORG/NAME", ("restore", "--from-records", "x y"), new),
        ("Give ORG/NAME", ("mirror", "--repo-id", "x"), None),
    ):
        code, out, err = admin(*arguments, **({"store": store} if store else {}))
        assert (code, out) == (1, ""), arguments
        assert words in err and "Traceback" not in err
    assert not (tmp_path / "new.db").exists()
    assert admin("restore")[0] == 2
