"""The observations of one sample: H, y and R, at grid points or of a table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from dambench_hub.coordinates.bilinear import bilinear_weights
from dambench_hub.coordinates.places import on_unit_sphere
from dambench_hub.data.batch import Batch
from dambench_hub.estimation.iterative_gain import observed_scale
from dambench_hub.estimation.observation_covariance import floored
from dambench_hub.estimation.observed_columns import ObservedColumns, TableOperator
from dambench_hub.estimation.operators import Gain
from dambench_hub.observations.operators import GridSelection, ObservationOperator
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.table import ObservationTable


class TableRows(ObservationOperator):
    """H of a table as that of R kinds of observation, each at one point: (*, C, Y, X) to (*, R, 1).

    So each row has an error and a place of its own, as a channel has at points of its own.

    Args:
        H: The operator of the table.
    """

    def __init__(self, H: PointInterpolation) -> None:
        super().__init__(H.state_shape, (*H.observation_shape, 1))
        self.H, self.seen = H, H.seen[:, None]

    @cached_property
    def columns(self) -> ObservedColumns:
        """Rows and columns of H."""
        H, rows = self.H, np.arange(len(self.H.table))
        (latitude, longitude), place = _places(H.table)
        levels = np.zeros((len(rows), H.state_shape[0]))
        for four in (slice(0, 4), slice(4, 8)):  # the level above, and the one below
            channel = H.index[:, four.start] // H.grid.size
            np.add.at(levels, (rows, channel), H.weight[:, four].sum(axis=1))
        return ObservedColumns(*bilinear_weights(H.grid, latitude, longitude), place, levels)

    def _apply(self, state: np.ndarray) -> np.ndarray:
        return self.H(state)[..., None]

    def _adjoint(self, observations: np.ndarray) -> np.ndarray:
        return self.H.adjoint(observations[..., 0])


class Covariance(Protocol):
    """A covariance of states and its gains."""

    def gain(
        self, index: np.ndarray, error_std: np.ndarray, seen: np.ndarray | None = None
    ) -> Gain:
        """K for observations at grid points."""

    def gain_through(self, H: TableOperator, error_std: np.ndarray) -> Gain:
        """K for the rows of a table."""


@dataclass(frozen=True, eq=False)
class PointObservations:
    """y = H x + ε of one sample: M kinds of observation at P points, or R rows at one point each.

    What is not seen is 0 in y and in H x. So innovations y − H x^b are 0 there, as are the
    anomalies of members.

    Attributes:
        H: From states to (M, P); `H.seen` says what is seen, boolean, (M, P).
        values: y, float64, (M, P), finite.
        error_std: R½, (M,).
    """

    H: GridSelection | TableRows
    values: np.ndarray
    error_std: np.ndarray

    @property
    def shared_points(self) -> np.ndarray | None:
        """The grid points, (P,), where these are the same for all channels; else None."""
        if isinstance(self.H, GridSelection) and self.H.index.ndim == 1:
            return self.H.index
        return None

    def gain(self, P: Covariance, error_std: np.ndarray | None = None) -> Gain:
        """K of a covariance.

        Args:
            P: The covariance.
            error_std: R½, (M,), in place of that of the observations.
        """
        std = self.error_std if error_std is None else error_std
        if isinstance(self.H, GridSelection):
            return P.gain(self.H.index, std, self.H.seen)
        return P.gain_through(self.H, std)

    def floored_std(self, scale: np.ndarray) -> np.ndarray:
        """R½ raised to 1 % of a scale, (M,), that the channels' errors have, (C,)."""
        if isinstance(self.H, GridSelection):
            return floored(self.error_std, scale)
        return floored(self.error_std, observed_scale(self.H, scale, self.H.H.grid))

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the observations are.

        Returns:
            Unit vectors of K places, (K, 3), none twice; the place of each observation, (P,) where
            the channels share their points, or (M, P).
        """
        if isinstance(self.H, GridSelection):
            points, place = np.unique(self.H.index, return_inverse=True)
            return self.H.grid.unit_vectors()[points], place.reshape(self.H.index.shape)
        where, place = _places(self.H.H.table)
        return on_unit_sphere(*where), place[:, None]


def point_observations(batch: Batch, n: int) -> PointObservations:
    """Those of one sample: its table of reports where the batch has them, else at grid points.

    Rows of a table that the state says nothing of are not seen.

    Args:
        batch: Of numpy arrays.
        n: Number of the sample in the batch.
    """
    if batch.reports is not None:
        return _of_table(batch, batch.reports[n])
    values = batch.observation_values[n].astype(np.float64)
    seen = ~np.isnan(values)
    H = GridSelection(len(batch.channels), batch.grid, batch.observation_index[n], seen)
    return PointObservations(H, np.where(seen, values, 0.0), batch.observation_error_std)


def _of_table(batch: Batch, table: ObservationTable) -> PointObservations:
    interpolation = PointInterpolation(batch.channels, batch.grid, table, batch.elevation)
    H, y = TableRows(interpolation), table.value - interpolation.offset
    values = np.where(H.seen, y[:, None], 0.0)
    return PointObservations(H, values, table.error_std.astype(np.float64))


def _places(table: ObservationTable) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of all places, (2, P), none twice, and the place of each row, (R,)."""
    where = np.stack([table.latitude, table.longitude])
    places, place = np.unique(where, axis=1, return_inverse=True)
    return places, place.reshape(-1)
