"""`StopRequests`: signals to end that wait until the work can be left."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self


class StopRequests:
    """Inside, SIGTERM and Ctrl-C only set `received`; the second one acts as it did before."""

    def __init__(self) -> None:
        self.received = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        self._restore()

    def _restore(self) -> None:
        while self.before:
            signal.signal(*self.before.popitem())
