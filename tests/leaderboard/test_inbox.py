"""Files that arrive are counted, hashed and private; what is not kept leaves nothing behind."""

import hashlib
import os
import shutil
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard import inbox as module
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.inbox import Inbox, Room, UploadRefused, digest_of

ADA, BOB = Person("hf:1", "ada"), Person("hf:2", "bob")
ROOM = Room(file=1000, person=2500, everybody=10_000, floor=0, at_once=2)


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path, ROOM, lambda person: set())


def send(inbox, person=ADA, content=b"values", name="mine.nc"):
    with inbox.arrive(person, len(content)) as begin:
        arriving = begin(name)
        arriving.write(content)
        return arriving.keep()


def refusal(inbox, *arguments, **options):
    with pytest.raises(UploadRefused) as refused:
        send(inbox, *arguments, **options)
    return refused.value


def test_a_ticket_finds_the_file_of_its_person_and_of_nobody_else(inbox):
    ticket = send(inbox, content=b"abc")
    path = inbox.find(ADA, ticket)
    assert path.read_bytes() == b"abc"
    assert digest_of(ticket) == hashlib.sha256(b"abc").hexdigest()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(DambenchError, match="no such file of yours"):
        inbox.find(BOB, ticket)


@pytest.mark.parametrize(
    "ticket", ["", "x", "../store.db", "/etc/passwd", "a" * 300, "0" * 32 + "-" + "0" * 64 + ".nc"]
)
def test_what_is_no_ticket_finds_nothing(inbox, ticket):
    with pytest.raises(DambenchError, match="no such file of yours"):
        inbox.find(ADA, ticket)


def test_a_file_that_may_be_removed_any_moment_is_not_handed_in(inbox):
    ticket = send(inbox)
    path = inbox.find(ADA, ticket)
    os.utime(path, (0, 0))
    with pytest.raises(DambenchError, match="within an hour"):
        inbox.find(ADA, ticket)


@pytest.mark.parametrize(
    "name", ["a.nc", "A.NC", "../../x.h5", "/etc/x.safetensors", "c:\\x.nc", "a\0b.nc", ".nc.h5"]
)
def test_names_on_the_disk_are_our_own(inbox, name):
    send(inbox, name=name)
    (path,) = inbox.folder.iterdir()
    assert path.name.startswith(module.owner_mark(ADA))
    assert path.suffix in (".nc", ".h5", ".safetensors")


@pytest.mark.parametrize("name", ["a.npz", "a.nc.exe", "nc", "", ".nc/", "a.nc\0"])
def test_other_endings_are_refused(inbox, name):
    assert refusal(inbox, name=name).status == 415
    assert not list(inbox.folder.iterdir())


def test_an_empty_file_is_refused(inbox):
    assert refusal(inbox, content=b"").status == 400


def test_a_file_that_is_announced_too_large_is_refused_before_it_comes(inbox):
    assert refusal(inbox, content=b"x" * 1001).status == 413


def test_a_file_that_lies_about_its_size_is_cut_off(inbox):
    with (
        pytest.raises(UploadRefused) as refused,
        inbox.arrive(ADA, 10) as begin,
    ):
        arriving = begin("mine.nc")
        for _ in range(100):
            arriving.write(b"x" * 100)
    assert refused.value.status == 413
    assert not list(inbox.folder.iterdir())


def test_a_broken_upload_leaves_nothing(inbox):
    with pytest.raises(ConnectionError), inbox.arrive(ADA, 10) as begin:
        begin("mine.nc").write(b"x")
        raise ConnectionError
    assert not list(inbox.folder.iterdir())
    assert send(inbox)


def test_a_person_sends_one_file_at_a_time(inbox):
    with inbox.arrive(ADA, 10):
        assert refusal(inbox).status == 429
        assert send(inbox, BOB)
    assert send(inbox)


def test_all_together_send_few_files_at_a_time(inbox):
    with inbox.arrive(ADA, 10), inbox.arrive(BOB, 10):
        refused = refusal(inbox, Person("hf:3", "eve"))
    assert (refused.status, refused.seconds) == (429, 60)


def test_one_address_leaves_places_for_others(tmp_path):
    room = Room(file=1000, person=2500, everybody=10_000, floor=0, at_once=9, at_once_from_one=2)
    inbox, eve = Inbox(tmp_path, room, lambda person: set()), Person("hf:3", "eve")
    with inbox.arrive(ADA, 10, "192.0.2.1"), inbox.arrive(BOB, 10, "192.0.2.1"):
        with pytest.raises(UploadRefused, match="from your address"):  # noqa: SIM117
            with inbox.arrive(eve, 10, "192.0.2.1"):
                pass
        with inbox.arrive(eve, 10, "192.0.2.2"):
            pass


def test_what_a_killed_server_had_not_finished_is_removed(inbox):
    ticket = send(inbox)
    with inbox.arrive(BOB, 10) as begin:
        begin("b.nc").write(b"x")
        assert len(list(inbox.folder.iterdir())) == 2
        inbox.sweep()
        assert list(inbox.folder.iterdir()) == [inbox.find(ADA, ticket)]


def test_what_a_person_leaves_waiting_has_a_limit(tmp_path):
    handed_in = set()
    inbox = Inbox(tmp_path, ROOM, lambda person: handed_in)
    tickets = [send(inbox, content=b"x" * 900) for _ in range(2)]
    refused = refusal(inbox, content=b"x" * 900)
    assert (refused.status, refused.seconds) == (429, 3600)
    assert send(inbox, BOB, b"x" * 900)
    handed_in.add(inbox.find(ADA, tickets[0]).name)
    assert send(inbox, content=b"x" * 900)


def test_all_files_together_have_a_limit(tmp_path):
    inbox = Inbox(tmp_path, ROOM, lambda person: set())
    for number in range(11):
        send(inbox, Person(f"hf:{number}", "x"), b"x" * 900)
    assert refusal(inbox, ADA, b"x" * 900).status == 507


def test_some_of_the_disk_stays_free(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    inbox = Inbox(tmp_path, ROOM, lambda person: set())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=500))
    assert refusal(inbox, content=b"x" * 600).status == 507
    floor = Room(file=1000, person=2500, everybody=10_000, floor=10**9)
    low = usage._replace(total=10**12, free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: low)
    assert refusal(Inbox(tmp_path, floor, lambda person: set())).status == 507


def test_a_full_disk_is_told_as_such(inbox, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    assert refusal(inbox).status == 507
    assert not list(inbox.folder.iterdir())


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 600), min_size=2, max_size=8))
def test_no_interleaving_gets_more_than_the_room(tmp_path_factory, sizes):
    room = Room(file=1000, person=1000, everybody=1500, floor=0, at_once=100)
    inbox = Inbox(tmp_path_factory.mktemp("inbox"), room, lambda person: set())

    def try_to_send(number, size):
        person = Person(f"hf:{number % 3}", "x")
        try:
            send(inbox, person, b"x" * size)
        except UploadRefused as refused:
            assert refused.status in (429, 507)

    threads = [threading.Thread(target=try_to_send, args=pair) for pair in enumerate(sizes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(path.stat().st_size for path in inbox.folder.iterdir()) <= room.everybody
