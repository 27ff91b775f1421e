"""The one way in for files: one file, from somebody who has signed in, as large as announced."""

import asyncio
import hashlib
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.sign_in import SignIn
from dambench_hub.leaderboard.inbox import TICKET, Inbox, Room
from dambench_hub.leaderboard.submissions.limits import QuotaError
from dambench_hub.leaderboard.web import pace, uploads

ADA = Person("local:ada", "ada")
SIGNED_IN = SignIn(developer=ADA)
FORM_TYPE = {"content-type": "multipart/form-data; boundary=xx"}


@pytest.fixture
def inbox(tmp_path):
    room = Room(file=1 << 18, person=1 << 20, everybody=1 << 20, floor=0)
    return Inbox(tmp_path, room, lambda person: set())


def allow(person, others):
    """A quota that nobody has used up."""


def send(inbox, sign_in=SIGNED_IN, quota=allow, **content):
    async def sent():
        async with client_of(inbox, sign_in, quota) as client:
            return await client.post(uploads.PATH, **content)

    return asyncio.run(sent())


def client_of(inbox, sign_in=SIGNED_IN, quota=allow):
    app = FastAPI()
    uploads.add_upload(app, inbox, sign_in, quota)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")


def form(*parts, end=True):
    body = b"".join(
        b'--xx\r\nContent-Disposition: form-data; name="files"%s\r\n\r\n%s\r\n' % part
        for part in parts
    )
    return body + (b"--xx--\r\n" if end else b"")


def test_a_file_arrives_whole(inbox):
    content = bytes(range(256)) * 800
    answer = send(inbox, files={"files": ("mine.nc", content)})
    assert answer.status_code == 200
    (ticket,) = answer.json()
    assert TICKET.fullmatch(ticket) and hashlib.sha256(content).hexdigest() in ticket
    assert inbox.find(ADA, ticket).read_bytes() == content
    assert len(list(inbox.folder.iterdir())) == 1


@settings(deadline=None, max_examples=30)
@given(
    st.binary(min_size=1, max_size=3000),
    st.sampled_from([b"\r\n--xx", b"--xx", b"\r\n--xx-", b"\r", b"\r\n", b"\r\n--x\r\n"]),
    st.lists(st.integers(1, 700), min_size=1, max_size=10),
)
def test_bytes_are_kept_however_they_come(tmp_path_factory, content, bait, cuts):
    room = Room(file=1 << 18, person=1 << 20, everybody=1 << 20, floor=0)
    inbox = Inbox(tmp_path_factory.mktemp("inbox"), room, lambda person: set())
    content = content + (bait if b"--xx" not in bait else bait[:5]) + content
    if b"\r\n--xx" in content:
        return
    body = form((b'; filename="a.nc"', content))

    async def chunks():
        rest = body
        while rest:
            for cut in cuts:
                piece, rest = rest[:cut], rest[cut:]
                if piece:
                    yield piece

    headers = {**FORM_TYPE, "content-length": str(len(body))}
    (ticket,) = send(inbox, content=chunks(), headers=headers).json()
    assert inbox.find(ADA, ticket).read_bytes() == content


def refused(inbox, status, **content):
    answer = send(inbox, **content)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert not list(inbox.folder.iterdir())
    return answer


def test_strangers_are_refused(inbox):
    refused(inbox, 401, files={"files": ("a.nc", b"x")}, sign_in=SignIn.closed())


def test_two_files_are_refused(inbox):
    files = [("files", ("a.nc", b"x")), ("files", ("b.nc", b"y"))]
    refused(inbox, 413, files=files)


def test_a_thousand_empty_files_are_refused(inbox):
    refused(inbox, 413, files=[("files", (f"{n}.nc", b"")) for n in range(1000)])


def test_a_file_that_is_too_large_is_refused(inbox):
    refused(inbox, 413, files={"files": ("a.nc", b"x" * (1 << 19))})


def test_a_length_must_be_announced(inbox):
    async def endless():
        yield form((b'; filename="a.nc"', b"x"))

    refused(inbox, 411, content=endless(), headers=FORM_TYPE)
    for length in ("-1", "many", "1e3", "0x10", "\u0663"):
        headers = {**FORM_TYPE, "content-length": length.encode()}
        refused(inbox, 411, content=endless(), headers=headers)


def test_more_than_was_announced_is_cut_off(inbox):
    body = form((b'; filename="a.nc"', b"x" * 5000))
    refused(inbox, 413, content=body, headers={**FORM_TYPE, "content-length": "1000"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        form(),
        form((b"", b"no file")),
        form((b'; filename="a.nc"', b"x"), end=False),
        form((b'; filename="a.nc"', b"")),
    ],
    ids=["nothing", "garbage", "no part", "no file", "cut", "empty file"],
)
def test_what_is_no_form_with_a_file_is_refused(inbox, body):
    refused(inbox, 400, content=body, headers=FORM_TYPE)


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/mixed; boundary=xx", ""]
)
def test_other_contents_are_refused(inbox, kind):
    body = form((b'; filename="a.nc"', b"x"))
    refused(inbox, 415, content=body, headers={"content-type": kind})


def test_a_form_has_little_beside_the_file(inbox):
    body = form((b"", b"x" * (1 << 17)), (b'; filename="a.nc"', b"x"))
    refused(inbox, 413, content=body, headers=FORM_TYPE)


async def dribble(seconds=0.01):
    """A file of which a byte comes now and then."""
    yield form((b'; filename="a.nc"', b"x"), end=False)
    while True:
        await asyncio.sleep(seconds)
        yield b"x"


def test_an_upload_that_stalls_or_comes_a_byte_at_a_time_is_ended(inbox, monkeypatch):
    monkeypatch.setattr(pace, "GRACE_SECONDS", 0.05)
    headers = {**FORM_TYPE, "content-length": "9999"}
    refused(inbox, 408, content=dribble(10), headers=headers)
    refused(inbox, 408, content=dribble(), headers=headers)


def test_a_file_that_is_chosen_later_takes_the_place_of_one_on_its_way(inbox):
    async def choose_twice():
        async with client_of(inbox) as client:
            headers = {**FORM_TYPE, "content-length": "9999"}
            former = asyncio.create_task(
                client.post(uploads.PATH, content=dribble(), headers=headers)
            )
            while not list(inbox.folder.iterdir()):
                await asyncio.sleep(0.01)
            later = await client.post(uploads.PATH, files={"files": ("b.nc", b"later")})
            return await former, later

    former, later = asyncio.run(choose_twice())
    assert (former.status_code, later.status_code) == (409, 200)
    (path,) = inbox.folder.iterdir()
    assert path.read_bytes() == b"later"


def test_no_request_waits_for_the_disk_and_the_store(inbox):
    """What reads them runs in threads, beside the one in which all requests are answered."""
    threads = []
    inbox.handed_in = lambda person: threads.append(threading.get_ident()) or set()
    send(
        inbox,
        files={"files": ("a.nc", b"x")},
        quota=lambda person, others: threads.append(threading.get_ident()),
    )
    assert len(threads) == 2 and threading.get_ident() not in threads


def test_a_file_that_is_given_up_before_there_is_room_for_it_keeps_no_place(inbox):
    asked, go_on = threading.Event(), threading.Event()

    def handed_in(person):
        asked.set()
        assert go_on.wait(30)
        return set()

    async def choose_twice():
        async with client_of(inbox) as client:
            files = {"files": ("a.nc", b"x")}
            former = asyncio.create_task(client.post(uploads.PATH, files=files))
            await asyncio.to_thread(asked.wait, 30)
            later = asyncio.create_task(client.post(uploads.PATH, files=files))
            await asyncio.sleep(0.05)
            go_on.set()
            return await former, await later

    inbox.handed_in = handed_in
    former, later = asyncio.run(choose_twice())
    assert (former.status_code, later.status_code) == (409, 200)


def test_who_may_hand_in_no_more_is_told_before_a_byte_is_taken(inbox):
    def refuse(person, others):
        raise QuotaError("Enough for today.", datetime.now(UTC) + timedelta(seconds=100))

    async def untouched():
        raise AssertionError("a byte was taken")
        yield b""

    headers = {**FORM_TYPE, "content-length": "9999"}
    answer = refused(inbox, 429, content=untouched(), headers=headers, quota=refuse)
    assert answer.json()["error"] == "Enough for today."
    assert 90 <= int(answer.headers["retry-after"]) <= 100


def test_a_boundary_that_is_too_long_is_refused(inbox):
    kind = {"content-type": f"multipart/form-data; boundary={'x' * 300}"}
    refused(inbox, 415, content=form((b'; filename="a.nc"', b"x")), headers=kind)
