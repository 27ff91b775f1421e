"""References a step apart, which a forecast model learns from, and those it is judged by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dambench_hub.data.dataset import Data
from dambench_hub.errors import TrainingError
from dambench_hub.storage.manifest import TRAIN_SPLIT
from dambench_hub.storage.statistics import Moments
from dambench_hub.training.selection import VALIDATION

FEWEST_PAIRS = 16
"""To learn from."""

FEWEST_HELD_OUT = 4
"""To choose the best weights by."""

HELD_OUT = 0.2
"""Share of the training split's time that is held out where validation has no pairs."""

LONGEST_GAP_HOURS = 240
"""Between what is learned from and what is held out: weather is another after ten days."""


@dataclass(frozen=True)
class ForecastPairs:
    """Which references are a step apart.

    Attributes:
        step_hours: The commonest spacing of the training times.
        learned: Indices i of the training split whose reference i + 1 is a step later, ascending.
        held_out: The same of the split `held_out_split`, which nothing is learned from.
        held_out_split: `validation`, or `train`: then its last part, after a gap.
    """

    step_hours: int
    learned: np.ndarray
    held_out: np.ndarray
    held_out_split: str


def find_pairs(data: Data) -> ForecastPairs:
    """The pairs of a data set.

    Raises:
        TrainingError: When there are fewer than `FEWEST_PAIRS`, or fewer than `FEWEST_HELD_OUT` to
            hold out.
    """
    times = data.times(TRAIN_SPLIT)
    step = commonest_spacing(times)
    learned = pair_starts(times, step)
    held_out, split = pair_starts(data.times(VALIDATION), step), VALIDATION
    if len(held_out) < FEWEST_HELD_OUT:
        learned, held_out = _parted(times, learned, step)
        split = TRAIN_SPLIT
    if len(learned) < FEWEST_PAIRS or len(held_out) < FEWEST_HELD_OUT:
        raise TrainingError(
            f"{data.manifest.name} has {len(learned)} pairs of training references {step} h apart, "
            f"the commonest spacing of its {len(times)} training times, and {len(held_out)} more "
            f"to hold out; wanted are {FEWEST_PAIRS} and {FEWEST_HELD_OUT}. Take a data set with "
            "more training times, evenly spaced."
        )
    return ForecastPairs(step, learned, held_out, split)


def commonest_spacing(times: np.ndarray) -> int:
    """Hours between times that follow one another, the smaller of two that are as common.

    Args:
        times: datetime64[h], ascending, (N,).

    Raises:
        TrainingError: When there are fewer than two times.
    """
    if len(times) < 2:
        raise TrainingError(
            f"A forecast is learned from references that follow one another; there are "
            f"{len(times)} training times. Take a data set with more of them."
        )
    spacings, counts = np.unique(np.diff(times).astype(np.int64), return_counts=True)
    return int(spacings[counts.argmax()])


def pair_starts(times: np.ndarray, hours: int, leads: int = 1) -> np.ndarray:
    """Indices i where the next `leads` times are i's, each `hours` after the one before, int64.

    Args:
        times: datetime64[h], ascending, (N,).
        hours: The step.
        leads: Steps.
    """
    follows = np.diff(times).astype(np.int64) == hours
    if len(follows) < leads:
        return np.arange(0)
    windows = np.lib.stride_tricks.sliding_window_view(follows, leads)
    return np.flatnonzero(windows.all(axis=1))


def _parted(times: np.ndarray, pairs: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs up to some time, and those from a gap after it on."""
    hours = (times - times[0]).astype(np.int64)
    last = (1 - HELD_OUT) * hours[-1]
    gap = min(LONGEST_GAP_HOURS, HELD_OUT * hours[-1] / 2)
    return pairs[hours[pairs] + step <= last], pairs[hours[pairs] >= last + gap]


@dataclass(frozen=True, eq=False)
class ForecastStatistics:
    """Scales of what is learned from, float64.

    Attributes:
        mean: Of each channel, (C,).
        std: Of each channel, (C,).
        change_std: Standard deviation of each channel's change over a step, (C,).
        mean_state: Mean of each channel and grid point, (C, Y, X).
    """

    mean: np.ndarray
    std: np.ndarray
    change_std: np.ndarray
    mean_state: np.ndarray


def forecast_statistics(data: Data, pairs: ForecastPairs) -> ForecastStatistics:
    """Those of the pairs that are learned from; what is held out has no part in them."""
    total = np.zeros((len(data.channels), *data.grid.shape))
    states, changes = [], []
    for begin, end in _read(data, pairs.learned):
        total += begin
        states.append(Moments.of(begin))
        changes.append(Moments.of(end - begin))
    state, change = _sum(states), _sum(changes)
    return ForecastStatistics(state.mean, state.std, change.std, total / len(pairs.learned))


def _read(data: Data, starts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both references of each pair; what two pairs in a row share is read once."""
    known: tuple[int, np.ndarray] | None = None
    for start in map(int, starts):
        begin = known[1] if known and known[0] == start else data.reference(TRAIN_SPLIT, start)
        end = data.reference(TRAIN_SPLIT, start + 1)
        known = start + 1, end
        yield begin, end


def _sum(moments: list[Moments]) -> Moments:
    total = moments[0]
    for one in moments[1:]:
        total = total + one
    return total
