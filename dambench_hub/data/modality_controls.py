"""Controls for multi-modal methods: batches whose modalities tell nothing, or less, of their day.

A gain is due to the modalities only if it vanishes when these replace them. A method trained under
`constant` has all the capacity of the adapter and none of the information. No control uses the
future.

The background's equivalents go with the modalities: a method that takes departures gets those of
the other day, which are as large as ever and know nothing of this day's background, or the mean
departure. Members' equivalents, which training days do not have, keep this day's differences to the
background's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import equivalent_of
from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError, TaskError, did_you_mean
from dambench_hub.storage.manifest import TRAIN_SPLIT

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data

Fields = dict[str, np.ndarray]
"""The modalities of one sample and their equivalents by column, (Y, X), NaN where missing."""

CONTROLS = {
    "constant": "the same at all times: the mean over training days",
    "shuffled": "those of a random training day, at least 30 days before",
    "lagged": "those of the latest sample at least one day before",
}
"""What each control gives instead of the modalities."""

APART_HOURS = 30 * 24
"""Shuffled modalities are older than the memory of the weather."""
LAG_HOURS = 24
MEAN_SAMPLES = 128
"""How many training samples, evenly spread, the constant modalities are the mean of."""


def controlled(
    batches: Iterable[Batch], data: Data, split: str, control: str, *, seed: int = 0
) -> Iterator[Batch]:
    """The same batches with other modalities, a function of valid time and seed alone.

    Args:
        batches: Of a multi-modal task, as `data.batches` gives them.
        data: Their data set.
        split: Their split.
        control: Key of `CONTROLS`. Where there is no sample early enough, as on the first day of a
            split, the modalities are missing.
        seed: Keys what `shuffled` draws.

    Raises:
        TaskError: When there is no such control.
        DataError: When the data set has no modalities.
    """
    if control not in CONTROLS:
        raise TaskError(f"Unknown control {control!r}. {did_you_mean(control, CONTROLS)}")
    if not data.manifest.modalities:
        raise DataError(
            f"The data set {data.manifest.name} has no modalities, so there is nothing to control."
        )
    if control == "constant":
        return _replaced(batches, _constant(data))
    donor = _shuffled(data, seed) if control == "shuffled" else _lagged(data, split)
    return _replaced(batches, donor)


def _replaced(
    batches: Iterable[Batch], fields: Callable[[np.datetime64], Fields | None]
) -> Iterator[Batch]:
    """The batches with the modalities that `fields` gives for each time; None: missing."""
    for batch in batches:
        given = [fields(time) for time in batch.time]
        missing = np.full(batch.grid.shape, np.nan, np.float32)
        modalities, equivalents = (
            {
                name: np.stack([missing if one is None else one[column(name)] for one in given])
                for name in batch.modalities
            }
            for column in (str, equivalent_of)
        )
        members = {
            name: field + (equivalents[name] - batch.background_modalities[name])[:, None]
            for name, field in batch.background_members_modalities.items()
        }
        yield replace(
            batch,
            modalities=modalities,
            background_modalities=equivalents,
            background_members_modalities=members,
        )


def _columns(data: Data) -> list[str]:
    """The modalities and their equivalents."""
    modalities = data.manifest.modalities
    return [*modalities, *map(equivalent_of, modalities)]


def _constant(data: Data) -> Callable[[np.datetime64], Fields]:
    indices = np.unique(np.linspace(0, data.size(TRAIN_SPLIT) - 1, MEAN_SAMPLES).astype(int))
    samples = [data.example(TRAIN_SPLIT, int(i), _columns(data)) for i in indices]
    mean: Fields = {}
    for name in data.manifest.modalities:
        equivalent = equivalent_of(name)
        # Both of the same days, so that the difference of the means is the mean departure; nearly
        # so of precipitation, which departs in logarithms.
        seen = [np.where(np.isfinite(s[name]), s[equivalent], np.nan) for s in samples]
        mean |= {name: _mean([s[name] for s in samples]), equivalent: _mean(seen)}
    return lambda time: mean


def _mean(fields: list[np.ndarray]) -> np.ndarray:
    """Mean of the values that are there; NaN where there is never one."""
    valid = np.zeros(fields[0].shape, int)
    total = np.zeros(fields[0].shape)
    for field in fields:
        there = np.isfinite(field)
        valid += there
        total += np.where(there, field, 0.0)
    return np.where(valid, total / np.maximum(valid, 1), np.nan).astype(np.float32)


def _shuffled(data: Data, seed: int) -> Callable[[np.datetime64], Fields | None]:
    hours = hours_since_epoch(data.times(TRAIN_SPLIT))

    def donor(time: np.datetime64) -> Fields | None:
        now = int(hours_since_epoch(time))
        candidates = int(np.searchsorted(hours, now - APART_HOURS, side="right"))
        if not candidates:
            return None
        index = int(np.random.default_rng([seed, now]).integers(candidates))
        return data.example(TRAIN_SPLIT, index, _columns(data))

    return donor


def _lagged(data: Data, split: str) -> Callable[[np.datetime64], Fields | None]:
    hours = hours_since_epoch(data.times(split))

    def donor(time: np.datetime64) -> Fields | None:
        earlier = int(np.searchsorted(hours, hours_since_epoch(time) - LAG_HOURS, side="right"))
        return data.example(split, earlier - 1, _columns(data)) if earlier else None

    return donor
