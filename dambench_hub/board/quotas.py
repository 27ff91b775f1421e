"""How much has been handed in, against the limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from dambench_hub.board.limits import Limits
from dambench_hub.board.submission import Submission
from dambench_hub.errors import DambenchError
from dambench_hub.schema import State
from dambench_hub.store import stamp


class QuotaError(DambenchError):
    """Not now; `until` is when it is possible again, None where nobody knows."""

    def __init__(self, message: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.until = until


def refuse_too_much(
    own: Sequence[Submission], queue_length: int, limits: Limits, now: datetime
) -> None:
    """Count what a person, and all together, handed in.

    Days and months are those of UTC. What failed counts as a try only.

    Args:
        own: Everything that the person handed in.
        queue_length: How many submissions of all persons wait.
        limits: How many there may be.
        now: By the clock of the store.

    Raises:
        QuotaError: The message says until when nothing more is accepted.
    """
    day, month = stamp(now)[:10], stamp(now)[:7]
    tomorrow = now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    next_month = (now.replace(day=1) + timedelta(days=32)).replace(
        day=1, hour=0, minute=0, second=0
    )
    waiting = [one for one in own if one.state is State.RECEIVED and not one.value_hash]
    scored = [one for one in own if one.value_hash or one in waiting]
    for limit, used, what, until in (
        (limits.open_jobs, len(waiting), "in the queue", None),
        (limits.tries_per_day, _since(own, day), "handed in today", tomorrow),
        (limits.scored_per_day, _since(scored, day), "scored today", tomorrow),
        (limits.scored_per_month, _since(scored, month), "scored this month", next_month),
    ):
        if used >= limit:
            when = f"from {stamp(until)}" if until else "when it is scored"
            raise QuotaError(
                f"You have {used} files {what}, {limit} are allowed. Hand in the next {when}.",
                until,
            )
    if queue_length >= limits.queue_length:
        raise QuotaError("The queue is full. Try again in some minutes.")


def _since(submissions: Sequence[Submission], start: str) -> int:
    return sum(one.received_at >= start for one in submissions)
