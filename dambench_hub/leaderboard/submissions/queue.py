"""What waits to be scored, and who scores it now.

Who scores a submission holds a lease of it, which ends by itself when the worker falls silent.
"""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sql

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.store.conditions import IS_LAST_EVENT
from dambench_hub.leaderboard.store.database import Database
from dambench_hub.leaderboard.store.schema import EVENTS, LEASES, RESULTS, State

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class LeaseLost(DambenchError):
    """Another worker took over, or there is nothing to score any more."""

    def __init__(self, worker: str, submission: str) -> None:
        super().__init__(f"{worker} does not score {submission} any more.")


class Queue:
    """The queue in a store; each method works within the caller's transaction.

    On one machine, time is counted from its start, so that nobody who sets the clock ends a lease;
    a lease from before the start has ended. Where the database serves several machines, the time is
    that of the store, which never goes back.

    Args:
        store: The database.
        seconds: How long a lease holds without being renewed.
    """

    def __init__(self, store: Database, seconds: float) -> None:
        self.store = store
        self.seconds = seconds
        boot = _BOOT.read_text().strip() if _BOOT.exists() else "since the start"
        self.clock = boot if store.is_sqlite else "store"

    def waiting(self, connection: sql.Connection) -> list[str]:
        """Ids of submissions that nobody scores, the next one first; new ones before old ones."""
        scored = sql.exists().where(RESULTS.c.submission == EVENTS.c.submission)
        queue = (
            sql.select(EVENTS.c.submission)
            .where(IS_LAST_EVENT, EVENTS.c.state == str(State.RECEIVED))
            .order_by(scored, EVENTS.c.sequence)
        )
        busy = self.progress(connection)
        return [id for id in connection.scalars(queue) if id not in busy]

    def progress(self, connection: sql.Connection) -> dict[str, float]:
        """How far those are that somebody scores now, 0 to 1, by id."""
        now = self._now(connection)
        rows = connection.execute(
            sql.select(LEASES.c.submission, LEASES.c.beat, LEASES.c.progress).where(
                LEASES.c.worker.is_not(None), LEASES.c.clock == self.clock
            )
        )
        return {id: progress for id, beat, progress in rows if 0 <= now - beat < self.seconds}

    def attempts(self, connection: sql.Connection, id: str) -> int:
        """How often the scoring of a submission was begun."""
        query = sql.select(LEASES.c.attempts).where(LEASES.c.submission == id)
        return connection.scalar(query) or 0

    def take(self, connection: sql.Connection, id: str, worker: str) -> None:
        """Begin a lease."""
        attempts = self.attempts(connection, id)
        self.end(connection, id)
        row = {"submission": id, "worker": worker, "attempts": attempts + 1, "progress": 0.0}
        row |= {"clock": self.clock, "beat": self._now(connection)}
        connection.execute(LEASES.insert().values(row))

    def renew(self, connection: sql.Connection, id: str, worker: str, progress: float) -> bool:
        """Prolong a lease; False if the worker does not hold it."""
        values = {"clock": self.clock, "beat": self._now(connection), "progress": progress}
        held = sql.and_(LEASES.c.submission == id, LEASES.c.worker == worker)
        return connection.execute(LEASES.update().where(held).values(values)).rowcount == 1

    def require(self, connection: sql.Connection, id: str, worker: str) -> None:
        """Refuse a worker that does not hold the lease.

        Raises:
            LeaseLost: The message says so.
        """
        query = sql.select(LEASES.c.worker).where(LEASES.c.submission == id)
        if connection.scalar(query) != worker:
            raise LeaseLost(worker, id)

    def give_back(self, connection: sql.Connection, id: str, worker: str) -> None:
        """End a worker's lease as if it had not begun."""
        held = sql.and_(LEASES.c.submission == id, LEASES.c.worker == worker)
        values = {"worker": None, "attempts": LEASES.c.attempts - 1}
        connection.execute(LEASES.update().where(held).values(values))

    def end(self, connection: sql.Connection, id: str) -> None:
        """Forget the lease of a submission."""
        connection.execute(LEASES.delete().where(LEASES.c.submission == id))

    def _now(self, connection: sql.Connection) -> float:
        if self.store.is_sqlite:
            return time.monotonic()
        return self.store.now(connection).timestamp()
