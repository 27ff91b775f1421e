"""Departures of batches and files, for methods that assimilate modalities by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dambench_hub.coordinates.variables import MODALITIES
from dambench_hub.data.batch import Batch
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.estimation.training_departures import TrainingDepartures


def modality_names(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The option `modalities`, as a tuple: one name, or several, or none.

    Raises:
        TaskError: When there is no such modality.
    """
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    if unknown := [name for name in names if name not in MODALITIES]:
        raise TaskError(
            f"There is no modality {unknown[0]!r}. {did_you_mean(str(unknown[0]), MODALITIES)}"
        )
    return names


def departure_fields(batch: Batch, names: Sequence[str]) -> np.ndarray:
    """Departures of some modalities, (B, F, Y, X), units of the modalities.

    NaN where there is none, or the batch has no such modality.
    """
    absent = np.full((len(batch), *batch.grid.shape), np.nan, np.float32)
    fields = [batch.departures.get(name, absent) for name in names]
    return np.stack(fields, axis=1) if fields else np.empty((len(batch), 0, *batch.grid.shape))


def departure_files(
    departures: TrainingDepartures | None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Configuration and arrays of training departures, for `save_fitted`; empty for None."""
    if departures is None:
        return {}, {}
    arrays = {"departures": departures.values, "mean_departure": departures.mean}
    return {"departures": departures.names}, arrays


def departure_kinds(config: Mapping[str, Any]) -> dict[str, str]:
    """Arrays of training departures that belong to a configuration, for `load_fitted`."""
    return {"departures": "f", "mean_departure": "f"} if "departures" in config else {}


def departures_from_files(
    config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> TrainingDepartures | None:
    """Training departures again, from what `departure_files` gave."""
    if "departures" not in config:
        return None
    names = tuple(config["departures"])
    return TrainingDepartures(names, arrays["departures"], arrays["mean_departure"])
