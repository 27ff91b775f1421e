"""Optimal interpolation of reports from the surface, where nothing is there to learn from."""

from __future__ import annotations

from typing import Any

import numpy as np

from dambench_hub.coordinates.places import on_unit_sphere
from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.data.batch import Analysis, Batch
from dambench_hub.errors import DataError, TaskError
from dambench_hub.estimation.point_covariance import FEWEST, fit_point_covariance
from dambench_hub.models.base import Assimilator
from dambench_hub.observations.point_interpolation import PointInterpolation

MOST = 10_000
"""Reports of a channel: their covariance is a matrix of 0.8 GB."""


class StationInterpolation(Assimilator):
    """x^a = x^b + B Hᵀ (H B Hᵀ + R)⁻¹ (y − H x^b), for each channel alone.

    It is `optimal_interpolation` for data sets without a training split: B, exponential in
    distance, and the scale of R are those that make the innovations of the same time likeliest. H
    brings temperatures to the stations' heights, see `height_correction`.
    """

    name = "optimal_interpolation"

    def assimilate(self, batch: Batch, generator: Any = None) -> Analysis:
        """See `Assimilator.assimilate`; nothing is drawn.

        A channel with too few reports for an estimate stays as it is.

        Raises:
            DataError: When the batch has no reports, or more than `MOST` of a channel.
            TaskError: When a channel is on a level.
        """
        if batch.reports is None:
            raise DataError("The batch has no reports; give a data set that has some.")
        if upper := [name for name in batch.channels if parse_channel(name).level]:
            raise TaskError(
                f"Without a training split, optimal_interpolation takes channels at the surface "
                f"only, got {', '.join(upper)}. Give a data set with a training split."
            )
        mean = batch.background.copy()
        places = batch.grid.unit_vectors()
        for n, table in enumerate(batch.reports):
            H = PointInterpolation(batch.channels, batch.grid, table, batch.elevation)
            innovation = table.value - H(batch.background[n].astype(np.float64)) - H.offset
            for channel, name in enumerate(batch.channels):
                rows = np.flatnonzero(H.seen & table.is_of("variable", name))
                if len(rows) < FEWEST:
                    continue
                if len(rows) > MOST:
                    raise DataError(
                        f"There are {len(rows)} reports of {name}; this solves for all of them at "
                        f"once, and for {MOST} at most. Thin them out, or take a smaller region."
                    )
                stations = on_unit_sphere(table.latitude[rows], table.longitude[rows])
                error_std = table.error_std[rows].astype(np.float64)
                B = fit_point_covariance(stations, innovation[rows], error_std)
                weights = B.weights(stations, innovation[rows], error_std)
                for y, row in enumerate(places.reshape(*batch.grid.shape, 3)):
                    mean[n, channel, y] += B(row, stations) @ weights
        return Analysis(mean=mean, time=batch.time)
