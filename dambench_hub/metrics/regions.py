"""Errors by region: tropics, extratropics of both hemispheres, poles.

The mean over the sphere hides that winds of the tropics obey no balance, and that the poles have
many rows and little area. Every row belongs to one region, so that with area weights the mean
squares of the regions add to that of the sphere.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.metrics.streaming import StreamingScore

TROPICS = 20.0
"""Degrees from the equator up to which the tropics reach, the border included."""
POLES = 65.0
"""Degrees from the equator from which on it is polar, the border included."""


def region_rows(grid: Grid) -> dict[str, np.ndarray]:
    """Which rows belong to which region, boolean, (Y,) each.

    Args:
        grid: Y×X grid with poles.

    Returns:
        `tropics`, `north` and `south` (the extratropics), and `poles` (both); on a very coarse
        grid a region may have no row.
    """
    latitude = grid.latitude
    tropics, poles = np.abs(latitude) <= TROPICS, np.abs(latitude) >= POLES
    between = ~tropics & ~poles
    return {
        "tropics": tropics,
        "north": between & (latitude > 0),
        "south": between & (latitude < 0),
        "poles": poles,
    }


class RegionErrors(StreamingScore):
    """Root-mean-square error by region and channel, fed batch by batch.

    Args:
        channels: Names of the C channels.
        grid: Y×X grid with poles.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
    """

    def update(self, analysis: np.ndarray, reference: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X), physical units; of an ensemble, its mean.
            reference: x, (N, C, Y, X).

        Raises:
            ScoreError: When shapes or labels do not fit, or a value is not finite or a fill value.
        """
        self._add(analysis=analysis, reference=reference)

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Mean squares of one sample's error along circles of latitude, (C, Y)."""
        error = np.subtract(*fields, dtype=np.float64)
        return {"square": np.einsum("cyx,cyx->cy", error, error) / self.grid.longitudes}

    def compute(self) -> dict[str, dict[str, float]]:
        """Area-weighted RMSE pooled over samples, physical units.

        Returns:
            By region (see `region_rows`), then by channel; regions without a row are absent.

        Raises:
            ScoreError: When nothing was added.
        """
        square, weights = self.mean("square"), self.grid.weights
        return {
            region: self._named(np.sqrt(np.average(square[:, rows], 1, weights[rows])))
            for region, rows in region_rows(self.grid).items()
            if rows.any()
        }
