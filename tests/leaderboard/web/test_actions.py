"""Handing in, asking and deciding: each person about their own, and nobody about others'."""

import h5py
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.web.actions import SubmissionActions, plain
from dambench_hub.leaderboard.web.header_reader import Busy, HeaderReader
from dambench_hub.leaderboard.web.markup import render
from dambench_hub.leaderboard.web.uploads import open_inbox
from dambench_hub.predictions.writer import write_predictions

ADA, BOB = Person("hf:1", "ada"), Person("hf:2", "bob")
MANY = Limits(tries_per_day=99, scored_per_day=99, scored_per_month=99, open_jobs=99, free_bytes=0)


@pytest.fixture
def actions(tiny_folder, tmp_path):
    site = Site.open(tiny_folder, f"sqlite:///{tmp_path}/s.db", tmp_path / "site", limits=MANY)
    return SubmissionActions(site, open_inbox(site))


@pytest.fixture
def arrive(actions):
    """`arrive(person)` is the ticket of a file that has arrived."""

    def arrive(person, content=b"values"):
        with actions.inbox.arrive(person, len(content)) as begin:
            arriving = begin("mine.nc")
            arriving.write(content)
            return arriving.keep()

    return arrive


def receive(actions, person, ticket, name="mine", task="unimodal", **options):
    return actions.receive(person, ticket, name=name, task=task, **options)


def test_a_file_becomes_a_submission_with_all_its_words(actions, arrive):
    links = {"model_url": "https://a.org/m", "paper_url": "https://a.org/p"}
    one = receive(actions, ADA, arrive(ADA), description="Two\nlines.", publish=False, **links)
    assert (one.owner, one.name, one.task, one.publish) == (ADA, "mine", "unimodal", False)
    assert (one.description, one.model_url, one.paper_url) == ("Two\nlines.", *links.values())
    assert (actions.site.inbox / one.file).read_bytes() == b"values" and one.bytes == 6
    status = actions.status(one, ADA)
    assert (status["state"], status["place"], status["progress"]) == ("received", 1, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"person": None}, "Sign in"),
        ({"person": BOB}, "no such file of yours"),
        ({"ticket": ""}, "Choose a file"),
        ({"ticket": "../s.db"}, "no such file of yours"),
        ({"task": "multimodl"}, "Did you mean 'multimodal'"),
        ({"task": "../x"}, "Unknown task"),
        ({"name": "<b>"}, "cannot stand in a name"),
        ({"description": "a\u202eb"}, "cannot stand in a description"),
        ({"model_url": "http://a.org"}, "https"),
        ({"paper_url": "javascript:alert(1)"}, "https"),
    ],
)
def test_what_must_be_mended_is_told_and_nothing_is_lost(actions, arrive, change, words):
    ticket = arrive(ADA)
    with pytest.raises(DambenchError, match=words):
        receive(actions, **{"person": ADA, "ticket": ticket} | change)
    assert receive(actions, ADA, ticket).name == "mine"


def test_one_file_is_one_submission(actions, arrive):
    ticket = arrive(ADA)
    receive(actions, ADA, ticket)
    for task in ("unimodal", "multimodal"):
        with pytest.raises(DambenchError, match="already"):
            receive(actions, ADA, ticket, task=task)


def test_others_learn_nothing_of_what_is_not_shown(actions, arrive):
    one = receive(actions, ADA, arrive(ADA))
    assert actions.find(ADA, one.id) == one
    for person in (BOB, None):
        with pytest.raises(DambenchError, match="There is no submission"):
            actions.find(person, one.id)
        for action in ("publish", "withdraw"):
            with pytest.raises(DambenchError, match="There is no submission|your own"):
                actions.decide(person, one.id, action, "")


def test_the_owner_learns_the_problems_and_nobody_else(actions, arrive):
    one = receive(actions, ADA, arrive(ADA))
    actions.site.submissions.claim("worker")
    actions.site.submissions.reject(one.id, "worker", ["Wrong.", "Wrong again."])
    one = actions.site.submissions.get(one.id)
    assert actions.status(one, ADA)["problems"] == ["Wrong.", "Wrong again."]
    assert actions.status(one, BOB)["problems"] == []


def test_what_is_scored_is_published_by_its_owner(actions, arrive, make_result):
    one = receive(actions, ADA, arrive(ADA), publish=False)
    actions.site.submissions.claim("worker")
    result = make_result(0.5, "a", dataset_revision=actions.site.data.revision)
    actions.site.submissions.finish(one.id, "worker", result)
    status = actions.status(actions.find(ADA, one.id), ADA)
    assert (status["state"], status["score"], status["rank"]) == ("private", -0.5, None)
    assert (status["rank_if_shown"], status["choices"]) == (1, ["publish", "withdraw"])
    actions.decide(ADA, one.id, "publish", "")
    status = actions.status(actions.find(BOB, one.id), BOB)
    assert (status["state"], status["rank"], status["entries"]) == ("published", 1, 1)
    assert (status["rank_if_shown"], status["badge"], status["choices"]) == (
        *(None, "self-reported", []),
    )
    actions.decide(ADA, one.id, "withdraw", "a mistake")
    assert actions.status(actions.find(ADA, one.id), ADA)["reason"] == "a mistake"


def test_strangers_do_not_learn_where_the_store_is(caplog):
    said = plain(StoreError("sqlite:////private/place.db cannot be used"))
    assert "place" not in said and "Try again" in said
    assert "/private/place.db" in caplog.text
    assert plain(DambenchError("Mend it.")) == "Mend it."


def test_a_private_result_says_which_rank_it_would_have(actions, arrive, make_result):
    def score(name, value, person=ADA, publish=False):
        one = receive(actions, person, arrive(person, name.encode()), name, publish=publish)
        actions.site.submissions.claim("worker")
        known = {"dataset_revision": actions.site.data.revision}
        actions.site.submissions.finish(one.id, "worker", make_result(value, name, **known))
        return actions.find(person, one.id)

    for at, value in enumerate((0.2, 0.4)):
        score(f"theirs {at}", value, BOB, publish=True)
    one = score("mine", 0.3)
    assert actions.status(one, ADA)["rank_if_shown"] == 2
    actions.decide(ADA, one.id, "publish", "")
    status = actions.status(actions.find(ADA, one.id), ADA)
    assert (status["rank"], status["rank_if_shown"]) == (2, None)


@pytest.fixture
def file_of(actions, tiny_data, tmp_path):
    """`file_of(person, **changes)` is the ticket of a prediction file that has arrived."""

    def file_of(person, **changes):
        path = tmp_path / "mine.nc"
        analyses = (Analysis(batch.background) for batch in tiny_data.batches("unimodal"))
        write_predictions(path, analyses, task="unimodal", data=tiny_data, model_name="of file")
        with h5py.File(path, "a") as file:
            file.attrs.update(changes)
        with actions.inbox.arrive(person, path.stat().st_size) as begin:
            arriving = begin("mine.nc")
            arriving.write(path.read_bytes())
            return arriving.keep()

    return file_of


def test_a_header_is_read_before_its_file_is_queued(actions, file_of):
    look = actions.look(ADA, file_of(ADA))
    assert (look.task, look.attributes["model_name"]) == ("unimodal", "of file")
    assert look.problems == ()
    assert "not for 'multimodal'" in actions.look(ADA, file_of(ADA), "multimodal").problems[0]
    with pytest.raises(DambenchError, match="no such file of yours"):
        actions.look(BOB, file_of(ADA))


def test_when_it_is_too_busy_to_look_a_file_can_be_handed_in(actions, arrive, monkeypatch):
    def busy(self, person, path):
        raise Busy("Too many.")

    monkeypatch.setattr(HeaderReader, "read", busy)
    ticket = arrive(ADA)
    look = actions.look(ADA, ticket)
    assert look.busy and look.problems == ()
    assert "Hand it in anyway" in render("submit_look", look=look)
    assert receive(actions, ADA, ticket).name == "mine"


def test_what_is_wrong_with_a_header_is_listed_without_names_of_files(actions, arrive, file_of):
    (problem,) = actions.look(ADA, file_of(ADA, dataset_revision="older")).problems
    assert "made for revision 'older'" in problem and "run predict again" in problem
    (problem,) = actions.look(ADA, arrive(ADA)).problems
    assert problem and ".nc:" not in problem and str(actions.site.inbox) not in problem
