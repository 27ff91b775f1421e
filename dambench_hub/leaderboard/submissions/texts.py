"""What people write of a submission, and which names they may not take."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sql

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.look_alikes import picture
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.text_rules import check_description, check_name, check_url
from dambench_hub.leaderboard.store.conditions import IS_PUBLISHED
from dambench_hub.leaderboard.store.ranking import looks_like_baseline
from dambench_hub.leaderboard.store.schema import RESULTS, SUBMISSIONS


class TextRefused(DambenchError):
    """A name, text or address that cannot be shown; the message says what to mend."""


def look_alike(connection: sql.Connection, owner: Person, name: str, task: str) -> str | None:
    """Who has a name on the board of the task that looks like this; nobody, for who is trusted."""
    if owner.is_trusted:
        return None
    shown = sql.select(SUBMISSIONS.c.name, SUBMISSIONS.c.owner_name).where(
        SUBMISSIONS.c.task == task,
        SUBMISSIONS.c.owner != owner.id,
        SUBMISSIONS.c.id.in_(sql.select(RESULTS.c.submission).where(IS_PUBLISHED)),
    )
    seen = picture(name)
    for known in connection.execute(shown):
        if picture(known.name) == seen:
            return (
                f"{name!r} looks like {known.name!r}, which {known.owner_name} has on this board."
            )
    return None


def checked_texts(
    owner: Person, name: str, description: str, model_url: str | None, paper_url: str | None
) -> dict[str, Any]:
    """What a person wrote, as it is stored.

    Raises:
        TextRefused: When it cannot be shown.
    """
    try:
        texts: dict[str, Any] = {
            "name": check_name(name),
            "description": check_description(description),
            "model_url": check_url(model_url or ""),
            "paper_url": check_url(paper_url or ""),
        }
    except DambenchError as error:
        raise TextRefused(str(error)) from error
    if looks_like_baseline(texts["name"]) and not owner.is_trusted:
        raise TextRefused(
            f"{texts['name']!r} is the name of a baseline, or looks like it. Choose another."
        )
    return texts
