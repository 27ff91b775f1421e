"""Departures of modalities from equivalents: their errors, and what J takes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dambench_hub.data.batch import Batch
from dambench_hub.estimation.window_means import MeanObservations

MEAN_HOURS = 24
"""Modalities are means over so many hours before the valid time of their batch."""


@dataclass(frozen=True, eq=False)
class ModalityErrors:
    """Mean and standard deviation of the departures of one modality, by latitude.

    The standard deviation has all in it: errors of the instrument, of the model's radiation or
    rain, and what the background's error makes, which B explains. As σ of J it is on the safe side,
    a modality weighs less than it could.

    Attributes:
        bias: Mean departure, (Y,), in the modality's unit.
        std: Standard deviation about it, (Y,), at least 1 % of that of all latitudes together.
            Latitudes with less than two departures have what all have.
    """

    bias: np.ndarray
    std: np.ndarray


def array_of_errors(name: str) -> str:
    """Name of the array that a file holds of a modality's errors, (2, Y)."""
    return f"{name}_departures"


def errors_to_arrays(errors: Mapping[str, ModalityErrors]) -> dict[str, np.ndarray]:
    """What a file holds of errors."""
    return {array_of_errors(name): np.stack([of.bias, of.std]) for name, of in errors.items()}


def errors_from_arrays(
    names: Iterable[str], arrays: Mapping[str, np.ndarray]
) -> dict[str, ModalityErrors]:
    """Errors by modality again, from what `errors_to_arrays` gave."""
    return {name: ModalityErrors(*arrays[array_of_errors(name)]) for name in names}


class DepartureSums:
    """Sums over the departures of batches that pass by."""

    def __init__(self) -> None:
        self.sums: dict[str, np.ndarray] = {}

    def watch(self, training: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, each once its departures are added."""
        for batch in training:
            for name, departures in batch.departures.items():
                there = np.isfinite(departures)
                d = np.where(there, departures, 0).astype(np.float64)
                powers = np.stack([there, d, d**2]).sum(axis=(1, 3))
                self.sums[name] = self.sums.get(name, 0) + powers
            yield batch

    def errors(self) -> dict[str, ModalityErrors]:
        """By modality, of those that have departures."""
        return {name: _errors(sums) for name, sums in self.sums.items() if sums[0].sum() > 1}


def _errors(sums: np.ndarray) -> ModalityErrors:
    """From number, sum and sum of squares of the departures at each latitude, (3, Y)."""
    total = sums.sum(axis=1, keepdims=True)
    sums = np.where(sums[0] > 1, sums, total)
    floor = 0.01 * _moments(total)[1]
    bias, std = _moments(sums)
    return ModalityErrors(bias, np.maximum(std, floor))


def _moments(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation."""
    count, total, square = sums
    mean = total / count
    return mean, np.sqrt(np.maximum(square / count - mean**2, 0))


def mean_observations(
    batch: Batch, step: int, names: Sequence[str], errors: Mapping[str, ModalityErrors]
) -> list[MeanObservations]:
    """What J takes of the modalities of a batch of one sample, of all at once; or nothing.

    Args:
        batch: With its modalities.
        step: When it is valid, in steps of the window.
        names: Of K modalities; one that the batch does not have counts as missing.
        errors: By name. Observations lose the mean departure, as the model loses its drift.
    """
    missing = np.full((1, *batch.grid.shape), np.nan)
    fields = [batch.modalities.get(name, missing)[0] - errors[name].bias[:, None] for name in names]
    if not np.isfinite(fields).any():
        return []
    std = np.broadcast_to([errors[name].std[:, None] for name in names], np.shape(fields))
    return [MeanObservations(step, np.array(fields, np.float64), std)]
