"""Which results a person looks at before they are shown: too good to be true, or somebody else's.

The reference of a reanalysis is public, and so are other people's files. Who hands in either to a
public board is not told by which rule, so that the rule is not sought. On one's own machine nothing
is held, since whoever sits there decides: they are told, and that is all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sql

from dambench_hub.leaderboard.store.conditions import (
    IS_PUBLISHED,
    IS_TRUSTED,
    Condition,
    comparable,
)
from dambench_hub.leaderboard.store.ranking import BACKGROUND
from dambench_hub.leaderboard.store.schema import RESULTS, SUBMISSIONS
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.scoring.evaluation import Result

HELD_FOR_REVIEW = (
    "what is almost perfect, or almost the same as another's, is looked at before it is shown. "
    "Whoever keeps this board decides, at no set time, with `dambench admin publish ID`; you need "
    "do nothing, or ask them"
)
"""What the owner is told: why, who decides, when and how."""


def find_suspicion(
    connection: sql.Connection, result: Result, others: Condition, limits: Limits
) -> str | None:
    """What is strange about a result, for those who decide about it; None if nothing is.

    It is strange when `mse` is almost 0, or at stations the RMSE beside the background's; when the
    values are those of another; or when the errors by time correlate (Pearson) almost perfectly
    with those of another published result for the same task and data.

    Args:
        connection: To the store.
        result: The scores.
        others: Which results are another's.
        limits: What "almost" means.
    """
    if strange := _near_perfect(connection, result, limits):
        return strange
    rows = sql.select(SUBMISSIONS.c.name, RESULTS.c.submission, RESULTS.c.sample_mse).join(
        SUBMISSIONS, SUBMISSIONS.c.id == RESULTS.c.submission
    )
    same = rows.where(RESULTS.c.value_hash == result.value_hash, others)
    if found := connection.execute(same.order_by(RESULTS.c.sequence).limit(1)).first():
        return f"same values as {found.name!r}, submission {found.submission}"
    if len(result.sample_mse) < limits.copy_times:
        return None
    like = comparable(vars(result))
    known = rows.where(*like, others, IS_PUBLISHED).order_by(RESULTS.c.sequence)
    for other in connection.execute(known):
        close = correlation(result.sample_mse, other.sample_mse)
        if close > limits.copy_correlation:
            return (
                f"errors by time correlate {close:.6f} with those of {other.name!r}, "
                f"submission {other.submission}"
            )
    return None


def _near_perfect(connection: sql.Connection, result: Result, limits: Limits) -> str | None:
    if "mse" not in result.scores:  # scored at stations
        skill = result.scores.get("skill")
        if skill is None or (1 - skill / 100) ** 2 >= limits.near_perfect:
            return None
        return f"skill {skill:.4g} % leaves almost no error"
    like = comparable(vars(result))
    background = connection.scalar(
        sql.select(RESULTS.c.scores)
        .join(SUBMISSIONS, SUBMISSIONS.c.id == RESULTS.c.submission)
        .where(*like, SUBMISSIONS.c.name == BACKGROUND, IS_TRUSTED, IS_PUBLISHED)
        .order_by(RESULTS.c.sequence)
        .limit(1)
    )
    floor = limits.near_perfect_alone
    if background is not None:
        floor = limits.near_perfect * background["mse"]
    if (mse := result.scores["mse"]) < floor:
        return f"mse {mse:.4g} is below {floor:.4g}"
    return None


def correlation(first: Any, second: Any) -> float:
    """Pearson's correlation of two series; 0 where they have no common length or do not vary.

    >>> correlation([1, 2, 3], [2, 4, 6])
    1.0
    """
    if len(first) != len(second):
        return 0.0
    one, other = (np.asarray(series, float) - np.mean(series) for series in (first, second))
    scale = np.sqrt(one @ one) * np.sqrt(other @ other)
    return float(round(one @ other / scale, 12)) if scale > 0 else 0.0
