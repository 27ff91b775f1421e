"""The one way in for files: a form with one file, streamed to the inbox as it comes.

It stands where Gradio's own upload would, and speaks as that does, so that `gradio_client` and
`handle_file` work. Gradio itself never sees a file: what it gets is the file's ticket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.sign_in import SignIn
from dambench_hub.leaderboard.inbox import (
    STORED_FILES,
    WAITING_FILES,
    Arriving,
    Inbox,
    Room,
    UploadRefused,
)
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.submissions.limits import QuotaError
from dambench_hub.leaderboard.web.pace import TooSlow, in_pace

T = TypeVar("T")
PATH = "/gradio_api/upload"
BLOCK = 1 << 20
FORM = 1 << 16
"""Bytes that a form may have beside the file."""


def open_inbox(site: Site) -> Inbox:
    """The inbox of a site."""
    room = Room(
        file=site.largest_upload,
        person=WAITING_FILES * site.largest_upload,
        everybody=STORED_FILES * site.limits.bytes,
        floor=site.limits.free_bytes,
    )

    def handed_in(person: Person) -> set[str]:
        return {submission.file for submission in site.submissions.of(person)}

    return Inbox(site.inbox, room, handed_in)


def add_upload(
    app: FastAPI, inbox: Inbox, sign_in: SignIn, quota: Callable[[Person, int], None]
) -> None:
    """Give the server the route that takes files, from people who have signed in.

    A person sends one file at a time: the next takes the place of one that is still on its way.

    Args:
        app: The server.
        inbox: Where the files go.
        sign_in: Tells who sends one.
        quota: Refuses who may hand in no more with a QuotaError, before a byte is taken; it gets
            the number of files that others are sending, since each will want a place in the queue.
    """
    sending: dict[str, asyncio.Task[str]] = {}

    @app.post(PATH)
    async def upload(request: Request) -> JSONResponse:
        try:
            person = sign_in.person(request)
            if person is None:
                raise UploadRefused(401, "Sign in first; then choose the file again.")
            others = len(sending.keys() - {person.id})
            await asyncio.to_thread(_require_quota, person, quota, others)
            await _end(sending, person)
            arrival = asyncio.create_task(_receive(request, inbox, person))
            sending[person.id] = arrival
            try:
                return JSONResponse([await arrival])
            except asyncio.CancelledError:
                if arrival is sending.get(person.id):  # it is the server that ends
                    raise
                raise UploadRefused(409, "Another file was chosen instead.") from None
            finally:
                if arrival is sending.get(person.id):
                    del sending[person.id]
        except UploadRefused as refusal:
            headers = {} if refusal.seconds is None else {"Retry-After": str(refusal.seconds)}
            return JSONResponse({"error": str(refusal)}, refusal.status, headers)
        except ClientDisconnect:
            return JSONResponse({"error": "The connection broke."}, status_code=400)


async def _end(sending: dict[str, asyncio.Task[str]], person: Person) -> None:
    """End what this person is sending."""
    while former := sending.pop(person.id, None):
        former.cancel()
        await asyncio.wait([former])


def _require_quota(person: Person, quota: Callable[[Person, int], None], others: int) -> None:
    try:
        quota(person, others)
    except QuotaError as error:
        wait = (error.until - datetime.now(UTC)).total_seconds() if error.until else 60
        raise UploadRefused(429, str(error), max(1, round(wait))) from error


async def _receive(request: Request, inbox: Inbox, person: Person) -> str:
    """Store the file of a form; its ticket."""
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal():
        raise UploadRefused(411, "Say with Content-Length how large the file is.")
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UploadRefused(415, "Send the file in a form, as multipart/form-data.")
    length, address = int(announced[:20]), (request.client.host if request.client else "")
    async with _arriving(inbox, person, max(0, length - FORM), address) as begin:
        form = _Form(options[b"boundary"], begin)
        try:
            async for chunk in in_pace(request.stream()):
                length -= len(chunk)
                if length < 0:
                    raise UploadRefused(413, "More bytes came than were announced.")
                form.feed(chunk)
                if form.waiting >= BLOCK:
                    await _in_thread(form.flush)
        except TooSlow as error:
            raise UploadRefused(408, "The file came too slowly. Choose it again.") from error
        return await _in_thread(form.finish)


@asynccontextmanager
async def _arriving(
    inbox: Inbox, person: Person, length: int, address: str
) -> AsyncIterator[Callable[[str], Arriving]]:
    """`Inbox.arrive`, of which no other request waits for the disk and the store."""
    place = ExitStack()
    try:
        yield await _in_thread(place.enter_context, inbox.arrive(person, length, address))
    finally:
        await _in_thread(place.close)


async def _in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a thread; it has ended when this has, cancelled or not."""
    call = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        raise


class _Form:
    """A multipart form with one file, of which any piece may come at any time.

    Attributes:
        waiting: Bytes of the file that have come and are not written yet.
    """

    def __init__(self, boundary: bytes, begin: Callable[[str], Arriving]) -> None:
        self.begin = begin
        self.waiting = 0
        self._file: Arriving | None = None
        self._blocks: list[bytes] = []
        self._field, self._value = b"", b""
        self._in_file = False
        self._others = 0
        callbacks: Any = {
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise UploadRefused(415, "The boundary of the form is too long.") from error
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the form."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise UploadRefused(400, "That is no form with a file.") from error

    def flush(self) -> None:
        """Write what waits."""
        blocks, self._blocks, self.waiting = self._blocks, [], 0
        if self._file:
            self._file.write(b"".join(blocks))

    def finish(self) -> str:
        """Write the rest and keep the file; its ticket."""
        self.flush()
        if self._file is None or not self._ended:
            raise UploadRefused(400, "The form holds no file, or only a part of one.")
        return self._file.keep()

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            if b"filename" in options:
                if self._file:
                    raise UploadRefused(413, "One file at a time, please.")
                self._file = self.begin(options[b"filename"].decode("utf-8", "replace"))
                self._in_file = True
        self._field, self._value = b"", b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._blocks.append(data[start:end])
            self.waiting += end - start
        else:
            self._count(end - start)

    def _on_part_end(self) -> None:
        self._in_file = False

    def _on_end(self) -> None:
        self._ended = True

    def _count(self, size: int) -> None:
        """Headers and other fields have a limit of their own."""
        self._others += size
        if self._others > FORM:
            raise UploadRefused(413, "The form holds too much beside the file.")
