"""Background errors of a training split, which classical methods are fitted to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Batch
from dambench_hub.dynamics.model_view import ModelView
from dambench_hub.errors import DataError, TaskError


def background_errors(
    training: Iterable[Batch], what: str
) -> Iterator[tuple[Batch, np.ndarray, int]]:
    """Background − reference of all training samples.

    Args:
        training: Batches of the training split, with their references.
        what: Is fitted, for messages.

    Yields:
        The sample's batch; its error, float64, (C, Y, X); its valid time, hours since 1970-01-01.

    Raises:
        TaskError: When there is no training sample, or one without its reference.
    """
    batch = None
    for batch in training:
        if batch.reference is None:
            raise TaskError("Fitting needs the reference, and a training batch has none.")
        for n, hours in enumerate(map(int, hours_since_epoch(batch.time))):
            yield batch, batch.background[n].astype(np.float64) - batch.reference[n], hours
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
