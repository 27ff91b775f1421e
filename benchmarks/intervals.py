"""How often intervals and tests of scores are right, on errors made up to resemble those of days.

    python benchmarks/intervals.py [--only mean seeds pairs board skill]

Series of samples keep a share φ from one sample to the next, as the daily mean square errors of the
data sets do: a third to two fifths where days are 6 apart. Errors of squares are skewed, so each
series is taken as it is and as a log-normal one of its half. Printed are the tables of the modules'
docstrings:

mean    coverage of `block_mean`, at 95 %, and with all blocks of 30 days instead of few long ones
seeds   how often two seeds of a method are told apart if days say all else, by `seed_variance`
pairs   the same with days, and of a board of equal methods by `pairwise_order`
board   a board of 12 methods, each better than the next: coverage of rows, and what is told apart
skill   coverage of `skill_by_day`, and of the jackknife over the same blocks
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import t

from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.scoring.block_mean import MOST_BLOCKS, block_mean
from dambench_hub.scoring.paired_difference import paired_difference, with_seeds
from dambench_hub.scoring.pairwise_order import pairwise_order
from dambench_hub.scoring.seed_variance import seed_variance
from dambench_hub.scoring.skill_by_day import skill_by_day

PARTS = ("mean", "seeds", "pairs", "board", "skill")
SAMPLINGS = ((60, 6), (120, 6), (60, 3), (120, 3))
"""Samples, and days from one to the next."""
CHANNELS = ("u10", "v10", "t2m", "msl", "z500", "q700", "u850", "v850", "t850")
NO_LIMIT = 1000


def days(samples, apart):
    """Valid times of samples, some days apart."""
    return np.datetime64("2024-01-01", "D") + apart * np.arange(samples)


def series(shape, memory, rng):
    """Gaussian series of variance 1 along the last axis, a sample keeps `memory` of the last."""
    noise = rng.standard_normal(shape)
    for n in range(1, shape[-1]):
        noise[..., n] = memory * noise[..., n - 1] + np.sqrt(1 - memory**2) * noise[..., n]
    return noise


def coverage(experiments, truth, time, most_blocks=MOST_BLOCKS):
    """% of series whose interval holds the truth."""
    held = 0
    for values in experiments:
        estimate = block_mean(values, time, most_blocks=most_blocks)
        reach = t.ppf(0.975, estimate.degrees_of_freedom) * estimate.standard_error
        held += abs(estimate.mean - truth) <= reach
    return 100 * held / len(experiments)


def mean(rng, experiments=20000):
    """Coverage of means; the table of `block_mean`."""
    for samples, apart in SAMPLINGS:
        for memory in (0.33, 0.4):
            gaussian, time = series((experiments, samples), memory, rng), days(samples, apart)
            log_normal = np.exp(gaussian / 2)
            print(
                f"| {samples} | {apart} | {memory} | {coverage(gaussian, 0, time):.1f} | "
                f"{coverage(log_normal, np.exp(1 / 8), time):.1f} | "
                f"{coverage(gaussian, 0, time, NO_LIMIT):.1f} |"
            )


def seeds(rng, experiments=100_000):
    """Two seeds told apart; the table of `seed_variance`."""
    for methods in (2, 4, 7):
        cells = []
        for low, high in ((1, 1), (0.4, 1.5)):
            noise = rng.uniform(low, high, (experiments, methods + 1))
            scores = noise[:, :methods, None] * rng.standard_normal((experiments, methods, 3))
            pair = noise[:, -1] * rng.standard_normal(experiments) * np.sqrt(2)
            pooled = np.array([seed_variance(trained).variance for trained in scores])
            ratio = np.abs(pair) / np.sqrt(2 * pooled)
            cells += [100 * np.mean(ratio > t.ppf(0.975, df)) for df in (methods, 2 * methods)]
        print(f"| {methods} | {cells[0]:.1f} | {cells[2]:.1f} | {cells[3]:.1f} |")


def trained(methods, seeds, time, noise, rng, memory=0.4):
    """Scores of methods that are equally good, but for training; (methods, seeds, N)."""
    shape = (methods, seeds, len(time))
    noise = noise * rng.uniform(0.4, 1.5, (methods, 1, 1))
    training = noise * rng.standard_normal((methods, seeds, 1))
    return series(shape[-1:], memory, rng) + training + 0.5 * series(shape, memory, rng)


def pairs(rng, experiments=1000):
    """A board of 7 methods with 3 seeds each, all 21 trainings as rows of their own."""
    for samples, apart in SAMPLINGS:
        time = days(samples, apart)
        for noise in (0, 0.05, 0.2):
            apart_two = separated = wrong = 0
            for _ in range(experiments):
                scores = trained(7, 3, time, noise, rng)
                spread = seed_variance(scores.mean(axis=-1))
                two = scores[0, 0], scores[0, 1]
                p_value = paired_difference(*two, time, between_seeds=spread).p_value
                apart_two += p_value <= 0.05
                separated += paired_difference(*two, time).p_value <= 0.05
                order = pairwise_order(scores[:, 0], time, between_seeds=spread)
                wrong += bool(np.any(order))
            found = (100 * count / experiments for count in (apart_two, separated, wrong))
            cells = " | ".join(f"{share:.1f}" for share in found)
            print(f"| {samples} | {apart} | {noise} | {cells} |")


def board(rng, experiments=1000, methods=12, seeds=3):
    """Rows of 12 methods with 3 seeds each on 120 days, each method 0.2 better than the next."""
    time, kind = days(120, 3), np.repeat(np.arange(methods), seeds)
    quality = -0.2 * np.arange(methods)
    same = (kind[:, None] == kind) & ~np.eye(len(kind), dtype=bool)
    right = np.sign(quality[kind][:, None] - quality[kind])
    for memory in (0.35, 0.4):
        for noise in (0, 0.05, 0.2):
            found = np.zeros(5)
            for _ in range(experiments):
                scores = quality[:, None, None] + trained(methods, seeds, time, noise, rng, memory)
                spread, rows = seed_variance(scores.mean(axis=-1)), scores.reshape(len(kind), -1)
                unknown = pairwise_order(rows, time, between_seeds=spread)
                known = pairwise_order(rows, time, between_seeds=spread, methods=kind.tolist())
                found += (
                    held(rows, quality[kind], time, spread),
                    np.mean(unknown[same] != 0),
                    np.mean(known[same] != 0),
                    np.mean(known[right != 0] == right[right != 0]),
                    np.any(known * right < 0),
                )
            cells = " | ".join(f"{share:.1f}" for share in 100 * found / experiments)
            print(f"| {memory} | {noise} | {cells} |")


def held(rows, truth, time, spread):
    """Share of rows whose interval, over days and seeds, holds the truth."""
    estimates = [with_seeds(block_mean(row, time), spread, (1,)).interval() for row in rows]
    return np.mean([i.low <= true <= i.high for i, true in zip(estimates, truth, strict=True)])


def squared_errors(samples, rng):
    """Mean squares of background and analysis, (N, C) each, correlated over channels and days."""
    shape = (len(CHANNELS), samples)
    weather = series(shape[-1:], 0.4, rng)
    background = np.exp(0.5 * (weather + series(shape, 0.4, rng)))
    share = np.linspace(0.2, 0.8, len(CHANNELS))[:, None]
    analysis = share * np.exp(0.5 * (weather + series(shape, 0.4, rng)))
    return analysis.T, background.T


def plain_skill(analysis, background):
    """Skill of errors by day, %."""
    rmse = np.sqrt(analysis.mean(axis=0)), np.sqrt(background.mean(axis=0))
    return rmse_skill(CHANNELS, *rmse, np.ones(len(CHANNELS)))["skill"]


def jackknife_holds(analysis, background, truth):
    """Whether the interval from leaving out one block at a time holds the truth."""
    block = np.arange(len(analysis)) * MOST_BLOCKS // len(analysis)
    without = [
        plain_skill(analysis[block != k], background[block != k]) for k in range(MOST_BLOCKS)
    ]
    error = np.sqrt((MOST_BLOCKS - 1) * np.var(without))
    reach = t.ppf(0.975, MOST_BLOCKS - 1) * error
    return abs(plain_skill(analysis, background) - truth) <= reach


def skill(rng, experiments=2000):
    """Coverage of skills; the table of `skill_by_day`."""
    share = np.linspace(0.2, 0.8, len(CHANNELS))
    truth = 100 * (1 - np.sqrt(share).mean())
    for samples, apart in SAMPLINGS:
        time, std = days(samples, apart), np.ones(len(CHANNELS))
        linear = jackknife = 0.0
        for _ in range(experiments):
            analysis, background = squared_errors(samples, rng)
            daily = skill_by_day(CHANNELS, analysis, background, std)
            linear += coverage(daily[None], truth, time) / experiments
            jackknife += 100 * jackknife_holds(analysis, background, truth) / experiments
        print(f"| {samples} | {apart} | {linear:.1f} | {jackknife:.1f} |")


def main():
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    for part in parser.parse_args().only:
        print(part)
        {"mean": mean, "seeds": seeds, "pairs": pairs, "board": board, "skill": skill}[part](
            np.random.default_rng(0)
        )


if __name__ == "__main__":
    main()
