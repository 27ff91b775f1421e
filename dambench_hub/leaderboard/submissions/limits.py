"""How much one person and all together may hand in, and what is looked at before it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.store.rows import stamp
from dambench_hub.leaderboard.store.schema import State
from dambench_hub.leaderboard.submissions.submission import Submission
from dambench_hub.runtime.settings import read_mapping, refuse_unknown

GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Settings of a board; a count of 0 closes what it counts.

    Attributes:
        bytes: Size of one file.
        free_bytes: What must stay free on the disk of the uploads.
        tries_per_day: Files that a person may hand in on a day (UTC), whatever becomes of them.
        scored_per_day: Files that a person may have scored on a day.
        scored_per_month: The same in a calendar month.
        open_jobs: Files of a person that may wait or be scored at the same time.
        queue_length: Files of all persons that may wait.
        attempts: How often scoring may end without a result before it is given up.
        lease_seconds: How long a worker may be silent before another takes its file over.
        near_perfect: An `mse` below this share of the background's is looked at by a person; at
            stations, the square of an RMSE.
        near_perfect_alone: The same where no background is on the board, in units of σ².
        copy_correlation: Errors by time that correlate more with those of another person are
            looked at, too.
        copy_times: Fewest times at which such a correlation says anything.
    """

    bytes: int = 4 * GIB
    free_bytes: int = 10 * GIB
    tries_per_day: int = 20
    scored_per_day: int = 2
    scored_per_month: int = 20
    open_jobs: int = 1
    queue_length: int = 50
    attempts: int = 3
    lease_seconds: float = 120.0
    near_perfect: float = 1e-3
    near_perfect_alone: float = 1e-5
    copy_correlation: float = 0.9999
    copy_times: int = 30

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise DambenchError(f"The limit {name} is at least 0, got {value}.")

    @classmethod
    def read(cls, path: Path) -> Limits:
        """Limits from a YAML file; those that it does not name keep their defaults.

        Raises:
            DambenchError: When the file cannot be read, or names no limit.
        """
        return cls.from_dict(
            read_mapping(path, DambenchError, lambda text: yaml.safe_load(text) or {})
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Limits:
        """Limits from a settings file.

        Raises:
            DambenchError: When a name is unknown or a value is no number.
        """
        refuse_unknown(raw, [field.name for field in fields(cls)], "limits", DambenchError)
        for name, value in raw.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise DambenchError(f"The limit {name} is a number, got {value!r}.")
        return cls(**raw)


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
                f"You have {counted(used)} {what}, of {limit} allowed. Hand in the next {when}.",
                until,
            )
    if queue_length >= limits.queue_length:
        raise QuotaError("The queue is full. Try again in some minutes.")


def counted(files: int) -> str:
    """How many files, in words.

    >>> counted(1), counted(2)
    ('1 file', '2 files')
    """
    return "1 file" if files == 1 else f"{files} files"


def _since(submissions: Sequence[Submission], start: str) -> int:
    return sum(one.received_at >= start for one in submissions)
