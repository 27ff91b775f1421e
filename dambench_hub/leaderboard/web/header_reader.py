"""Reading the headers of files that have arrived: one at a time for each person, few in all.

Each reading keeps a thread of the pages waiting for a sandboxed process, and they have few threads.
So nobody waits long for a place, and a header that was read is kept for when its file is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock, Semaphore

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.predictions.header import Header
from dambench_hub.predictions.sandbox.parent import ReadingLimits, open_sandboxed

LIMITS = ReadingLimits(cpu_seconds=10, wait_seconds=20)
AT_ONCE = 2
WAIT_SECONDS = 2.0
"""For a place, which another person has."""
KEPT = 64
"""Headers, of 64 KiB at most."""


class Busy(DambenchError):
    """The header is not read now; nothing is known of the file."""


class HeaderReader:
    """Reads headers in the sandbox."""

    def __init__(self) -> None:
        self._places = Semaphore(AT_ONCE)
        self._lock = Lock()
        self._reading: set[str] = set()
        self._read = lru_cache(KEPT)(self._read_now)

    def read(self, person: Person, path: Path) -> Header:
        """The header of a file, which does not change under its name.

        Args:
            person: Who sent it.
            path: The file.

        Raises:
            Busy: When another file of this person is being read, or too many of others.
            PredictionError: When it cannot be read.
        """
        return self._read(person.id, path)

    def _read_now(self, person: str, path: Path) -> Header:
        with self._place(person), open_sandboxed(path, LIMITS) as prediction:
            return prediction.header

    @contextmanager
    def _place(self, person: str) -> Iterator[None]:
        with self._lock:
            if person in self._reading:
                raise Busy("Another file of yours is being looked at.")
            self._reading.add(person)
        try:
            if not self._places.acquire(timeout=WAIT_SECONDS):
                raise Busy(f"{AT_ONCE} files of others are being looked at.")
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._reading.remove(person)
