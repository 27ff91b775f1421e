"""Stations off the grid, for twin experiments: what they see is not what H makes of grid values.

Real stations do not stand on grid points, and a bilinear H errs between them. So that a twin
experiment has this error, the reference is evaluated by the trigonometric polynomial through all of
its values, which is exact for scalars and winds of a spectral model.

Between the points of a 33×64 grid, the polynomial departs from the canonical world's own states by
0.12 of the standard deviation of the background's error (median of 69 channels), cubic splines by
as much, a least-squares fit of spherical harmonics by 0.33, and H by 0.54: R must hold that. What
the polynomial lacks are kinks, as of humidity that is cut off at zero and of levels that enter the
ground. See `benchmarks/off_grid.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.bilinear import nearest_points
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.regridding import WINDS
from dambench_hub.coordinates.trigonometric_interpolation import trigonometric_interpolation
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.errors import TaskError
from dambench_hub.observations.draws import draw_generator
from dambench_hub.observations.table import ObservationTable


@dataclass(frozen=True)
class OffGridNetwork:
    """Stations at random positions, uniform on the sphere, which see all channels at all times.

    With the same seed, a larger network holds every observation of a smaller one.

    Attributes:
        points: P, their number.
        seed: Of positions and errors.

    Raises:
        TaskError: When one is no such number.
    """

    points: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.points, int) or self.points < 1:
            raise TaskError(f"A network has one point or more, got {self.points}.")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise TaskError(f"seed is a whole number from 0 on, got {self.seed}.")

    @property
    def latitude(self) -> np.ndarray:
        """Degrees north, (P,)."""
        return np.rad2deg(np.arcsin(2 * self._uniform[:, 0] - 1))

    @property
    def longitude(self) -> np.ndarray:
        """Degrees east, 0 to 360 exclusive, (P,)."""
        return 360 * self._uniform[:, 1]

    @cached_property
    def _uniform(self) -> np.ndarray:
        return np.random.default_rng([self.seed]).random((self.points, 2))

    def cells(self, grid: Grid) -> np.ndarray:
        """Grid points whose cells have a station, row-major, ascending, int32, (P',)."""
        return np.unique(nearest_points(grid, self.latitude, self.longitude)).astype(np.int32)

    def exact(self, reference: np.ndarray, channels: Sequence[str], grid: Grid) -> np.ndarray:
        """The reference, (C, Y, X), at the stations, float64, (C, P)."""
        winds = np.array([c.variable.name in WINDS for c in parse_channels(list(channels))])
        return trigonometric_interpolation(reference, grid, self.latitude, self.longitude, winds)

    def observe(
        self,
        reference: np.ndarray,
        channels: Sequence[str],
        grid: Grid,
        error_std: np.ndarray,
        valid_time: np.datetime64,
        redraw: int | None = None,
    ) -> ObservationTable:
        """Observations of one state, the exact values and errors from N(0, error_std²).

        Args:
            reference: (C, Y, X), finite.
            channels: Names, (C,).
            grid: Y×X grid.
            error_std: Of the instruments, (C,), units of the channels, positive. R needs H's
                errors of interpolation beside.
            valid_time: When all are made; it keys the errors, together with the seed.
            redraw: Further key from 0 on, for other errors at the same time (an epoch).

        Returns:
            P·C rows, station by station; surface channels are of `synop`, others of `temp`.

        Raises:
            ChannelError: When a channel is unknown.
            DataError: When the time is no whole hour, or an error is not positive.
        """
        parsed = parse_channels(list(channels))
        levels = [np.nan if c.level is None else 100.0 * c.level for c in parsed]
        rng = draw_generator(self.seed, valid_time, redraw)
        # Station by station, so that a larger network starts with a smaller.
        error = rng.standard_normal((self.points, len(parsed))) * error_std
        stations = [f"P{number:05d}" for number in range(self.points)]
        return ObservationTable.from_columns(
            time=np.datetime64(valid_time),
            latitude=np.repeat(self.latitude, len(parsed)),
            longitude=np.repeat(self.longitude, len(parsed)),
            pressure=np.tile(levels, self.points),
            variable=np.tile([c.variable.name for c in parsed], self.points),
            value=(self.exact(reference, channels, grid).T + error).reshape(-1),
            error_std=np.tile(error_std, self.points),
            station=np.repeat(stations, len(parsed)),
            report=np.tile(["synop" if c.level is None else "temp" for c in parsed], self.points),
        )
