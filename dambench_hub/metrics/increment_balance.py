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
from dambench_hub.coordinates.parity import parity_matrices
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
        north = (grid.latitude >= lowest) & (grid.latitude <= highest)
        self._north = slice(first := int(north.argmax()), first + int(north.sum()))
        self._root_area = np.sqrt(grid.weights[north] / 2)[:, None]
        self._matrices = _by_parity(GeostrophicWind(grid).matrices(north), self._root_area)

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
        z, wind, square = self._modes(*fields)
        M, levels = len(z), len(self._z)
        geostrophic = (z.reshape(M, 2, 2 * levels, -1) @ self._matrices).reshape(wind.shape)
        geostrophic[0] /= np.sqrt(2)  # all waves but the mean stand for their conjugates, too
        wind[0] /= np.sqrt(2)
        return {
            "wind": square.ravel(),
            "geostrophic": self._sums(geostrophic * geostrophic),
            "cross": self._sums(geostrophic * wind),
        }

    def _modes(
        self, analysis: np.ndarray, background: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fourier coefficients of increments along circles, parts about the equator apart.

        Returns:
            Of geopotential: wavenumbers, parities, parts, levels, northern rows (Y + 1) // 2.
            Of wind, û and i v̂: wavenumbers, parity of u, parts, levels, components, northern rows
            of `LATITUDES`, times the root of half their area. And the wind's area-weighted squares,
            summed, (2, levels).
        """
        levels, areas = len(self._z), len(self._root_area)
        M, _, half, _ = self._matrices.shape
        z = np.empty((M, 2, 2, levels, half))
        wind = np.empty((M, 2, 2, levels, 2, areas))
        square = np.empty((2, levels))
        for level, channel in enumerate(self._z):
            parts = _increment_parts(analysis[channel], background[channel], slice(half))
            modes = np.moveaxis(np.fft.rfft(parts)[..., :M], -1, 0)
            z[:, :, 0, level], z[:, :, 1, level] = modes.real, modes.imag
        for number, channel in enumerate(self._wind):
            component, level = divmod(number, levels)
            parts = _increment_parts(analysis[channel], background[channel], self._north)
            parts *= self._root_area
            square[component, level] = np.vdot(parts, parts)
            modes = np.moveaxis(np.fft.rfft(parts)[..., :M], -1, 0)
            if component:
                modes = 1j * modes[:, ::-1]
            wind[:, :, 0, level, component] = modes.real
            wind[:, :, 1, level, component] = modes.imag
        return z, wind, square

    def _sums(self, products: np.ndarray) -> np.ndarray:
        """Sums over the sphere by Parseval, of u and then v of the levels, (2L,)."""
        by_level = products.sum(axis=(0, 1, 2, 5)) * 2 / self.grid.longitudes
        return by_level.T.ravel()

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


def _increment_parts(analysis: np.ndarray, background: np.ndarray, north: slice) -> np.ndarray:
    """`parity_parts` of an increment on some northern rows, (2, rows, X) float64."""
    fields = (analysis, background), (analysis[::-1], background[::-1])
    n, s = (np.subtract(a[north], b[north], dtype=np.float64) for a, b in fields)
    parts = np.stack([n, n])
    parts[0] += s
    parts[1] -= s
    return parts


def _by_parity(matrices: list[np.ndarray], root_area: np.ndarray) -> np.ndarray:
    """Wind's parts about the equator from those of geopotential, for products of matrices.

    An even geopotential has an even u and an odd v, both on northern rows twice what they are in
    `parity_parts`.

    Args:
        matrices: For each wavenumber, from all rows to (û, i v̂) of R northern ones, (2R, Y).
        root_area: What rows are multiplied with, (R, 1).

    Returns:
        (wavenumbers, 2, (Y + 1) // 2, 2R).
    """
    scale = 2 * np.tile(root_area, (2, 1))
    parts = [[(scale * part).T for part in parity_matrices(matrix)] for matrix in matrices]
    return np.array(parts)
