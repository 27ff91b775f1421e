"""How precisely scores are ranked and shown."""

from __future__ import annotations

SIGNIFICANT_DIGITS = 4
"""Scores are ranked as they are shown; what rounding hides is no difference."""


def rounded(score: float) -> float:
    """A score as it is shown and ranked, to 4 significant digits.

    >>> rounded(0.0123456)
    0.01235
    """
    return float(f"{score:.{SIGNIFICANT_DIGITS}g}")


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
