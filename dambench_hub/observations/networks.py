"""Where observations are, and the values measured there.

Everything random is keyed by (seed, valid time), never by call order: the observations of a day are
the same whoever draws them, in any batch, process or epoch. Networks are *nested*: with the same
seed, a denser network holds every observation of a sparser one, values included.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.runtime.settings import refuse_unknown

Network = Literal["column", "stations", "iid"]


@dataclass(frozen=True)
class ObservationSettings:
    """What is observed, and how well.

    Attributes:
        network: `column`, new random grid points each time, shared by all channels; `stations`, the
            same irregular network at all times; `iid`, new random points for each channel.
        density: Share of the grid points that is observed, 0 < density ≤ 1.
        error_scale: Observation-error standard deviation in units of the background error's.
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
        """P, the number of observed points (for each channel); at least one."""
        return max(1, round(self.density * grid.size))


def draw_observations(
    settings: ObservationSettings,
    grid: Grid,
    reference: np.ndarray,
    error_std: np.ndarray,
    valid_time: np.datetime64,
    redraw: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Observations y = H(x) + ε, ε ~ N(0, diag(error_std²)), of one reference state.

    Args:
        settings: Network, density and seed; `error_scale` is already in `error_std`.
        grid: Y×X grid.
        reference: x, (C, Y, X).
        error_std: Observation-error standard deviation, (C,), units of the channels.
        valid_time: Keys the draw, together with the seed.
        redraw: Further key from 0 on, for other observations of the same time (an epoch).

    Returns:
        observation_index, int32, (P,) or (C, P) for `iid`: row-major grid points, ascending;
        observations, float32, (C, P).
    """
    hours = int(hours_since_epoch(valid_time))
    # From 1 on, as numpy takes a key that ends with 0 for the key without it.
    key = [settings.seed, hours] + ([] if redraw is None else [1 + redraw])
    rng = np.random.default_rng(key)
    channels, points = len(reference), settings.points(grid)
    order = _network_order(settings, grid, channels, rng)[..., :points]
    # Errors are drawn point by point along `order`, so that a longer network starts with a shorter.
    error = rng.standard_normal((points, channels)).T * np.asarray(error_std)[:, None]
    ascending = np.argsort(order, axis=-1)
    index = np.take_along_axis(order, ascending, axis=-1)
    everywhere = np.broadcast_to(index, (channels, points))
    state = np.take_along_axis(reference.reshape(channels, -1), everywhere, axis=1)
    error = np.take_along_axis(error, np.broadcast_to(ascending, (channels, points)), axis=1)
    return index.astype(np.int32), (state + error).astype(np.float32)


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
