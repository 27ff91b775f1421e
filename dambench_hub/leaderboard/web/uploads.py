"""The one way in for files: a form with one file, streamed to the inbox as it comes.

It stands where Gradio's own upload would, and speaks as that does, so that `gradio_client` and
`handle_file` work. Gradio itself never sees a file: what it gets is the file's ticket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

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

PATH = "/gradio_api/upload"
BLOCK = 1 << 20
FORM = 1 << 16
"""Bytes that a form may have beside the file."""

STALL_SECONDS = 60


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


def add_upload(app: FastAPI, inbox: Inbox, sign_in: SignIn) -> None:
    """Give the server the route that takes files, from people who have signed in."""

    @app.post(PATH)
    async def upload(request: Request) -> JSONResponse:
        try:
            return JSONResponse([await _receive(request, inbox, sign_in)])
        except UploadRefused as refusal:
            headers = {} if refusal.seconds is None else {"Retry-After": str(refusal.seconds)}
            return JSONResponse({"error": str(refusal)}, refusal.status, headers)
        except ClientDisconnect:
            return JSONResponse({"error": "The connection broke."}, status_code=400)


async def _receive(request: Request, inbox: Inbox, sign_in: SignIn) -> str:
    """Store the file of a form; its ticket."""
    person = sign_in.person(request)
    if person is None:
        raise UploadRefused(401, "Sign in first; then choose the file again.")
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal():
        raise UploadRefused(411, "Say with Content-Length how large the file is.")
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UploadRefused(415, "Send the file in a form, as multipart/form-data.")
    length = int(announced[:20])
    with inbox.arrive(person, max(0, length - FORM)) as begin:
        form = _Form(options[b"boundary"], begin)
        async for chunk in _in_time(request.stream()):
            length -= len(chunk)
            if length < 0:
                raise UploadRefused(413, "More bytes came than were announced.")
            form.feed(chunk)
            if form.waiting >= BLOCK:
                await asyncio.to_thread(form.flush)
        return await asyncio.to_thread(form.finish)


async def _in_time(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks of a stream, each within `STALL_SECONDS` of the one before."""
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), STALL_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise UploadRefused(408, "The file stopped coming. Choose it again.") from error


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
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header_end,
                "on_part_data": self._on_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )
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
