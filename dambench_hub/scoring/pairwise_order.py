"""Which of many methods are told apart, all pairs at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

import numpy as np

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.block_mean import block_shares, mean_of_shares
from dambench_hub.scoring.holm import holm
from dambench_hub.scoring.paired_difference import with_seeds
from dambench_hub.scoring.seed_variance import SeedVariance


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
    if not fit or not 0 < level < 1:
        raise ScoreError(
            "Pairs want scores (E, N), E numbers of seeds, E methods and a level between 0 and 1, "
            f"got {scores.shape}, {len(seeds)}, {len(methods)} and {level}."
        )
    order = np.zeros((len(scores), len(scores)), np.int64)
    pairs = [(i, j) for i, j in combinations(rows, 2) if methods[i] != methods[j]]
    if not pairs:
        return order
    # Those of each row once, since a board has thousands of pairs.
    means, shares = scores.mean(axis=1), block_shares(scores, time)
    differences = [mean_of_shares(means[i] - means[j], shares[i] - shares[j]) for i, j in pairs]
    p_values = [
        with_seeds(difference, between_seeds, (seeds[i], seeds[j])).p_value
        for (i, j), difference in zip(pairs, differences, strict=True)
    ]
    adjusted = holm(np.array(p_values))
    for (i, j), difference, p_value in zip(pairs, differences, adjusted, strict=True):
        if p_value <= 1 - level:
            order[i, j] = np.sign(difference.mean)
            order[j, i] = -order[i, j]
    return order
