"""What a score may tell of a reference that nobody else may read: next to nothing of any value.

Two predictions that differ in one cell have scores whose difference tells the reference there, if
all their digits are told. So of a hidden reference only `TOLD` is told, and told coarsely; what is
left out or rounded here never reaches the store, and so no page, file or record.

Every score is a mean, over n values, of errors in units of σ. Whoever moves one value far away, by
D, moves the norm of all errors, √(n·mse), by D + e, where e is the error that was there: to know
the norm to one σ is to know e to one σ. So norms, and sums of absolute errors, are told in steps of
σ, up or down by chance as they lie between two steps: then no row of trials, each chosen by the
last, comes nearer step by step. Same values, same chance. The more values, the finer the score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import floor, sqrt
from random import Random
from typing import Any

import numpy as np

from dambench_hub.data.dataset import Data
from dambench_hub.metrics.rmse_skill import rmse_skill
from dambench_hub.scoring.evaluation import Result
from dambench_hub.tasks.task import load_task

DIGITS = 3
"""Significant digits that no score exceeds, however many values it is made of."""

TOLD = ("skill", "rmse", "mse", "mae", "specdiv", "specres")
"""Scores that are told; of those by channel the error alone."""


def disclosed(result: Result, data: Data, secret: str) -> Result:
    """What may be known of a result.

    Args:
        result: The exact scores.
        data: What was scored with; its references may be hidden.
        secret: What nobody outside knows, and with it how chance rounds.

    Returns:
        The same with `TOLD` alone and `mse` by time, which pages compare, in steps of one standard
        deviation of a single value. Errors by time and channel are left out, and so is skill by
        day.
    """
    chance = Random(f"{secret} {result.value_hash}").random
    grid, channels, times = data.grid, len(data.channels), len(result.sample_mse)
    values = channels * grid.size
    # In the mean over times of a root, one cell counts most at the equator.
    cells = times * sqrt(grid.size / grid.weights.max())
    std = dict(zip(data.channels, data.statistics.std.tolist(), strict=True))
    exact = result.scores
    scores: dict[str, Any] = {
        name: _shortened(exact[name]) for name in ("specdiv", "specres") if name in exact
    }
    if exact.get("skill") is not None:
        scores["skill"] = _skill(result, data, chance)
    scores["rmse"] = {
        name: _shortened(_step(value / std[name] * cells, chance) * std[name] / cells)
        for name, value in exact["rmse"].items()
    }
    scores["mse"] = _mean_square(exact["mse"], times * values, chance)
    scores["mae"] = _shortened(_step(exact["mae"] * times * values, chance) / (times * values))
    return replace(
        result,
        scores={name: scores[name] for name in TOLD if name in scores},
        main_score=scores[load_task(result.task).main_score],
        sample_mse=tuple(_mean_square(mse, values, chance) for mse in result.sample_mse),
        square_errors=np.empty((0, 0)),
        background_square_errors=np.empty((0, 0)),
        skill_by_day=(),
    )


def _skill(result: Result, data: Data, chance: Callable[[], float]) -> float:
    """Skill from the norms of each channel's errors, told in steps of σ like all others."""
    std, grid = data.statistics.std, data.grid
    background = np.sqrt(result.background_square_errors.mean(axis=0))
    # The norm of errors that are each weighted like a cell at the equator, which counts most.
    cells = sqrt(len(result.square_errors) * grid.size / grid.weights.max())
    norms = np.sqrt(result.square_errors.mean(axis=0)) / std * cells
    stepped = np.array([_step(norm, chance) for norm in norms.tolist()]) / cells * std
    return _shortened(rmse_skill(data.channels, stepped, background, std)["skill"])


def _mean_square(mse: float, values: int, chance: Callable[[], float]) -> float:
    return _shortened(_step(sqrt(mse * values), chance) ** 2 / values)


def _step(amount: float, chance: Callable[[], float]) -> int:
    """One of the two whole numbers beside an amount, the nearer the likelier."""
    return floor(amount + chance())


def _shortened(score: float) -> float:
    return float(f"{score:.{DIGITS}g}")
