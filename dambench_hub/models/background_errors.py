"""Background errors of a training split, which classical methods are fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Batch
from dambench_hub.dynamics.model_view import ModelView
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.modality_fields import departure_fields


def background_errors(
    training: Iterable[Batch], what: str
) -> Iterator[tuple[Batch, np.ndarray, int, np.ndarray]]:
    """Background − reference of all training samples, and their departures.

    Args:
        training: Batches of the training split, with their references.
        what: Is fitted, for messages.

    Yields:
        The sample's batch; its error, float64, (C, Y, X); its valid time, hours since 1970-01-01;
        its departures in the order of the batch's modalities, (F, Y, X), NaN where there is none.

    Raises:
        TaskError: When there is no training sample, or one without its reference.
    """
    batch = None
    for batch in training:
        if batch.reference is None:
            raise TaskError("Fitting needs the reference, and a training batch has none.")
        departures = departure_fields(batch, tuple(batch.modalities))
        for n, hours in enumerate(map(int, hours_since_epoch(batch.time))):
            error = batch.background[n].astype(np.float64) - batch.reference[n]
            yield batch, error, hours, departures[n]
    if batch is None:
        raise TaskError(f"{what} needs training samples, got none.")


def require_same(channels: tuple[str, ...], grid: Grid, given: Batch | ModelView) -> None:
    """Refuse a batch or a model of other channels or another grid than a method was fitted to.

    Raises:
        DataError: When it is one.
    """
    if given.channels != channels or given.grid != grid:
        raise DataError(
            f"Fitted to {len(channels)} channels on {grid}, got {len(given.channels)} channels on "
            f"{given.grid}, or others; fit to this data set."
        )
