"""Which rows of the store belong together: conditions for queries, each law once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sql

from dambench_hub.leaderboard.accounts.person import TRUSTED
from dambench_hub.leaderboard.store.schema import COMPARABLE, EVENTS, RESULTS, Badge, State

Condition = sql.ColumnElement[bool]

IS_LAST_EVENT: Condition = EVENTS.c.sequence.in_(
    sql.select(sql.func.max(EVENTS.c.sequence)).group_by(EVENTS.c.submission)
)
"""Whether an event tells the present state of its submission."""

IS_PUBLISHED: Condition = RESULTS.c.submission.in_(
    sql.select(EVENTS.c.submission).where(IS_LAST_EVENT, EVENTS.c.state == str(State.PUBLISHED))
)
"""Whether a result is that of a submission which is published now."""

IS_TRUSTED: Condition = sql.or_(
    *(RESULTS.c.owner.startswith(kind, autoescape=True) for kind in TRUSTED)
)
"""Whether a result is that of somebody who works on the machine itself, see `Person.is_trusted`."""


def badge_of(submission: sql.Column[Any]) -> sql.ColumnElement[str]:
    """The badge of a submission, by the column of its id: the last that it was given."""
    given = (
        sql.select(EVENTS.c.badge)
        .where(EVENTS.c.submission == submission, EVENTS.c.badge.is_not(None))
        .order_by(EVENTS.c.sequence.desc())
        .limit(1)
        .correlate(submission.table)
        .scalar_subquery()
    )
    return sql.func.coalesce(given, str(Badge.SELF_REPORTED))


def comparable(values: Mapping[str, Any]) -> list[Condition]:
    """Whether a result has these values, by the column's name, in all of `COMPARABLE`."""
    return [RESULTS.c[name] == values[name] for name in COMPARABLE]
