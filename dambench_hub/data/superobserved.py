"""Reports as observations at grid points, for networks that know no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.superobservations import superobservations


def superobserved(batch: Batch) -> Batch:
    """The batch with means of its reports in the cells of the grid as observations there.

    All grid points are given, those without an observation as not seen. A channel has one error:
    the root mean square of those of its means; where there is none, that of the batch stays. The
    reports stay, too.

    Args:
        batch: Of numpy arrays, with reports.

    Raises:
        DataError: When it has no reports.
    """
    if batch.reports is None:
        raise DataError("The batch has no reports to be averaged.")
    means = [
        superobservations(
            PointInterpolation(batch.channels, batch.grid, table, batch.elevation), background
        )
        for table, background in zip(batch.reports, batch.background, strict=True)
    ]
    shape = (len(batch), len(batch.channels), batch.grid.size)
    values = np.stack([mean.values for mean in means]).reshape(shape)
    observed = np.stack([mean.observed for mean in means]).reshape(shape)
    errors = np.stack([mean.error_std for mean in means]).reshape(shape)
    points = np.arange(batch.grid.size, dtype=np.int32)
    count = observed.sum(axis=(0, 2))
    square = np.where(observed, errors, 0.0).astype(np.float64) ** 2
    std = np.sqrt(square.sum(axis=(0, 2)) / np.maximum(count, 1))
    return replace(
        batch,
        observation_index=np.tile(points, (len(batch), 1)),
        observation_values=np.where(observed, values, np.float32(np.nan)),
        observation_error_std=np.where(count, std, batch.observation_error_std),
    )
