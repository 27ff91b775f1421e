"""How far chance could have moved a mean over days that resemble their neighbours.

The time is cut into at most `MOST_BLOCKS` blocks of at least 30 days of the calendar, and the mean
over the days has the variance that the means of the blocks say, with Student's t for their small
number (batch means). Few long blocks cover better than many short ones: means of neighbouring
blocks share what lasts across their border, which makes the variance too small, the less the longer
the blocks are; with few blocks t is wider, as it must be.

Simulated series that keep the share φ from one sample to the next hold the true mean in

| samples | days apart | φ | Gaussian | log-normal | Gaussian, all blocks of 30 days |
|---|---|---|---|---|---|
| 60 | 6 | 0.33 | 94.2 | 93.6 | 93.1 |
| 60 | 6 | 0.4 | 94.3 | 93.3 | 92.8 |
| 120 | 6 | 0.33 | 94.4 | 94.2 | 93.1 |
| 120 | 6 | 0.4 | 94.8 | 94.4 | 92.5 |
| 60 | 3 | 0.33 | 94.8 | 93.7 | 94.8 |
| 60 | 3 | 0.4 | 94.0 | 93.1 | 94.0 |
| 120 | 3 | 0.33 | 95.0 | 94.6 | 94.4 |
| 120 | 3 | 0.4 | 94.5 | 94.0 | 93.9 |

% of 20000 experiments (`python benchmarks/intervals.py --only mean`).
"""

from __future__ import annotations

import numpy as np

from dambench_hub.errors import ScoreError, TaskError
from dambench_hub.scoring.uncertain_mean import UncertainMean

BLOCK_DAYS = 30
MOST_BLOCKS = 6
FEWEST_BLOCKS = 3
"""With two blocks, t with one degree of freedom is so wide that it says nothing."""


def block_mean(
    values: np.ndarray,
    time: np.ndarray,
    *,
    block_days: int = BLOCK_DAYS,
    most_blocks: int = MOST_BLOCKS,
) -> UncertainMean:
    """The mean of samples, with its variance from blocks of the calendar.

        V = K / (K − 1) Σ_k (n_k (m_k − m) / N)²,   ν = K − 1

    with mean m of all N samples and mean m_k of the n_k samples of block k; for blocks of one size
    the squared standard error of the mean of K means. Blocks share the time evenly; one without
    samples is passed over.

    Args:
        values: Score of each sample, (N,), any units.
        time: Valid times, datetime64, (N,), any order. Each day stands for the time until the next,
            so that days 6 apart make a block of 30 days from 5.
        block_days: Fewest days of the calendar in a block, at least 1.
        most_blocks: Blocks become longer, rather than more; at least `FEWEST_BLOCKS`.

    Raises:
        ScoreError: When values and times are not as many, or a value is not finite.
        TaskError: When samples lie in fewer than `FEWEST_BLOCKS` blocks, or a number is out of
            range.

    References:
        Student's t on few groups: Ibragimov & Müller (2010), J. Bus. Econ. Stat. 28, 453-468.
        Blocks of unequal size: Cochran (1977), Sampling Techniques, Wiley, section 9A.
    """
    values = np.asarray(values, np.float64)
    shares = block_shares(values, time, block_days=block_days, most_blocks=most_blocks)
    variance = float(variance_of_shares(shares))
    return UncertainMean(float(values.mean()), variance, len(shares) - 1)


def block_shares(
    values: np.ndarray,
    time: np.ndarray,
    *,
    block_days: int = BLOCK_DAYS,
    most_blocks: int = MOST_BLOCKS,
) -> np.ndarray:
    """What each block adds to the mean of a series, n_k (m_k − m) / N.

    Linear in the series, so that the shares of a difference are the difference of shares.

    Args:
        values: Scores, (N,) or several series of them, (E, N).
        time: Valid times, datetime64, (N,).
        block_days: As of `block_mean`.
        most_blocks: As of `block_mean`.

    Returns:
        (K,) or (E, K), in the scores' units; a series' shares have the sum 0.

    Raises:
        ScoreError: As `block_mean`.
        TaskError: As `block_mean`.
    """
    values, time = np.asarray(values, np.float64), np.asarray(time)
    fits = values.ndim in (1, 2) and values.shape[-1:] == time.shape
    if not fits or not np.all(np.isfinite(values)):
        raise ScoreError(
            "A mean over days wants one finite value per valid time, got shapes "
            f"{values.shape} and {time.shape}, {np.sum(~np.isfinite(values))} not finite."
        )
    if block_days < 1 or most_blocks < FEWEST_BLOCKS:
        raise TaskError(
            f"A block has at least 1 day, and there may be {FEWEST_BLOCKS} or more; got "
            f"{block_days} and {most_blocks}."
        )
    member = _membership(time, block_days, most_blocks)
    if len(member) < FEWEST_BLOCKS:
        raise TaskError(
            f"{len(time)} samples lie in {len(member)} blocks of {block_days} days or more, an "
            f"interval needs at least {FEWEST_BLOCKS}. Score more days, further apart."
        )
    deviation = values - values.mean(axis=-1, keepdims=True)
    return deviation @ member.T / len(time)


def variance_of_shares(shares: np.ndarray) -> np.ndarray:
    """V of `block_mean` from the shares of K blocks, (…, K), with ν = K − 1; (…,)."""
    blocks = shares.shape[-1]
    return blocks / (blocks - 1) * np.sum(shares**2, axis=-1)


def _membership(time: np.ndarray, block_days: int, most_blocks: int) -> np.ndarray:
    """1 where a sample lies in a block, (K, N), of the blocks that have samples."""
    day = time.astype("datetime64[D]").astype(np.int64)
    if len(day) == 0:
        return np.zeros((0, 0))
    days = np.unique(day)
    spacing = np.median(np.diff(days)) if len(days) > 1 else 1
    span = days[-1] - days[0] + spacing
    blocks = max(1, min(most_blocks, int(span // block_days)))
    block = ((day - days[0]) * blocks / span).astype(np.int64)
    return (block == np.unique(block)[:, None]).astype(np.float64)
