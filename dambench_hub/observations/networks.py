"""Where observations are, what is seen there, and the values measured.

Everything random is keyed by (seed, valid time), never by call order: the observations of a day are
the same whoever draws them, in any batch, process or epoch. Networks of points are *nested*: with
the same seed, a denser network holds every observation of a sparser one, values included.

The network `network` is of two instruments. Surface stations stand at all of its points and see the
channels without a level (u10, v10, t2m, msl); at every fourth, a radiosonde sees the others. Each
channel so belongs to one instrument, and R has one value for it. A station's error is twice a
radiosonde's, in units of the background's error: its surroundings are not those of a grid box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.observations.blocks import Blocks, block_width
from dambench_hub.observations.draws import draw_generator
from dambench_hub.observations.off_grid_network import OffGridNetwork
from dambench_hub.runtime.settings import refuse_unknown

Network = Literal["column", "stations", "iid", "network", "blocks", "off_grid"]

RADIOSONDE_SHARE = 0.25
"""Of the points of `network`."""
STATION_ERROR = 2.0
"""Of a surface station in `network`, as a multiple of `error_scale`."""


@dataclass(frozen=True)
class ObservationSettings:
    """What is observed, and how well.

    Attributes:
        network: `column`, new random grid points each time, shared by all channels; `stations`, the
            same irregular network at all times; `iid`, new random points for each channel;
            `network`, the points of `stations`, of which a quarter sees more than the surface;
            `blocks`, means over blocks of r × r grid points that cover the globe, see `Blocks`;
            `off_grid`, stations between the grid points, the same at all times, see
            `OffGridNetwork`: data sets give them as tables, and as means on the grid.
        density: Share of the grid points that is observed, 0 < density ≤ 1; of `blocks` 1 / r²;
            of `off_grid` stations for each grid point.
        error_scale: Standard deviation of an instrument's error, in units of the background error's
            (of a station in `network`, twice as much).
        seed: Makes other observations of the same world.

    Raises:
        TaskError: When a value is out of range.
    """

    network: Network = "column"
    density: float = 0.05
    error_scale: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in get_args(Network):
            known = get_args(Network)
            advice = did_you_mean(str(self.network), known)
            raise TaskError(f"Unknown network {self.network!r}. {advice}")
        if not 0 < self.density <= 1:
            raise TaskError(
                f"density is a share of the grid, 0 < density <= 1, got {self.density}."
            )
        if self.network == "blocks":
            block_width(self.density)
        if not 0 <= self.error_scale < np.inf:
            raise TaskError(f"error_scale is a number from 0 on, got {self.error_scale}.")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise TaskError(f"seed is a whole number from 0 on, got {self.seed}.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ObservationSettings:
        """The settings written in a manifest or task file.

        Raises:
            TaskError: When a key is unknown or a value out of range.
        """
        refuse_unknown(values, [field.name for field in fields(cls)], "observations", TaskError)
        return cls(**values)

    def points(self, grid: Grid) -> int:
        """P, the number of observed points (for each channel); at least one.

        Of `off_grid` the cells that have a station.

        Raises:
            TaskError: When blocks do not fit the grid.
        """
        if self.network == "blocks":
            return Blocks(grid, self.density).grid.size
        if self.network == "off_grid":
            return len(self.stations(grid).cells(grid))
        return max(1, round(self.density * grid.size))

    def stations(self, grid: Grid) -> OffGridNetwork:
        """Those of `off_grid`."""
        return OffGridNetwork(max(1, round(self.density * grid.size)), self.seed)

    def instrument_error_std(
        self, background_error_std: np.ndarray, channels: Sequence[str]
    ) -> np.ndarray:
        """Standard deviation of what instruments add to what they see, (C,).

        Args:
            background_error_std: Of the background's errors, (C,).
            channels: Their names, (C,).
        """
        std = self.error_scale * background_error_std
        return np.where(at_surface(channels), STATION_ERROR * std, std) if self.mixed else std

    def observation_error_std(
        self, background_error_std: np.ndarray, channels: Sequence[str], grid: Grid
    ) -> np.ndarray:
        """R½, (C,): the instruments' errors, and of blocks what a mean does not say of a point.

        That of `off_grid` is measured on training days, see `Data.observation_error_std`.

        Args:
            background_error_std: Of the background's errors, (C,).
            channels: Their names, (C,).
            grid: Y×X grid.

        Raises:
            TaskError: When the network is `off_grid`.
        """
        if self.network == "off_grid":
            raise TaskError(
                "What interpolation misses off the grid depends on the data; "
                "Data.observation_error_std measures it."
            )
        std = self.instrument_error_std(background_error_std, channels)
        if self.network != "blocks":
            return std
        share = Blocks(grid, self.density).representativeness
        return np.hypot(std, share * background_error_std)

    @property
    def mixed(self) -> bool:
        """Whether instruments see different channels."""
        return self.network == "network"

    @property
    def instruments(self) -> str:
        """What sees what, in a sentence that follows another; empty where all see everything."""
        if not self.mixed:
            return ""
        return (
            f" Surface stations see the channels without a level, with {STATION_ERROR:g} times "
            f"that error; at {100 * RADIOSONDE_SHARE:g} % of the points radiosondes see the "
            "others. What is not seen is NaN."
        )


def draw_observations(
    settings: ObservationSettings,
    grid: Grid,
    reference: np.ndarray,
    error_std: np.ndarray,
    valid_time: np.datetime64,
    redraw: int | None = None,
    channels: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Observations y = H(x) + ε, ε ~ N(0, diag(error_std²)), of one reference state.

    Args:
        settings: Network, density and seed; `error_scale` is already in `error_std`.
        grid: Y×X grid.
        reference: x, (C, Y, X).
        error_std: `instrument_error_std`, (C,), units of the channels.
        valid_time: Keys the draw, together with the seed.
        redraw: Further key from 0 on, for other observations of the same time (an epoch).
        channels: Names, (C,); `network` needs them.

    Returns:
        observation_index, int32, (P,) or (C, P) for `iid`: row-major grid points, ascending;
        observations, float32, (C, P), NaN where the instrument does not see the channel.

    Raises:
        TaskError: When `network` gets no names of channels, blocks do not fit the grid, or the
            network is `off_grid`, whose observations are tables.
    """
    if settings.network == "off_grid":
        raise TaskError(
            "Stations off the grid make tables of observations: see OffGridNetwork.observe, or "
            "reports of the batches of a data set."
        )
    rng = draw_generator(settings.seed, valid_time, redraw)
    shape = count, points = len(reference), settings.points(grid)
    std = np.asarray(error_std)[:, None]
    if settings.network == "blocks":
        blocks = Blocks(grid, settings.density)
        error = rng.standard_normal((points, count)).T * std
        return blocks.centres, (blocks.means(reference) + error).astype(np.float32)
    order = _network_order(settings, grid, count, rng)[..., :points]
    # Errors are drawn point by point along `order`, so that a longer network starts with a shorter.
    error = rng.standard_normal((points, count)).T * std
    if settings.mixed:
        error[~_seen(settings, channels, shape)] = np.nan
    ascending = np.argsort(order, axis=-1)
    index = np.take_along_axis(order, ascending, axis=-1)
    state = np.take_along_axis(reference.reshape(count, -1), np.broadcast_to(index, shape), axis=1)
    error = np.take_along_axis(error, np.broadcast_to(ascending, shape), axis=1)
    return index.astype(np.int32), (state + error).astype(np.float32)


def at_surface(channels: Sequence[str]) -> np.ndarray:
    """Which channels have no level, boolean, (C,)."""
    return np.array([channel.level is None for channel in parse_channels(tuple(channels))])


def _seen(
    settings: ObservationSettings, channels: Sequence[str] | None, shape: tuple[int, int]
) -> np.ndarray:
    """Which channels are seen at which points of the network's order, boolean, (C, P)."""
    if channels is None or len(channels) != shape[0]:
        raise TaskError(
            f"The network {settings.network} needs the names of all {shape[0]} channels: stations "
            "see those of the surface, radiosondes the others. Give draw_observations channels=."
        )
    radiosondes = max(1, round(RADIOSONDE_SHARE * shape[1]))
    return at_surface(channels)[:, None] | (np.arange(shape[1]) < radiosondes)


def _network_order(
    settings: ObservationSettings, grid: Grid, channels: int, rng: np.random.Generator
) -> np.ndarray:
    """Grid points in the order in which a growing network takes them, (Y·X,) or (C, Y·X)."""
    if settings.network == "column":
        return rng.permutation(grid.size)
    if settings.network == "iid":
        return rng.permuted(np.tile(np.arange(grid.size), (channels, 1)), axis=1)
    return _station_order(grid, settings.seed)


def _station_order(grid: Grid, seed: int) -> np.ndarray:
    """Grid points of a fixed network, dense around a few centres and thin between them.

    Points x are drawn without replacement, with probability ∝ cos φ (0.05 + Σ_k exp(20(c_k·x − 1)))
    around 12 random centres c_k, by sorting Gumbel-perturbed log-probabilities.
    """
    rng = np.random.default_rng([seed])
    centres = rng.standard_normal((12, 3))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    near = np.exp(20 * (grid.unit_vectors() @ centres.T - 1)).sum(axis=1)
    area = np.repeat(np.maximum(grid.weights, 1e-3), grid.longitudes)
    return np.argsort(-(np.log(area * (0.05 + near)) + rng.gumbel(size=grid.size)))
