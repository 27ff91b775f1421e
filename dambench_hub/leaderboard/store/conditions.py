"""Which rows of the store belong together: conditions for queries, each law once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sql

from dambench_hub.leaderboard.accounts.person import TRUSTED
from dambench_hub.leaderboard.store.schema import COMPARABLE, EVENTS, RESULTS, State

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


def comparable(values: Mapping[str, Any]) -> list[Condition]:
    """Whether a result has these values, by the column's name, in all of `COMPARABLE`."""
    return [RESULTS.c[name] == values[name] for name in COMPARABLE]
