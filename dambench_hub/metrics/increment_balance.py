"""Balance of increments: do wind and geopotential change together, as in the atmosphere?

Away from the equator large-scale wind is nearly geostrophic, and so are the errors of a forecast.
An analysis that corrects wind and geopotential apart from each other excites gravity waves, which
carry the correction away within hours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dambench_hub.coordinates.geostrophic_wind import GeostrophicWind
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import ScoreError
from dambench_hub.metrics.streaming import StreamingScore

LATITUDES = (20.0, 80.0)
"""Degrees from the equator between which balance is asked for, borders included."""


class IncrementBalance(StreamingScore):
    """Correlation of wind increments with the geostrophic wind of geopotential's increments.

    Args:
        channels: Names of the C channels, among them z, u and v of one level or more.
        grid: Y×X grid with poles.

    Raises:
        ChannelError: When a name is unknown or stands there twice, or there is none.
        ScoreError: When no level has z, u and v.
    """

    def __init__(self, channels: Sequence[str], grid: Grid) -> None:
        super().__init__(channels, grid)
        position = {name: n for n, name in enumerate(self.channels)}
        levels = [name[1:] for name in self.channels if name.startswith("z")]
        levels = [level for level in levels if {f"u{level}", f"v{level}"} <= set(position)]
        if not levels:
            raise ScoreError(
                f"No level has z, u and v among the channels {', '.join(self.channels)}; "
                "balance needs all three."
            )
        self.names = tuple(f"{component}{level}" for component in "uv" for level in levels)
        self._z = [position[f"z{level}"] for level in levels]
        self._wind = [position[name] for name in self.names]
        lowest, highest = LATITUDES
        self._rows = (np.abs(grid.latitude) >= lowest) & (np.abs(grid.latitude) <= highest)
        self._geostrophic = GeostrophicWind(grid)

    def update(self, analysis: np.ndarray, background: np.ndarray) -> None:
        """Add a batch; all of it, or nothing when it has an error.

        Args:
            analysis: x̂, (N, C, Y, X), physical units; of an ensemble, its mean.
            background: (N, C, Y, X).

        Raises:
            ScoreError: When shapes or labels do not fit, or a value is not finite or a fill value.
        """
        self._add(analysis=analysis, background=background)

    def statistics(self, *fields: np.ndarray) -> dict[str, np.ndarray]:
        """Weighted sums of one sample's products, for u and then v of the levels, (2L,) each."""
        increment = np.subtract(*fields, dtype=np.float64)
        wind = increment[self._wind][:, self._rows]
        geostrophic = np.concatenate(self._geostrophic(increment[self._z]))[:, self._rows]
        weights = self.grid.weights[self._rows]
        products = {
            "wind": (wind, wind),
            "geostrophic": (geostrophic, geostrophic),
            "cross": (wind, geostrophic),
        }
        return {
            name: np.einsum("cyx,cyx,y->c", one, other, weights)
            for name, (one, other) in products.items()
        }

    def compute(self) -> dict[str, float]:
        """Correlations about zero, pooled over samples and both hemispheres' `LATITUDES`.

        Returns:
            By channel of u and v, between −1 and 1; absent where either has no increment.

        Raises:
            ScoreError: When nothing was added.
        """
        norm = np.sqrt(self.mean("wind") * self.mean("geostrophic"))
        cross = self.mean("cross")
        return {
            name: float(np.clip(cross[n] / norm[n], -1, 1))
            for n, name in enumerate(self.names)
            if norm[n] > 0
        }
