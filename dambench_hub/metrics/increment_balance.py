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
        self._matrices = GeostrophicWind(grid).matrices(self._rows)

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
        analysis, background = fields
        M, rows, weights = len(self._matrices), self._rows, self.grid.weights[self._rows]
        levels = len(self._z)
        square = np.empty(2 * levels)
        z = np.empty((levels, 2, M, self.grid.latitudes))
        wind = np.empty((2, levels, 2, M, rows.sum()))  # û, and i v̂
        for n, channel in enumerate(self._z):
            modes = _modes(np.subtract(analysis[channel], background[channel], dtype=float), M)
            z[n] = modes.real, modes.imag
        for n, channel in enumerate(self._wind):
            field, reference = analysis[channel][rows], background[channel][rows]
            increment = np.subtract(field, reference, dtype=np.float64)
            square[n] = np.einsum("yx,yx->y", increment, increment) @ weights
            modes, (component, level) = _modes(increment, M), divmod(n, levels)
            wind[component, level] = (
                (-modes.imag, modes.real) if component else (modes.real, modes.imag)
            )
        return {"wind": square} | self._geostrophic_products(z, wind, weights)

    def _geostrophic_products(
        self, z: np.ndarray, wind: np.ndarray, weights: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Sums of the geostrophic wind's squares, and of its products with the wind (Parseval)."""
        products = np.zeros((2, *wind.shape[:2]))
        for m, matrix in enumerate(self._matrices):
            parts = np.concatenate([z[:, 0, m], z[:, 1, m]]) @ matrix.T
            geostrophic = parts.reshape(2, len(z), 2, -1)  # parts, levels, components, rows
            both = 2 - (m == 0)
            products[0] += both * np.einsum("plcr,plcr,r->cl", geostrophic, geostrophic, weights)
            products[1] += both * np.einsum(
                "plcr,clpr,r->cl", geostrophic, wind[:, :, :, m], weights
            )
        geostrophic, cross = products.reshape(2, -1) / self.grid.longitudes
        return {"geostrophic": geostrophic, "cross": cross}

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


def _modes(field: np.ndarray, count: int) -> np.ndarray:
    """Fourier coefficients along circles, (count, Y), of the first wavenumbers."""
    return np.fft.rfft(field)[:, :count].T
