"""The network that the cycled ensemble lives on: soundings, many over some lands, few over seas.

It stands for the observations that a forecast centre had before those of the benchmark, which come
on top. Stations stay where they are; what they report has errors drawn for each day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS

LEVELS = {name: (50, 100, 200, 300, 500, 700, 850) for name in "uvt"} | {
    "q": (200, 300, 500, 700, 850)
}
"""What a sounding reports, hPa; surface pressure, as `msl`, beside."""

ERROR_STD = {"u": 1.5, "v": 1.5, "t": 0.8, "q": 5e-4, "msl": 100.0}
"""Standard deviation of what is reported, m s⁻¹, K, kg kg⁻¹, Pa."""


@dataclass(frozen=True, eq=False)
class Soundings:
    """Stations on a grid, and what they report.

    Attributes:
        grid: Y×X grid.
        stations: Grid points, row-major, ascending, (P,).
    """

    grid: Grid
    stations: np.ndarray

    @property
    def channels(self) -> list[int]:
        """Places of the reported channels among the 69 standard ones, (C,)."""
        names = [f"{name}{level}" for name, levels in LEVELS.items() for level in levels]
        return [STANDARD_CHANNELS.index(name) for name in (*names, "msl")]

    @property
    def error_std(self) -> np.ndarray:
        """Root of R's diagonal, (C,), units of the channels."""
        names = [STANDARD_CHANNELS[channel].rstrip("0123456789") for channel in self.channels]
        return np.array([ERROR_STD[name] for name in names])

    def see(self, fields: np.ndarray) -> np.ndarray:
        """H(x): the 69 channels, (*, 69, Y, X), at the stations, float64, (*, C, P)."""
        flat = fields.reshape(*fields.shape[:-2], -1)[..., self.channels, :]
        return flat[..., self.stations].astype(np.float64)

    def observe(self, fields: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Observations y = H(x) + ε, ε ~ N(0, R), of one state, (C, P)."""
        seen = self.see(fields)
        return seen + self.error_std[:, None] * rng.standard_normal(seen.shape)


def sounding_network(
    grid: Grid, land: np.ndarray, rng: np.random.Generator, times: float = 1.0
) -> Soundings:
    """Stations drawn once: a share of the grid points, times cos φ / cos 45° from 45° to the poles.

    The share is 24 % on land from 20° to 75° N, 12 % on other land, 6 % at sea from 20° S northward
    (islands and ships), and 3 % at sea south of it.

    Args:
        grid: Y×X grid.
        land: Land fraction, 0 to 1, (Y, X).
        rng: Keyed by the seed only.
        times: A factor of all shares.
    """
    latitude = np.broadcast_to(grid.latitude[:, None], grid.shape)
    north = (latitude >= 20) & (latitude <= 75)
    at_sea = np.where(latitude >= -20, 0.06, 0.03)
    share = np.where(land > 0.5, np.where(north, 0.24, 0.12), at_sea)
    # Grid points crowd towards the poles, and stations do not.
    share = share * np.minimum(1, np.cos(np.deg2rad(latitude)) / np.cos(np.pi / 4))
    return Soundings(grid, np.flatnonzero(rng.random(grid.shape) < times * share))
