"""How precisely scores are ranked and shown."""

from __future__ import annotations

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


def percent(share: float, *, signs: bool = False) -> str:
    """A share in percent, as it is printed; far away from 0, only that it is.

    >>> percent(0.356), percent(-0.02, signs=True), percent(-24913.3)
    ('35.6', '−2.0', '< −999')

    Args:
        share: 1 for 100 %.
        signs: Whether positive ones have a sign, too.
    """
    value = 100 * share
    if abs(value) > FARTHEST_PERCENT:
        return (
            f"{'<' if value < 0 else '>'} {signed(FARTHEST_PERCENT * (1 if value > 0 else -1), 0)}"
        )
    return signed(value) if signs else f"{value:.1f}".replace("-", "−")
