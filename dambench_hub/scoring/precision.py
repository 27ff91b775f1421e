"""How precisely scores are ranked and shown."""

from __future__ import annotations

import math

SIGNIFICANT_DIGITS = 4
"""Scores are ranked as they are shown; what rounding hides is no difference."""

FARTHEST_PERCENT = 999
"""What is farther from nothing says no more with its digits."""


def rounded(score: float) -> float:
    """A score as it is shown and ranked, to 4 significant digits.

    >>> rounded(0.0123456)
    0.01235
    """
    return float(f"{score:.{SIGNIFICANT_DIGITS}g}")


def shown_score(score: float, larger_is_better: bool) -> float:
    """A main score as it is shown and ranked: a skill in % to two decimals, else `rounded`.

    >>> shown_score(41.2345, True), shown_score(0.0123456, False)
    (41.23, 0.01235)
    """
    return round(score, 2) if larger_is_better else rounded(score)


def rank_key(score: float, larger_is_better: bool) -> float:
    """What a ranking sorts by, smallest first.

    >>> rank_key(41.2345, True), rank_key(0.0123456, False)
    (-41.23, 0.01235)
    """
    shown = shown_score(score, larger_is_better)
    return -shown if larger_is_better else shown


def number(value: float) -> str:
    """A score to 4 significant digits, as it is ranked.

    >>> number(0.0123456), number(1234567.0)
    ('0.01235', '1.235e+06')
    """
    return f"{value:#.{SIGNIFICANT_DIGITS}g}".rstrip(".")


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, as it is printed.

    >>> signed(-0.25, 2)
    '−0.25'
    """
    return f"{value:+.{digits}f}".replace("-", "−")


def signed_number(value: float) -> str:
    """A number with its sign, to 4 significant digits.

    >>> signed_number(-0.01234567), signed_number(2.5)
    ('−0.01235', '+2.500')
    """
    return f"{'−' if value < 0 else '+'}{number(abs(value))}"


def percent(value: float, *, digits: int = 1, signs: bool = False) -> str:
    """A value in %, as it is printed; far away from 0, only that it is.

    >>> percent(35.63), percent(-2.0, signs=True), percent(56.251, digits=2), percent(-2491330.0)
    ('35.6', '−2.0', '56.25', '< −999')

    Args:
        value: 100 for all of it.
        digits: After the point.
        signs: Whether positive ones have a sign, too.
    """
    if abs(value) > FARTHEST_PERCENT:
        return f"{'<' if value < 0 else '>'} {signed(math.copysign(FARTHEST_PERCENT, value), 0)}"
    text = signed(value, digits) if signs else f"{value:.{digits}f}".replace("-", "−")
    zero = f"{0:.{digits}f}"
    return zero if text == f"−{zero}" else text
