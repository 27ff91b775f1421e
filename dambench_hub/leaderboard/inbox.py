"""Files on their way in: counted, hashed, and kept in a private folder under names of our own.

A file that has arrived is known by its ticket. Its name on the disk begins with a mark of the
person it came from, so that a ticket opens nothing in the hands of somebody else.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.predictions.reader import CONTAINERS

WAITING_FILES = 2
"""How many files of full size a person may send before one is handed in."""

STORED_FILES = 50
"""How many files of full size are kept."""

WAITING_SECONDS = 3600.0
"""How long a file may wait to be handed in; a while later the worker removes it."""

TICKET = re.compile(r"[0-9a-f]{32}-[0-9a-f]{64}\.(?:nc|h5|safetensors)")


class UploadRefused(DambenchError):
    """A file that is not taken.

    Attributes:
        status: Of the answer in HTTP: 401, 408, 409, 411, 413, 415, 429 or 507.
        seconds: After which it is worth another try, or None.
    """

    def __init__(self, status: int, message: str, seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.seconds = seconds


@dataclass(frozen=True)
class Room:
    """How much an inbox takes.

    Attributes:
        file: Bytes of one file.
        person: Bytes of all files of one person that are not handed in yet.
        everybody: Bytes of all files that lie in the inbox.
        floor: Bytes that stay free on the disk, unless a tenth of the disk is less.
        at_once: How many files may arrive at the same time.
        at_once_from_one: How many of them from one address, so that places are left for others.
    """

    file: int
    person: int
    everybody: int
    floor: int
    at_once: int = 16
    at_once_from_one: int = 8


class Arriving:
    """One file that is being written; it is gone unless it is kept."""

    def __init__(self, folder: Path, owner: str, suffix: str, limit: int) -> None:
        self.folder = folder
        self.owner = owner
        self.suffix = suffix
        self.limit = limit
        self.size = 0
        self._number = uuid.uuid4().hex
        self._partial = folder / f".{owner}-{self._number}.partial"
        self._file = open(self._partial, "xb", opener=_owned)  # noqa: SIM115, closed by close()
        self._digest = hashlib.sha256()

    def write(self, block: bytes) -> None:
        """Add bytes.

        Raises:
            UploadRefused: When the file is larger than it may be, or the disk is full.
        """
        self.size += len(block)
        if self.size > self.limit:
            raise _too_large(self.limit)
        try:
            self._file.write(block)
        except OSError as error:
            raise _no_room() from error
        self._digest.update(block)

    def keep(self) -> str:
        """Flush the file to the disk and give it its name; its ticket.

        Raises:
            UploadRefused: When it is empty, or the disk is full.
        """
        if not self.size:
            raise UploadRefused(400, "The file is empty. Choose the file that predict wrote.")
        ticket = f"{self._number}-{self._digest.hexdigest()}{self.suffix}"
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._partial.replace(self.folder / f"{self.owner}-{ticket}")
            _flush(self.folder)
        except OSError as error:
            raise _no_room() from error
        return ticket

    def close(self) -> None:
        """Let go of the file, and remove it if it was not kept."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


class Inbox:
    """The folder of files that people handed in, or are about to.

    Args:
        folder: Private; one server process writes to it.
        room: What it takes.
        handed_in: Names of the files of a person that belong to a submission.
    """

    def __init__(self, folder: Path, room: Room, handed_in: Callable[[Person], set[str]]) -> None:
        self.folder = folder
        self.room = room
        self.handed_in = handed_in
        self._expected: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def sweep(self) -> None:
        """Remove what a server that was killed had not finished; nothing may be arriving yet."""
        for partial in self.folder.glob(".*.partial"):
            partial.unlink(missing_ok=True)

    @contextmanager
    def arrive(
        self, person: Person, length: int, address: str = ""
    ) -> Iterator[Callable[[str], Arriving]]:
        """Make room for a file; gives what opens it, once its name is known.

        Args:
            person: Who sends it.
            length: How many bytes were announced.
            address: Where they come from; empty where nobody knows.

        Raises:
            UploadRefused: When it is too large, too much, or too many at once.
        """
        owner = owner_mark(person)
        opened: list[Arriving] = []

        def begin(name: str) -> Arriving:
            opened.append(Arriving(self.folder, owner, _suffix(name), self.room.file))
            return opened[-1]

        with self._lock:
            self._require_room(person, length, address)
            self._expected[owner] = (length, address)
        try:
            yield begin
        finally:
            for arriving in opened:
                arriving.close()
            with self._lock:
                del self._expected[owner]

    def find(self, person: Person, ticket: str) -> Path:
        """The file that a person's ticket stands for.

        Raises:
            DambenchError: When they sent no such file, or it has been removed since.
        """
        path = self.folder / f"{owner_mark(person)}-{ticket}"
        there = TICKET.fullmatch(ticket) and path.is_file()
        if not there or time.time() - path.stat().st_mtime > WAITING_SECONDS:
            raise DambenchError(
                "There is no such file of yours here; files that are not handed in within an hour "
                "are removed. Choose the file again."
            )
        return path

    def _require_room(self, person: Person, length: int, address: str) -> None:
        if length > self.room.file:
            raise _too_large(self.room.file)
        owner, room = owner_mark(person), self.room
        if owner in self._expected:
            message = "Another file of yours is arriving. Wait until it is there."
            raise UploadRefused(429, message, 30)
        if len(self._expected) >= room.at_once:
            message = f"{room.at_once} files are arriving. Try again in a minute."
            raise UploadRefused(429, message, 60)
        near = sum(there == address for _, there in self._expected.values())
        if address and near >= room.at_once_from_one:
            message = f"{near} files are arriving from your address. Try again in a minute."
            raise UploadRefused(429, message, 60)
        sizes = {entry.name: _size(entry) for entry in os.scandir(self.folder)}
        waiting = {name for name in sizes if name.startswith(owner)} - self.handed_in(person)
        if sum(sizes[name] for name in waiting) + length > room.person:
            raise UploadRefused(
                429,
                f"More than {in_words(room.person)} of your files wait to be handed in. "
                "Hand them in, or try again in an hour: then they are removed.",
                3600,
            )
        disk = shutil.disk_usage(self.folder)
        expected = sum(size for size, _ in self._expected.values()) + length
        if sum(sizes.values()) + expected > room.everybody:
            raise _no_room()
        if disk.free - expected < min(room.floor, disk.total // 10):
            raise _no_room()


def in_words(size: int) -> str:
    """A number of bytes for people.

    >>> in_words(2_934_000_000)
    '2.93 GB'
    """
    unit, factor = ("GB", 1e9) if size >= 1e9 else ("MB", 1e6) if size >= 1e6 else ("kB", 1e3)
    return f"{size / factor:.3g} {unit}"


def owner_mark(person: Person) -> str:
    """What the names of a person's files begin with, 16 hexadecimal digits."""
    return hashlib.sha256(person.id.encode()).hexdigest()[:16]


def digest_of(ticket: str) -> str:
    """SHA-256 of the file that a ticket stands for."""
    return Path(ticket).stem.partition("-")[2]


def _owned(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in CONTAINERS:
        raise UploadRefused(
            415,
            f"The name of a prediction file ends in {', '.join(CONTAINERS)}. "
            "Write it with write_predictions.",
        )
    return suffix


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _too_large(limit: int) -> UploadRefused:
    return UploadRefused(
        413,
        f"The file is larger than a prediction can be here ({in_words(limit)}). "
        "Write float32 with gzip and shuffle, as write_predictions does.",
    )


def _no_room() -> UploadRefused:
    return UploadRefused(507, "The server has no room for the file. Try again tomorrow.", 86_400)
