"""Is a difference between methods more than chance? A paired block bootstrap over days."""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import TaskError
from dambench_hub.scoring.interval import Interval

FEWEST_BLOCKS = 5
"""With fewer blocks, resampling them says nothing."""


def paired_interval(
    difference: np.ndarray,
    time: np.ndarray,
    *,
    block_days: int = 7,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Confidence interval of a mean difference, by the moving-block bootstrap over days.

    Errors of neighbouring days resemble each other, so whole blocks of consecutive days are drawn,
    each day with all its samples. The last day is followed by the first (Politis & Romano), so that
    all days count alike. The interval lies between quantiles of the resampled means; it is a
    little too narrow where blocks are few or errors last longer than a block.

    Args:
        difference: Score of one method minus that of the other at the same samples, (N,); what both
            share cancels, which makes the comparison paired.
        time: Valid times, datetime64, (N,), any order. Gaps are passed over.
        block_days: Length of a block. Where samples are some days apart, a block has as many days
            with samples as usually fall in that time, at least one.
        resamples: How many means are drawn.
        level: Share of experiments in which the interval should hold the true mean.
        seed: Keys the draw; the same seed and days give the same resamples for any difference.

    Raises:
        TaskError: When the days make fewer than `FEWEST_BLOCKS` blocks, or a number is out of
            range.

    References:
        Künsch (1989), Ann. Statist. 17, 1217-1241; Politis & Romano (1992), in Exploring the
        Limits of Bootstrap, Wiley, 263-270.
    """
    return paired_intervals(
        np.asarray(difference)[None],
        time,
        block_days=block_days,
        resamples=resamples,
        level=level,
        seed=seed,
    )[0]


def paired_intervals(
    differences: np.ndarray,
    time: np.ndarray,
    *,
    block_days: int = 7,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Interval]:
    """`paired_interval` of many differences at once, from the same resamples; (K, N) of them."""
    days, day = np.unique(np.asarray(time).astype("datetime64[D]"), return_inverse=True)
    if block_days < 1 or resamples < 1 or not 0 < level < 1:
        raise TaskError(
            "A block has at least 1 day, there is at least 1 resample, and the level lies between "
            f"0 and 1; got {block_days}, {resamples} and {level}."
        )
    length = _block_length(days, block_days)
    member = (day[:, None] == np.arange(len(days))).astype(np.float64)  # (N, D)
    count = member.sum(axis=0)
    totals = np.asarray(differences, np.float64) @ member
    blocks = -(-len(days) // length)
    first = np.random.default_rng(seed).integers(len(days), size=(resamples, blocks, 1))
    drawn = (first + np.arange(length)) % len(days)
    drawn = drawn.reshape(resamples, -1)[:, : len(days)]
    times_drawn = np.stack([np.bincount(row, minlength=len(days)) for row in drawn])  # (R, D)
    means = totals @ times_drawn.T / (times_drawn @ count)
    lows, highs = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=1)
    centres = totals.sum(axis=1) / count.sum()
    return [Interval(*map(float, ends)) for ends in zip(centres, lows, highs, strict=True)]


def _block_length(days: np.ndarray, block_days: int) -> int:
    """How many days with samples make a block."""
    spacing = np.median(np.diff(days).astype(int)) if len(days) > 1 else 1
    length = max(1, round(block_days / spacing))
    if len(days) < FEWEST_BLOCKS * length:
        raise TaskError(
            f"There are {len(days)} days with samples, an interval needs at least {FEWEST_BLOCKS} "
            f"blocks of {length}. Use shorter blocks (block_days, at least 1) or more samples."
        )
    return length


def neighbour_groups(errors: np.ndarray, time: np.ndarray) -> tuple[int, ...] | None:
    """A number for each method, the same as its neighbour's if their difference may be chance.

    Only neighbours are compared: the first and the last of a long group can differ beyond doubt.

    Args:
        errors: Score of each method at each time, best method first, (E, N).
        time: Valid times, datetime64, (N,).

    Returns:
        Numbers from 1 upwards, (E,); None where the days are too few to say.
    """
    if len(errors) < 2:
        return (1,) * len(errors)
    try:
        intervals = paired_intervals(np.diff(errors, axis=0), time)
    except TaskError:
        return None
    apart = [not interval.low <= 0 <= interval.high for interval in intervals]
    return (1, *(1 + np.cumsum(apart)).tolist())
