"""The difference of two methods over the same days, uncertain from days and from training seeds.

Two seeds of one method are the same method. Simulated with 7 methods of 3 seeds each, differently
noisy, two are told apart at the 5 % level in at most 2 % of the pairs; by their days alone in up to
42 % (`python benchmarks/intervals.py --only pairs`, 1000 boards for each sampling and noise). The
test is careful because the variance over seeds holds chance of the days, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.block_mean import block_mean
from dambench_hub.scoring.seed_variance import SeedVariance
from dambench_hub.scoring.uncertain_mean import UncertainMean


def paired_difference(
    one: np.ndarray,
    other: np.ndarray,
    time: np.ndarray,
    *,
    between_seeds: SeedVariance | None = None,
    seeds: tuple[float, float] = (1, 1),
) -> UncertainMean:
    """Mean of one − other, with the variance over days and σ² (1/n₁ + 1/n₂) over seeds.

    Args:
        one: Score of the first method at each sample, (N,); of several seeds, their mean.
        other: Score of the second at the same samples, (N,); what both share cancels.
        time: Valid times, datetime64, (N,).
        between_seeds: σ² and its degrees of freedom, in the scores' units squared; None when only
            the days count.
        seeds: n₁ and n₂, of how many trainings each score is the mean, at least 1; infinity for a
            method that is not trained.

    Raises:
        ScoreError: When a number of seeds is below 1, and as `block_mean`.
        TaskError: As `block_mean`.
    """
    over_days = block_mean(np.subtract(one, other, dtype=np.float64), time)
    return with_seeds(over_days, between_seeds, seeds)


def with_seeds(
    over_days: UncertainMean, between_seeds: SeedVariance | None, seeds: Sequence[float]
) -> UncertainMean:
    """A mean over days with the variance that training adds, σ² Σ 1/n.

    Args:
        over_days: Score of a method, or difference of two.
        between_seeds: σ² of one training; None when only the days count.
        seeds: n of each method in it, see `paired_difference`.

    Raises:
        ScoreError: When a number of seeds is below 1.
    """
    if not all(n >= 1 for n in seeds):
        raise ScoreError(f"A score is the mean of at least 1 training, got {tuple(seeds)}.")
    if between_seeds is None:
        return over_days
    variance = between_seeds.variance * sum(1 / n for n in seeds)
    return over_days.with_variance(variance, between_seeds.degrees_of_freedom)
