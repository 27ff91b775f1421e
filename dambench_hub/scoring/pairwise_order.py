"""Which of many methods are told apart, all pairs at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

import numpy as np

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.block_mean import block_shares, variance_of_shares
from dambench_hub.scoring.holm import holm
from dambench_hub.scoring.seed_variance import SeedVariance
from dambench_hub.scoring.uncertain_mean import sum_of_variances, two_sided_p_value


def pairwise_order(
    scores: np.ndarray,
    time: np.ndarray,
    *,
    between_seeds: SeedVariance | None = None,
    seeds: Sequence[float] | None = None,
    methods: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> np.ndarray:
    """The sign of each difference that chance of days and seeds hardly explains, else 0.

    Args:
        scores: Of E methods at N samples, (E, N), larger is better: `skill_by_day`, or −mse.
        time: Valid times, datetime64, (N,).
        between_seeds: Variance of a score over seeds, see `paired_difference`.
        seeds: Of how many trainings each score is the mean, (E,), infinity for none; all 1 if not
            said.
        methods: Which method each row is, (E,); two rows of one method differ in their seed only,
            so there is nothing to test. All different if not said.
        level: In at least this share of experiments no sign is wrong and no two equal methods are
            told apart, by `holm` over all pairs.

    Returns:
        (E, E) integers: 1 where the row's method is better than the column's, −1 where it is worse,
        0 where they are not told apart, or are one method. Antisymmetric.

    Raises:
        ScoreError: When shapes do not fit or the level is out of range; as `paired_difference`.
        TaskError: As `block_mean`.
    """
    scores = np.asarray(scores, np.float64)
    rows = range(len(scores))
    seeds = [1.0] * len(scores) if seeds is None else list(seeds)
    methods = rows if methods is None else list(methods)
    fit = scores.ndim == 2 and len(seeds) == len(methods) == len(scores)
    if not fit or not 0 < level < 1 or not all(n >= 1 for n in seeds):
        raise ScoreError(
            "Pairs want scores (E, N), E numbers of seeds from 1 on, E methods and a level between "
            f"0 and 1, got {scores.shape}, {seeds}, {len(methods)} methods and {level}."
        )
    order = np.zeros((len(scores), len(scores)), np.int64)
    pairs = [(i, j) for i, j in combinations(rows, 2) if methods[i] != methods[j]]
    if not pairs:
        return order
    one, other = np.array(pairs).T
    means, shares = scores.mean(axis=1), block_shares(scores, time)
    difference = means[one] - means[other]
    p_values = two_sided_p_value(
        difference,
        *_variance(shares[one] - shares[other], between_seeds, np.array(seeds), one, other),
    )
    sign = np.where(holm(p_values) <= 1 - level, np.sign(difference), 0).astype(np.int64)
    order[one, other], order[other, one] = sign, -sign
    return order


def _variance(
    shares: np.ndarray,
    between_seeds: SeedVariance | None,
    seeds: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """V and ν of all differences, as `paired_difference` has them; a board has thousands."""
    over_days, degrees = variance_of_shares(shares), np.full(len(shares), shares.shape[1] - 1.0)
    if between_seeds is None:
        return over_days, degrees
    over_seeds = between_seeds.variance * (1 / seeds[one] + 1 / seeds[other])
    return sum_of_variances(over_days, degrees, over_seeds, between_seeds.degrees_of_freedom)
