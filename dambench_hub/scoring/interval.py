"""An interval around a mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A mean and how far chance could have moved it.

    Attributes:
        mean: The estimate, in the score's units.
        low: Lower end of the interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether 0 lies between the ends, which belong to it."""
        return self.low <= 0 <= self.high
