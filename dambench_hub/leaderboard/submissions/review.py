"""Which results a person looks at before they are shown: too good to be true, or somebody else's.

The reference of a reanalysis is public, and so are other people's files. Who hands in either is not
told by which rule, so that the rule is not sought.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sqlalchemy as sql

from dambench_hub.leaderboard.store.conditions import IS_PUBLISHED, IS_TRUSTED, comparable
from dambench_hub.leaderboard.store.ranking import BACKGROUND
from dambench_hub.leaderboard.store.schema import RESULTS, SUBMISSIONS
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.scoring.evaluation import Result

HELD_FOR_REVIEW = "held for review"
"""What the owner is told."""


def find_suspicion(
    connection: sql.Connection, owner: str, result: Result, limits: Limits
) -> str | None:
    """Why a result must not be shown unseen, for administrators; None if nothing is strange.

    It is strange when the main score is almost 0, when the values are those of another person, or
    when the errors by time correlate (Pearson) almost perfectly with those of another person's
    published result for the same task and data.

    Args:
        connection: To the store.
        owner: Id of who handed it in.
        result: The scores.
        limits: What "almost" means.
    """
    like = comparable(vars(result))
    background = connection.scalar(
        sql.select(RESULTS.c.main_score)
        .join(SUBMISSIONS, SUBMISSIONS.c.id == RESULTS.c.submission)
        .where(*like, SUBMISSIONS.c.name == BACKGROUND, IS_TRUSTED, IS_PUBLISHED)
        .order_by(RESULTS.c.sequence)
        .limit(1)
    )
    floor = limits.near_perfect_alone if background is None else limits.near_perfect * background
    if result.main_score < floor:
        return f"main score {result.main_score:.4g} is below {floor:.4g}"
    same = connection.scalar(
        sql.select(RESULTS.c.submission)
        .where(RESULTS.c.value_hash == result.value_hash, RESULTS.c.owner != owner)
        .limit(1)
    )
    if same:
        return f"same values as submission {same}"
    if len(result.sample_mse) < limits.copy_times:
        return None
    others = connection.execute(
        sql.select(RESULTS.c.submission, RESULTS.c.sample_mse)
        .join(SUBMISSIONS, SUBMISSIONS.c.id == RESULTS.c.submission)
        .where(*like, RESULTS.c.owner != owner, IS_PUBLISHED)
    )
    for other, sample_mse in others:
        close = correlation(result.sample_mse, sample_mse)
        if close > limits.copy_correlation:
            return f"errors by time correlate {close:.6f} with those of submission {other}"
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
