"""A relief map of the world on the cells of a grid: tinted by height, lit from the north-west."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dambench_hub.coordinates.grids import Grid

PIXELS_PER_DEGREE = 10
METRES_PER_DEGREE = 111_195
EXAGGERATION = 60
"""Of the slopes: between cells that are 100 km apart they are too gentle to see."""

SEA = (158, 193, 216)
LAND = (205, 201, 172)
"""Without heights."""

TINTS = {
    0: (143, 178, 135),
    250: (186, 203, 151),
    700: (227, 218, 172),
    1400: (211, 181, 131),
    2400: (176, 141, 106),
    3800: (201, 187, 176),
    5500: (250, 248, 245),
}
"""Colours of land by height, m; linear between them."""


def pixels_per_cell(grid: Grid) -> tuple[int, int]:
    """Rows and columns of pixels in a cell of the grid, so that tiles of cells are whole pixels."""
    cell = 180 / (grid.latitudes - 1), 360 / grid.longitudes
    return max(1, round(PIXELS_PER_DEGREE * cell[0])), max(1, round(PIXELS_PER_DEGREE * cell[1]))


def relief_map(grid: Grid, land: np.ndarray, orography: np.ndarray | None) -> np.ndarray:
    """The world in pixels of a tenth of a degree or nearly so, north up.

    Heights are interpolated from the cells. The halves of the pole cells that lie beyond the poles
    repeat the poles.

    Args:
        grid: Its cells are whole numbers of pixels, see `pixels_per_cell`; cell (0, 0) is first.
        land: Share of each pixel that is land, (Y·pixels, X·pixels), 0 to 1; NaN beyond the poles.
        orography: Height of the surface, (Y, X), m, or None for land and sea only.

    Returns:
        Red, green and blue, (Y·pixels, X·pixels, 3), uint8.
    """
    inside = np.flatnonzero(~np.isnan(land[:, 0]))
    land = land[np.clip(np.arange(len(land)), inside[0], inside[-1])]
    if orography is None:
        return _mixed(land, LAND)
    heights = _refined(orography, *pixels_per_cell(grid))
    shade = _shade(heights, grid)
    tints = zip(*TINTS.values(), strict=True)
    return _mixed(land, (np.interp(heights, list(TINTS), tint) * shade for tint in tints))


def _refined(orography: np.ndarray, down: int, across: int) -> np.ndarray:
    """Heights at the pixels by cubic interpolation, periodic eastward, never below the sea."""
    from scipy.interpolate import CubicSpline

    rows, columns = orography.shape
    closed = np.concatenate([orography, orography[:, :1]], axis=1)
    east = (np.arange(columns * across) + 0.5) / across - 0.5
    south = np.clip((np.arange(rows * down) + 0.5) / down - 0.5, 0, rows - 1)
    heights = CubicSpline(np.arange(columns + 1), closed, axis=1, bc_type="periodic")(east)
    return np.maximum(CubicSpline(np.arange(rows), heights, axis=0)(south), 0).astype(np.float32)


def _shade(heights: np.ndarray, grid: Grid) -> np.ndarray:
    """Brightness under light from the north-west at 45 degrees, 1 where the land is flat."""
    down, across = pixels_per_cell(grid)
    degrees = 180 / (grid.latitudes - 1) / down, 360 / grid.longitudes / across
    latitude = 90 + degrees[0] * ((down - 1) / 2 - np.arange(len(heights)))
    # Where meridians meet, neighbours are so near that every unevenness would be a cliff.
    latitude = np.clip(latitude, -70, 70)
    wrapped = np.pad(heights, ((0, 0), (1, 1)), mode="wrap")
    scale = EXAGGERATION / METRES_PER_DEGREE
    north = np.gradient(heights, axis=0) * (-scale / degrees[0])
    east = (wrapped[:, 2:] - wrapped[:, :-2]) / 2 * (scale / degrees[1])
    east /= np.cos(np.deg2rad(latitude)).astype(np.float32)[:, np.newaxis]
    light = (east - north + np.sqrt(2)) / np.sqrt(1 + east**2 + north**2) / np.sqrt(2)
    return np.clip(0.35 + 0.65 * light, 0.2, 1.15).astype(np.float32)


def _mixed(land: np.ndarray, colours: Iterable[np.ndarray | int]) -> np.ndarray:
    """Red, green and blue of land with these colours and of sea, by their shares of each pixel."""
    channels = (land * colour + (1 - land) * sea for colour, sea in zip(colours, SEA, strict=True))
    return np.stack([np.clip(np.rint(c), 0, 255).astype(np.uint8) for c in channels], axis=-1)
