"""How far another training seed would have moved a score.

Few methods are trained more than three times, so their variances are pooled. Methods differ in how
noisy their training is, which makes the pooled variance a worse guess for another method than the
number of seeds says: each method counts as one degree of freedom. Where days leave no doubt, two
seeds of a method that is not among those pooled (3 seeds each) are told apart at the 5 % level in

| methods | equally noisy | noise uniform from 0.4 to 1.5 | the same, 2 degrees each |
|---|---|---|---|
| 2 | 1.2 | 2.5 | 7.5 |
| 4 | 2.4 | 4.1 | 7.0 |
| 7 | 3.4 | 5.1 | 6.8 |

% of 100000 pairs (`python benchmarks/intervals.py --only seeds`), and less often where days leave
some, see `paired_difference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dambench_hub.errors import ScoreError


@dataclass(frozen=True)
class SeedVariance:
    """Variance of a score between trainings that differ in their seed only.

    Attributes:
        variance: Of one training, the score's units squared.
        degrees_of_freedom: How many methods it is pooled from.
    """

    variance: float
    degrees_of_freedom: float


def seed_variance(scores: Sequence[Sequence[float]]) -> SeedVariance:
    """Pooled variance over seeds, Σ_m Σ_s (x_ms − x̄_m)² / Σ_m (n_m − 1).

    >>> seed_variance([[1.0, 3.0], [5.0, 6.0, 7.0]])
    SeedVariance(variance=1.3333333333333333, degrees_of_freedom=2)

    Args:
        scores: For each of M methods of a task its score with each of n_m seeds, at the same days.
            Pool scores in whose units methods are about as noisy: skill in %, log of mse. Chance of
            days that differs from seed to seed is in it, too, so that adding it to a variance over
            days errs on the careful side.

    Returns:
        What `UncertainMean.with_variance` adds to the mean over days of a method with one training;
        of several, its variance divided by their number.

    Raises:
        ScoreError: When there is no method, one has fewer than two seeds, or a score is not finite.

    References:
        Pooling and its limits: Bouthillier et al. (2021), Accounting for variance in machine
        learning benchmarks, MLSys.
    """
    methods = [np.asarray(method, np.float64) for method in scores]
    if not methods or any(m.size < 2 or not np.all(np.isfinite(m)) for m in methods):
        raise ScoreError(
            "Variance over seeds needs methods with at least two seeds each and finite scores, "
            f"got {[list(method) for method in scores]}."
        )
    squares = sum(float(np.sum((method - method.mean()) ** 2)) for method in methods)
    return SeedVariance(squares / sum(m.size - 1 for m in methods), len(methods))
