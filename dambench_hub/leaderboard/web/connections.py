"""Connections that keep the server waiting: a request's head has a size, a time, and no privilege.

Uvicorn waits for ever for the head of a request, and for any number of them at once. Here a head is
complete in time or its connection is closed; and where there are as many connections as there may
be, the one that has waited longest for its head makes room for the next.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES = 1 << 15
HEAD_SECONDS = 15.0
CONNECTIONS = 800
"""Below what most systems let a process open."""


class GuardedConnection(H11Protocol):
    """A connection of uvicorn that is closed when the head of a request does not come in time."""

    waiting: ClassVar[dict[GuardedConnection, asyncio.TimerHandle]] = {}
    """Those of this process that wait for a head, the longest first, and when they are closed."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head; if there are too many, whoever waits longest gives way."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > CONNECTIONS:
            longest = next(iter(self.waiting))  # perhaps this one
            longest._stop()
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Take what has come of a request, and wait on if its head is not complete."""
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self not in self.waiting:
            self.waiting[self] = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if deadline := self.waiting.pop(self, None):
            deadline.cancel()
