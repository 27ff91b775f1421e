"""What a ranking may claim: how sure each score is, which ranks are possible, who is told apart."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from dambench_hub.scoring.block_mean import block_mean
from dambench_hub.scoring.interval import Interval
from dambench_hub.scoring.paired_difference import with_seeds
from dambench_hub.scoring.pairwise_order import pairwise_order
from dambench_hub.scoring.rank_groups import rank_groups
from dambench_hub.scoring.rank_intervals import rank_intervals
from dambench_hub.scoring.seed_variance import SeedVariance


@dataclass(frozen=True)
class Standing:
    """One row of a ranking.

    Attributes:
        interval: Of its score, at 95 %, over days and training seeds.
        best_rank: The best that pairwise tests leave possible, from 1.
        worst_rank: The worst.
    """

    interval: Interval
    best_rank: int
    worst_rank: int


@dataclass(frozen=True)
class Standings:
    """All rows of a ranking, best first.

    Attributes:
        rows: One for each method.
        groups: Runs of rows, from 0, that cannot be told apart; see `rank_groups`.
        seed_error: Standard deviation of a score over training seeds, in its units; None where no
            method was trained with several.
    """

    rows: tuple[Standing, ...]
    groups: tuple[range, ...]
    seed_error: float | None


def standings(
    scores: np.ndarray,
    time: np.ndarray,
    *,
    between_seeds: SeedVariance | None = None,
    seeds: Sequence[float] | None = None,
    methods: Sequence[Hashable] | None = None,
) -> Standings:
    """Intervals, possible ranks and groups of a ranking.

    Args:
        scores: Of E methods at N samples, (E, N), best mean first, larger is better.
        time: Valid times, datetime64, (N,).
        between_seeds: As of `pairwise_order`, and so are `seeds` and `methods`.
        seeds: Of how many trainings each score is the mean, (E,).
        methods: Which method each row is, (E,).

    Raises:
        ScoreError: As `pairwise_order`.
        TaskError: When the days are too few, as `block_mean`.
    """
    counts = [1.0] * len(scores) if seeds is None else seeds
    order = pairwise_order(scores, time, between_seeds=between_seeds, seeds=counts, methods=methods)
    ranks = rank_intervals(order).tolist()
    rows = tuple(
        Standing(with_seeds(block_mean(values, time), between_seeds, (n,)).interval(), *possible)
        for values, n, possible in zip(scores, counts, ranks, strict=True)
    )
    error = None if between_seeds is None else float(np.sqrt(between_seeds.variance))
    return Standings(rows, tuple(rank_groups(order)), error)
