"""The observation operator of tables: a state at points anywhere, bilinear, and linear in ln p.

Nothing is extrapolated. Of what the state cannot say H x is 0 and Hᵀ y has nothing, whatever y is
there, and `seen` is False: the operator has a row for each row of its table, so that both stay
aligned. `coverage` has the reasons; `table.where(H.seen)` is the table without those rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_array

from dambench_hub.coordinates.bilinear import bilinear_weights, interpolate
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.standard_atmosphere import pressure_at
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.errors import DataError
from dambench_hub.observations.height_correction import height_offset
from dambench_hub.observations.operators import ObservationOperator
from dambench_hub.observations.table import ObservationTable

ROUNDING = 1e-6
"""Of a pressure, which tables hold in single precision: as near to a level, it is that of it."""


class Coverage(IntEnum):
    """Why a state says something of an observation, or not.

    Attributes:
        SEEN: It does.
        NO_CHANNEL: No channel is of its variable.
        BEYOND_LEVELS: Its pressure is above the highest level, or below the lowest.
        BELOW_GROUND: Its pressure is that of a place in the model's ground.
    """

    SEEN = 0
    NO_CHANNEL = 1
    BEYOND_LEVELS = 2
    BELOW_GROUND = 3


class PointInterpolation(ObservationOperator):
    """H of R observations, each a weighted mean of up to eight values: (*, C, Y, X) to (*, R).

    Bilinear in latitude and longitude, see `coordinates/bilinear.py`, also for poles; then linear
    in ln p between the two levels of the variable around the pressure. Weights are not negative,
    and their sum is 1 where `seen`. Single and double precision stay what they are.

    Args:
        channels: Names of the state's channels, (C,).
        grid: Y×X grid of the state.
        table: R observations.
        elevation: Of the model's ground above sea level, m, (Y, X), if known: temperatures at 2 m
            then have an `offset`, and what lies in the ground is not seen. That is judged by the
            standard atmosphere, a few percent from the weather's pressure, as H must not depend on
            the state.

    Raises:
        ChannelError: When a channel is unknown or stands there twice.
        DataError: When the elevation is not on the grid.
    """

    def __init__(
        self,
        channels: Sequence[str],
        grid: Grid,
        table: ObservationTable,
        elevation: np.ndarray | None = None,
    ) -> None:
        super().__init__((len(channels), *grid.shape), (len(table),))
        self.channels, self.grid = tuple(channels), grid
        self.table, self.elevation = table, elevation
        if elevation is not None and np.shape(elevation) != grid.shape:
            raise DataError(
                f"The elevation of the model's ground must be on its grid {grid}, in m; got shape "
                f"{np.shape(elevation)}."
            )
        above, below, share, self.coverage = self._between_levels()
        points, weights = bilinear_weights(grid, table.latitude, table.longitude)
        weights = np.where(self.seen[:, None], weights, 0)
        self.index = np.concatenate([n[:, None] * grid.size + points for n in (above, below)], 1)
        shares = np.stack([1 - share, share], axis=1)
        self.weight = (shares[:, :, None] * weights[:, None]).reshape(-1, 8)

    def __repr__(self) -> str:
        channels, _, _ = self.state_shape
        rows, seen = len(self.table), int(self.seen.sum())
        return f"PointInterpolation({rows} rows, {seen} seen, {channels} channels, {self.grid})"

    @cached_property
    def seen(self) -> np.ndarray:
        """Of which rows the state says something, bool, (R,)."""
        return self.coverage == Coverage.SEEN

    @property
    def counts(self) -> dict[str, int]:
        """Rows by the name of their coverage, in lower case; the names of those that there are."""
        numbers = np.bincount(self.coverage, minlength=len(Coverage))
        return {c.name.lower(): int(numbers[c]) for c in Coverage if numbers[c]}

    @cached_property
    def offset(self) -> np.ndarray:
        """What y has beside H x by the height of stations, float64, (R,); see `height_offset`."""
        if self.elevation is None:
            return np.zeros(len(self.table))
        return height_offset(self.table, self.grid, self.elevation)

    @cached_property
    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """Channel and grid point, row-major y·X + x, that count most in each row, (R,) each."""
        most = np.take_along_axis(self.index, self.weight.argmax(axis=1)[:, None], axis=1)
        return np.divmod(most[:, 0], self.grid.size)

    @cached_property
    def matrix(self) -> csr_array:
        """H as a sparse matrix, (R, C·Y·X), float64; a row that is not seen is empty."""
        used = self.weight != 0
        ends = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
        shape = (len(self.table), math.prod(self.state_shape))
        return csr_array((self.weight[used], self.index[used], ends), shape=shape)

    @cached_property
    def _single(self) -> csr_array:
        return self.matrix.astype(np.float32)

    def _apply(self, state: np.ndarray) -> np.ndarray:
        flat = state.reshape(-1, self.matrix.shape[1])
        H = self._matrix(state.dtype)
        seen = np.empty((len(flat), H.shape[0]), H.dtype)
        for one, out in zip(flat, seen, strict=True):
            out[:] = H @ one
        return seen.reshape(*state.shape[:-3], *self.observation_shape)

    def _adjoint(self, observations: np.ndarray) -> np.ndarray:
        flat = observations.reshape(math.prod(observations.shape[:-1]), -1)
        H = self._matrix(observations.dtype)
        states = np.empty((len(flat), H.shape[1]), H.dtype)
        for one, out in zip(flat, states, strict=True):
            out[:] = H.T @ one
        return states.reshape(*observations.shape[:-1], *self.state_shape)

    def _matrix(self, dtype: DTypeLike) -> csr_array:
        return self._single if np.result_type(dtype, np.float32) == np.float32 else self.matrix

    def _between_levels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Channels above and below each row, the share of that below, and `coverage`, (R,) each."""
        rows = len(self.table)
        above, below = np.zeros((2, rows), np.int64)
        share, coverage = np.zeros(rows), np.full(rows, Coverage.NO_CHANNEL, np.uint8)
        log_pressure = np.log(self.table.pressure.astype(np.float64))
        for variable, (levels, positions) in channels_by_variable(self.channels).items():
            of = np.flatnonzero(self.table.is_of("variable", variable))
            if not len(of):
                continue
            if np.isnan(levels[0]):
                above[of] = below[of] = positions[0]
                coverage[of] = Coverage.SEEN
                continue
            place = np.interp(log_pressure[of], levels, np.arange(len(levels)))
            upper = np.minimum(place.astype(int), max(len(levels) - 2, 0))
            above[of] = positions[upper]
            below[of] = positions[np.minimum(upper + 1, len(levels) - 1)]
            share[of] = place - upper
            beyond = (log_pressure[of] < levels[0] - ROUNDING) | (
                log_pressure[of] > levels[-1] + ROUNDING
            )
            coverage[of] = np.where(beyond, Coverage.BEYOND_LEVELS, Coverage.SEEN)
        coverage[(coverage == Coverage.SEEN) & self._in_the_ground()] = Coverage.BELOW_GROUND
        return above, below, share, coverage

    def _in_the_ground(self) -> np.ndarray:
        if self.elevation is None:
            return np.zeros(len(self.table), bool)
        place = self.table.latitude, self.table.longitude
        return self.table.pressure > pressure_at(interpolate(self.elevation, self.grid, *place))


def channels_by_variable(channels: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The levels of each variable as ln p, p in Pa, ascending, and the positions of their channels.

    (L,) each; of a variable without levels NaN and its one position.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
    """
    parsed = parse_channels(list(channels))
    names = np.array([channel.variable.name for channel in parsed])
    levels = np.log([100.0 * channel.level if channel.level else np.nan for channel in parsed])
    order = np.argsort(levels)
    positions = {str(name): order[names[order] == name] for name in np.unique(names)}
    return {name: (levels[its], its) for name, its in positions.items()}
