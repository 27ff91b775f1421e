"""Observation operators: from a state to what would be observed of it, each with its adjoint.

All are linear, H(x) = H x, and numpy. Leading axes are samples or members and pass through. The
adjoint is that of the plain scalar product, ⟨H x, y⟩ = ⟨x, Hᵀ y⟩, with no area weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from dambench_hub.coordinates.grids import Grid, latitude_overlaps, longitude_overlaps
from dambench_hub.errors import DataError, GridError

Shape = tuple[int, ...]


class ObservationOperator(ABC):
    """H, a linear map from states, (*, C, Y, X), to observations.

    `first @ second` is the operator that applies `second`, then `first`.

    Args:
        state_shape: Shape of one state, (C, Y, X).
        observation_shape: Shape of one set of observations.
    """

    def __init__(self, state_shape: Shape, observation_shape: Shape) -> None:
        self.state_shape, self.observation_shape = state_shape, observation_shape

    def __call__(self, state: np.ndarray) -> np.ndarray:
        """H x, (*, *observation_shape)."""
        return self._apply(_require_shape("state", state, self.state_shape))

    def adjoint(self, observations: np.ndarray) -> np.ndarray:
        """Hᵀ y, (*, C, Y, X)."""
        return self._adjoint(_require_shape("observations", observations, self.observation_shape))

    def __matmul__(self, second: ObservationOperator) -> ObservationOperator:
        return Composition(self, second)

    @abstractmethod
    def _apply(self, state: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _adjoint(self, observations: np.ndarray) -> np.ndarray: ...


class GridSelection(ObservationOperator):
    """The state at some grid points: columns, stations, or independent points for each channel.

    Args:
        channels: C.
        grid: Y×X grid of the state.
        index: Observed points, row-major y·X + x, each once: (P,), shared by all channels, or
            (C, P). This is `observation_index` of one sample of a batch.
        seen: Which channels are seen at which points, boolean, (C, P); None for all. What is not
            seen is 0 in H x, and nothing in Hᵀ y.

    Raises:
        DataError: When a point is off the grid or observed twice, or a shape is another.
    """

    def __init__(
        self, channels: int, grid: Grid, index: np.ndarray, seen: np.ndarray | None = None
    ) -> None:
        index = np.asarray(index)
        if index.ndim not in (1, 2) or (index.ndim == 2 and len(index) != channels):
            raise DataError(
                f"Observed points of {channels} channels are (P,) or ({channels}, P), "
                f"got shape {index.shape}."
            )
        ascending = np.sort(index, axis=-1)
        if index.size and (ascending.min() < 0 or ascending.max() >= grid.size):
            raise DataError(
                f"Observed points must be on the {grid} grid, 0 to {grid.size - 1}; "
                f"got {ascending.min()} to {ascending.max()}."
            )
        if np.any(np.diff(ascending, axis=-1) == 0):
            raise DataError("A grid point is observed twice; average its observations first.")
        super().__init__((channels, *grid.shape), (channels, index.shape[-1]))
        self.seen = np.ones(self.observation_shape, bool) if seen is None else seen
        if self.seen.shape != self.observation_shape:
            raise DataError(
                f"Channels are seen at points, {self.observation_shape}, got {self.seen.shape}."
            )
        self.grid, self.index = grid, index
        self._points = np.broadcast_to(index, self.observation_shape)
        self._channels = np.arange(channels)[:, None]

    def __repr__(self) -> str:
        channels, points = self.observation_shape
        where = "per channel" if self.index.ndim == 2 else "shared"
        return f"GridSelection({points} points {where}, {channels} channels, {self.grid})"

    def _apply(self, state: np.ndarray) -> np.ndarray:
        flat = state.reshape(*state.shape[:-2], self.grid.size)
        return np.where(self.seen, flat[..., self._channels, self._points], flat.dtype.type(0))

    def _adjoint(self, observations: np.ndarray) -> np.ndarray:
        leading = observations.shape[:-2]
        flat = np.zeros((*leading, self.state_shape[0], self.grid.size), observations.dtype)
        told = np.where(self.seen, observations, observations.dtype.type(0))
        flat[..., self._channels, self._points] = told
        return flat.reshape(*leading, *self.state_shape)


class Coarsening(ObservationOperator):
    """Area-weighted means over the cells of a coarser grid (first-order conservative).

    A cell reaches half-way to the neighbouring grid points. Constants stay, and so do means over
    the sphere.

    Args:
        channels: C.
        grid: Y×X grid of the state.
        coarse: Grid of the block means, (C, Y', X'), no finer than `grid`.

    Raises:
        GridError: When `coarse` is finer.
    """

    def __init__(self, channels: int, grid: Grid, coarse: Grid) -> None:
        if coarse.latitudes > grid.latitudes or coarse.longitudes > grid.longitudes:
            raise GridError(f"Cannot coarsen {grid} to {coarse}: it is finer; regrid instead.")
        super().__init__((channels, *grid.shape), (channels, *coarse.shape))
        self.grid, self.coarse = grid, coarse
        self._rows = latitude_overlaps(coarse.latitude, grid.latitude)
        self._columns = longitude_overlaps(coarse.longitude, grid.longitude)

    def __repr__(self) -> str:
        return f"Coarsening({self.grid} to {self.coarse}, {self.state_shape[0]} channels)"

    def _apply(self, state: np.ndarray) -> np.ndarray:
        return self._rows @ state @ self._columns.T

    def _adjoint(self, observations: np.ndarray) -> np.ndarray:
        return self._rows.T @ observations @ self._columns


class Composition(ObservationOperator):
    """`second`, then `first`.

    Raises:
        DataError: When `first` does not take what `second` gives.
    """

    def __init__(self, first: ObservationOperator, second: ObservationOperator) -> None:
        if first.state_shape != second.observation_shape:
            raise DataError(f"{first!r} cannot follow {second!r}: their shapes differ.")
        super().__init__(second.state_shape, first.observation_shape)
        self.first, self.second = first, second

    def __repr__(self) -> str:
        return f"{self.first!r} @ {self.second!r}"

    def _apply(self, state: np.ndarray) -> np.ndarray:
        return self.first(self.second(state))

    def _adjoint(self, observations: np.ndarray) -> np.ndarray:
        return self.second.adjoint(self.first.adjoint(observations))


def _require_shape(name: str, values: np.ndarray, wanted: Shape) -> np.ndarray:
    if values.shape[-len(wanted) :] != wanted:
        raise DataError(f"The {name} must have shape (*, {str(wanted)[1:]}, got {values.shape}.")
    return values
