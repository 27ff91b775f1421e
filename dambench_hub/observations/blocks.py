"""Means over blocks of grid points: what an instrument of coarse resolution sees.

Blocks are the cells of a coarser grid with poles, each r grid points high and wide about a grid
point, its *centre*; those at the poles are sectors of a cap. A mean is weighted by area.

Methods know observations at points. They get a block's mean y at its centre c as

    y' = x^b(c) + y − (mean of x^b over the block)

so that the departure from the background, y' − x^b(c), is that of the block's mean. It tells the
background's error e at the centre but for e(c) − (mean of e), which is part of R.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.grids import Grid, latitude_overlaps, longitude_overlaps
from dambench_hub.errors import TaskError

REPRESENTATIVENESS_PER_DEGREE = 0.0235
"""Standard deviation of e(c) − (mean of e) over that of e, for each degree of latitude that a block
is high, up to 1. On training days of `mini` it is 0.26 for 11.25° and 0.53 for 22.5°, the median of
the channels; they range from 0.12 to 0.41 and from 0.25 to 0.68."""


def block_width(density: float) -> int:
    """r, of a share 1 / r² of the grid points.

    Raises:
        TaskError: When there is no such r from 2 on.
    """
    width = round(density**-0.5)
    if width < 2 or abs(width**-2 / density - 1) > 1e-3:
        raise TaskError(
            f"Blocks of r × r grid points have a density of 1 / r², for r = 2, 3 or 4 0.25, 0.1111 "
            f"or 0.0625; got {density}."
        )
    return width


@dataclass(frozen=True)
class Blocks:
    """Blocks that cover the globe.

    Attributes:
        of: Y×X grid of the state.
        density: 1 / r².

    Raises:
        TaskError: When r does not divide Y − 1 and X, or leaves less than a grid.
    """

    of: Grid
    density: float

    def __post_init__(self) -> None:
        rows, columns, width = self.of.latitudes - 1, self.of.longitudes, self.width
        if rows % width or columns % width or rows < 2 * width or columns < 2 * width:
            raise TaskError(
                f"Blocks of {width}×{width} grid points do not fit the grid {self.of}: they need a "
                "divisor of Y − 1 and of X. Choose another density, 1 / r²."
            )

    @property
    def width(self) -> int:
        """R."""
        return block_width(self.density)

    @property
    def grid(self) -> Grid:
        """The grid of the blocks, Y'×X'."""
        return Grid((self.of.latitudes - 1) // self.width + 1, self.of.longitudes // self.width)

    @property
    def centres(self) -> np.ndarray:
        """Grid points in the middle of the blocks, row-major, ascending, int32, (P,)."""
        points = np.arange(self.of.size, dtype=np.int32).reshape(self.of.shape)
        return points[:: self.width, :: self.width].reshape(-1)

    def means(self, state: np.ndarray) -> np.ndarray:
        """Area-weighted means over the blocks, float64, from (*, Y, X) to (*, P)."""
        means = self._rows @ state.astype(np.float64) @ self._columns.T
        return means.reshape(*state.shape[:-2], -1)

    def at_centres(self, means: np.ndarray, background: np.ndarray) -> np.ndarray:
        """y', float32, (C, P), from means y, (C, P), and x^b, (C, Y, X)."""
        centre = background.reshape(len(background), -1)[:, self.centres]
        return (means + (centre - self.means(background))).astype(np.float32)

    @property
    def representativeness(self) -> float:
        """Standard deviation of e(c) − (mean of e), as a share of that of e."""
        degrees = 180 / (self.grid.latitudes - 1)
        return min(1.0, REPRESENTATIVENESS_PER_DEGREE * degrees)

    @cached_property
    def _rows(self) -> np.ndarray:
        return latitude_overlaps(self.grid.latitude, self.of.latitude)

    @cached_property
    def _columns(self) -> np.ndarray:
        return longitude_overlaps(self.grid.longitude, self.of.longitude)
