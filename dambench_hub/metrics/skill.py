"""The skill of a score: how much of the background's error an analysis took away."""

from __future__ import annotations


def skill(score: float, background: float | None) -> float | None:
    """Share of the background's score that is gone, 1 − score / background.

    >>> skill(0.25, 1.0)
    0.75

    Args:
        score: Of the analysis; smaller is better.
        background: The same score of the background; None where it is not known.

    Returns:
        1 for a perfect analysis, 0 for one as good as the background, negative for a worse one;
        None where the background's score is not known or 0.
    """
    return 1 - score / background if background else None
