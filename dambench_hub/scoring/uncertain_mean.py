"""A mean, its sampling variance, and how well that variance is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.interval import Interval


@dataclass(frozen=True)
class UncertainMean:
    """A mean whose error, over the root of its estimated variance, follows Student's t.

    Attributes:
        mean: The estimate, in the score's units.
        variance: Of the estimate, not of single samples; the score's units squared.
        degrees_of_freedom: Of `variance`; larger where it is known better.

    Raises:
        ScoreError: When the mean is not finite, the variance is not a finite number from 0 on, or
            the degrees of freedom are not positive.
    """

    mean: float
    variance: float
    degrees_of_freedom: float

    def __post_init__(self) -> None:
        sound = math.isfinite(self.mean) and 0 <= self.variance < math.inf
        if not (sound and self.degrees_of_freedom > 0):
            raise ScoreError(
                "An uncertain mean is finite, has a finite variance from 0 on and positive degrees "
                f"of freedom; got {self.mean}, {self.variance} and {self.degrees_of_freedom}."
            )

    @property
    def standard_error(self) -> float:
        """√variance, in the score's units."""
        return math.sqrt(self.variance)

    def interval(self, level: float = 0.95) -> Interval:
        """The mean, and mean ± t_{ν, (1 + level) / 2} √variance.

        Args:
            level: Share of experiments in which the interval should hold the true mean.

        Raises:
            ScoreError: When the level does not lie between 0 and 1.
        """
        if not 0 < level < 1:
            raise ScoreError(f"The level of an interval lies between 0 and 1, got {level}.")
        reach = self.standard_error * float(stdtrit(self.degrees_of_freedom, (1 + level) / 2))
        return Interval(self.mean, self.mean - reach, self.mean + reach)

    @property
    def p_value(self) -> float:
        """Chance of a mean at least this far from 0, on either side, if the true mean is 0."""
        return float(two_sided_p_value(self.mean, self.variance, self.degrees_of_freedom))

    def with_variance(self, variance: float, degrees_of_freedom: float) -> UncertainMean:
        """The same mean with another, independent source of error.

        The variances add, V = V₁ + V₂, and V² / ν = V₁² / ν₁ + V₂² / ν₂.

        Args:
            variance: V₂, from 0 on, the score's units squared.
            degrees_of_freedom: ν₂, positive.

        Raises:
            ScoreError: As the class.

        References:
            Satterthwaite (1946), Biometrics Bull. 2, 110-114.
        """
        other = UncertainMean(0.0, variance, degrees_of_freedom)
        total, degrees = sum_of_variances(
            self.variance, self.degrees_of_freedom, other.variance, other.degrees_of_freedom
        )
        return UncertainMean(self.mean, float(total), float(degrees))


def two_sided_p_value(
    mean: np.ndarray | float, variance: np.ndarray | float, degrees_of_freedom: np.ndarray | float
) -> np.ndarray:
    """`UncertainMean.p_value` of many means at once; all of one shape."""
    error = np.sqrt(variance)
    distance = np.divide(np.abs(mean), error, out=np.zeros(np.shape(mean)), where=error > 0)
    p_value = 2 * stdtr(degrees_of_freedom, -distance)
    return np.where(error > 0, p_value, np.equal(mean, 0))


def sum_of_variances(
    one: np.ndarray | float,
    degrees_of_one: np.ndarray | float,
    other: np.ndarray | float,
    degrees_of_other: np.ndarray | float,
) -> tuple[np.ndarray, np.ndarray]:
    """V₁ + V₂ and its ν, as `UncertainMean.with_variance`, of many at once; ν₁ where both are 0."""
    total = np.asarray(one, np.float64) + other
    share = np.divide(one, total, out=np.ones_like(total), where=total > 0)
    doubt = share**2 / degrees_of_one + (1 - share) ** 2 / degrees_of_other
    return total, 1 / doubt
