"""Handing in, asking and deciding: each person about their own, and nobody about others'."""

import pytest

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.database import StoreError
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.leaderboard.web.actions import Reception, plain
from dambench_hub.leaderboard.web.uploads import open_inbox

ADA, BOB = Person("hf:1", "ada"), Person("hf:2", "bob")
MANY = Limits(tries_per_day=99, scored_per_day=99, scored_per_month=99, open_jobs=99, free_bytes=0)


@pytest.fixture
def reception(tiny_folder, tmp_path):
    site = Site.open(tiny_folder, f"sqlite:///{tmp_path}/s.db", tmp_path / "site", limits=MANY)
    return Reception(site, open_inbox(site))


@pytest.fixture
def arrive(reception):
    """`arrive(person)` is the ticket of a file that has arrived."""

    def arrive(person, content=b"values"):
        with reception.inbox.arrive(person, len(content)) as begin:
            arriving = begin("mine.nc")
            arriving.write(content)
            return arriving.keep()

    return arrive


def receive(reception, person, ticket, name="mine", task="unimodal", **wishes):
    return reception.receive(person, ticket, name=name, task=task, **wishes)


def test_a_file_becomes_a_submission_with_all_its_words(reception, arrive):
    links = {"model_url": "https://a.org/m", "paper_url": "https://a.org/p"}
    one = receive(reception, ADA, arrive(ADA), description="Two\nlines.", publish=False, **links)
    assert (one.owner, one.name, one.task, one.publish) == (ADA, "mine", "unimodal", False)
    assert (one.description, one.model_url, one.paper_url) == ("Two\nlines.", *links.values())
    assert (reception.site.inbox / one.file).read_bytes() == b"values" and one.bytes == 6
    told = reception.tell(one, ADA)
    assert (told["state"], told["place"], told["progress"]) == ("received", 1, None)


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
def test_what_must_be_mended_is_told_and_nothing_is_lost(reception, arrive, change, words):
    ticket = arrive(ADA)
    with pytest.raises(DambenchError, match=words):
        receive(reception, **{"person": ADA, "ticket": ticket} | change)
    assert receive(reception, ADA, ticket).name == "mine"


def test_one_file_is_one_submission(reception, arrive):
    ticket = arrive(ADA)
    receive(reception, ADA, ticket)
    for task in ("unimodal", "multimodal"):
        with pytest.raises(DambenchError, match="already"):
            receive(reception, ADA, ticket, task=task)


def test_others_learn_nothing_of_what_is_not_shown(reception, arrive):
    one = receive(reception, ADA, arrive(ADA))
    assert reception.find(ADA, one.id) == one
    for person in (BOB, None):
        with pytest.raises(DambenchError, match="There is no submission"):
            reception.find(person, one.id)
        for action in ("publish", "withdraw"):
            with pytest.raises(DambenchError, match="There is no submission|your own"):
                reception.decide(person, one.id, action, "")


def test_the_owner_learns_the_problems_and_nobody_else(reception, arrive):
    one = receive(reception, ADA, arrive(ADA))
    reception.site.submissions.claim("worker")
    reception.site.submissions.reject(one.id, "worker", ["Wrong.", "Wrong again."])
    one = reception.site.submissions.get(one.id)
    assert reception.tell(one, ADA)["problems"] == ["Wrong.", "Wrong again."]
    assert reception.tell(one, BOB)["problems"] == []


def test_what_is_scored_is_published_by_its_owner(reception, arrive, make_result):
    one = receive(reception, ADA, arrive(ADA), publish=False)
    reception.site.submissions.claim("worker")
    result = make_result(0.5, "a", dataset_revision=reception.site.data.revision)
    reception.site.submissions.finish(one.id, "worker", result)
    told = reception.tell(reception.find(ADA, one.id), ADA)
    assert (told["state"], told["score"], told["rank"]) == ("private", 0.5, None)
    reception.decide(ADA, one.id, "publish", "")
    told = reception.tell(reception.find(BOB, one.id), BOB)
    assert (told["state"], told["rank"], told["entries"]) == ("published", 1, 1)
    reception.decide(ADA, one.id, "withdraw", "a mistake")
    assert reception.tell(reception.find(ADA, one.id), ADA)["reason"] == "a mistake"


def test_strangers_do_not_learn_where_the_store_is(caplog):
    said = plain(StoreError("sqlite:////private/place.db cannot be used"))
    assert "place" not in said and "Try again" in said
    assert "/private/place.db" in caplog.text
    assert plain(DambenchError("Mend it.")) == "Mend it."
