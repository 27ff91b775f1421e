"""Equiangular latitude-longitude grids with both poles, their weights, and their cells."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from dambench_hub.errors import GridError

TOLERANCE_DEGREES = 1e-4
"""Coordinates stored as float32 differ by less than this; a half-cell shift by far more."""


@dataclass(frozen=True)
class Grid:
    """Latitude 90 − 180·i/(Y−1), north to south; longitude 360·j/X, eastward from 0.

    Attributes:
        latitudes: Y, the number of rows, poles included.
        longitudes: X, the number of columns.

    Raises:
        GridError: When there are fewer than 3 rows or 2 columns.
    """

    latitudes: int
    longitudes: int

    def __post_init__(self) -> None:
        if self.latitudes < 3 or self.longitudes < 2:
            raise GridError(
                f"A grid needs at least 3 latitudes and 2 longitudes, got {self}; "
                "the standard grids are 121x240, 61x120 and 33x64."
            )

    def __str__(self) -> str:
        return f"{self.latitudes}x{self.longitudes}"

    @classmethod
    def parse(cls, text: str) -> Grid:
        """The grid written as `121x240`.

        Raises:
            GridError: When the text has another form.
        """
        match = re.fullmatch(r"(\d+)[x×](\d+)", text.strip())
        if not match:
            raise GridError(f"Expected a grid like 121x240 (latitudes x longitudes), got {text!r}.")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def from_coordinates(cls, latitude: np.ndarray, longitude: np.ndarray) -> Grid:
        """The grid with these coordinates, degrees.

        Raises:
            GridError: When latitude does not run from 90 to −90, longitude not from 0 eastward, or
                either is not evenly spaced. Other orders are refused, never flipped silently.
        """
        grid = cls(len(latitude), len(longitude))
        if problems := grid.coordinate_problems(latitude, longitude):
            raise GridError(" ".join(problems))
        return grid

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X)."""
        return self.latitudes, self.longitudes

    @property
    def size(self) -> int:
        """Number of grid points, Y·X."""
        return self.latitudes * self.longitudes

    @property
    def latitude(self) -> np.ndarray:
        """Degrees north, (Y,), 90 … −90, float64."""
        return 90.0 - 180.0 * np.arange(self.latitudes) / (self.latitudes - 1)

    @property
    def longitude(self) -> np.ndarray:
        """Degrees east, (X,), from 0, float64."""
        return 360.0 * np.arange(self.longitudes) / self.longitudes

    @property
    def weights(self) -> np.ndarray:
        """Latitude weights w_y, (Y,), mean 1; see `latitude_weights`."""
        return latitude_weights(self.latitude)

    def coordinate_problems(self, latitude: np.ndarray, longitude: np.ndarray) -> list[str]:
        """What is wrong with these coordinates for this grid, one sentence each; none if right."""
        return _axis_problems("latitude", np.asarray(latitude), self.latitude) + _axis_problems(
            "longitude", np.asarray(longitude), self.longitude
        )

    def unit_vectors(self) -> np.ndarray:
        """Points on the unit sphere in R³, (Y·X, 3), row-major; their distances are chords."""
        latitude, longitude = np.meshgrid(
            np.deg2rad(self.latitude), np.deg2rad(self.longitude), indexing="ij"
        )
        return unit_vectors(latitude, longitude).reshape(-1, 3)


def unit_vectors(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Points on the unit sphere in R³, (*, 3), of latitudes and longitudes in radians, (*)."""
    xyz = (
        np.cos(latitude) * np.cos(longitude),
        np.cos(latitude) * np.sin(longitude),
        np.sin(latitude),
    )
    return np.stack(xyz, axis=-1)


def latitude_weights(latitude: np.ndarray) -> np.ndarray:
    """Weights w_y = cos φ_y, clipped at 0 and normalised to mean 1.

    Args:
        latitude: φ, degrees, (Y,).

    Returns:
        float64, (Y,). Pole rows weigh (nearly) nothing: they hold one place X times.

    Raises:
        GridError: When a latitude is not a number between −90 and 90.
    """
    latitude = np.asarray(latitude, np.float64)
    if latitude.ndim != 1 or not np.all(np.abs(latitude) <= 90 + TOLERANCE_DEGREES):
        raise GridError("Latitudes must be one axis of numbers from 90 to -90 degrees.")
    weights = np.clip(np.cos(np.deg2rad(latitude)), 0, None)
    return weights / weights.mean()


def cell_edges(grid: Grid, down: int = 1, across: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the cells around the points of a grid, or of even parts of them.

    Cells reach half way to their neighbours; pole cells end at the pole, so that their parts
    beyond it have no area.

    Args:
        grid: The grid.
        down: Parts of a cell from north to south.
        across: Parts of a cell from west to east.

    Returns:
        Degrees north, (Y·down + 1,), and degrees east, (X·across + 1,), from half a cell west of 0.
    """
    north = 180 / (grid.latitudes - 1) * (np.arange(grid.latitudes * down + 1) / down - 0.5)
    east = 360 / grid.longitudes * (np.arange(grid.longitudes * across + 1) / across - 0.5)
    return np.clip(90 - north, -90, 90), east


def latitude_overlaps(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Share of the area of each target row that each source row covers, (T, S).

    Rows reach half-way to their neighbours, the first and last up to the poles.

    Args:
        target: Degrees north, (T,), either direction.
        source: Degrees north, (S,), either direction.
    """

    def cells(latitude: np.ndarray) -> np.ndarray:
        middle = (latitude[1:] + latitude[:-1]) / 2
        ends = (90.0, -90.0) if latitude[0] > latitude[-1] else (-90.0, 90.0)
        edges = np.sin(np.deg2rad(np.concatenate([[ends[0]], middle, [ends[1]]])))
        return np.sort(np.stack([edges[:-1], edges[1:]], axis=1), axis=1)

    return _overlaps(cells(target), cells(source))


def longitude_overlaps(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Share of the width of each target column that each source column covers, (T, S).

    Args:
        target: Degrees east, (T,), evenly around the circle.
        source: Degrees east, (S,), evenly around the circle.
    """

    def cells(longitude: np.ndarray) -> np.ndarray:
        half = 180 / len(longitude)
        return np.stack([longitude - half, longitude + half], axis=1)

    turns = np.concatenate([cells(source) + turn for turn in (-360, 0, 360)])
    return _overlaps(cells(target), turns).reshape(len(target), 3, len(source)).sum(axis=1)


def _overlaps(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Share of each target cell that each source cell covers, (T, S); cells are (low, high)."""
    low = np.maximum(target[:, None, 0], source[None, :, 0])
    high = np.minimum(target[:, None, 1], source[None, :, 1])
    overlap = np.clip(high - low, 0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def _axis_problems(name: str, values: np.ndarray, wanted: np.ndarray) -> list[str]:
    if values.shape != wanted.shape:
        advice = " Was a pole dropped?" if len(wanted) - len(values) in (1, 2) else ""
        return [f"{name} has {values.size} values, the grid has {len(wanted)}.{advice}"]
    if not np.all(np.isfinite(values)):
        return [f"{name} holds values that are not numbers."]
    if np.allclose(values, wanted, atol=TOLERANCE_DEGREES, rtol=0):
        return []
    if name == "latitude" and values[0] < values[-1]:
        advice = "It must run north to south (90 first): flip the field along latitude."
    elif name == "latitude" and max(values[0], -values[-1]) < 90 - TOLERANCE_DEGREES:
        advice = "The grid has both poles, 90 and -90: interpolate the field to such a grid."
    elif name == "longitude" and values.min() < 0:
        advice = (
            "It must run from 0 eastward, not from -180 to 180: roll the field by half its width."
        )
    else:
        advice = f"It must be {wanted[0]:g}, {wanted[1]:g} … {wanted[-1]:g}, evenly spaced."
    return [f"{name} is {values[0]:g}, {values[1]:g} … {values[-1]:g}. {advice}"]
