"""Where land is: shares of any cells of latitude and longitude, from the GLOBE mask.

The package global-land-mask holds the mask: 21600 by 43200 cells of 30 arc seconds, compressed to
2.5 MB. It is read in bands, as the whole takes a gigabyte.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from dambench_hub.errors import BuildError

BAND = 120
"""Rows of the mask that are in memory at a time."""


def land_share(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Share of the area of each cell that is land, exact for the mask.

    Args:
        latitude: Edges of the cells, (M + 1,), degrees north, from north to south, 90 to −90.
        longitude: Edges of the cells, (N + 1,), degrees east, ascending.

    Returns:
        (M, N), float32, 0 to 1; NaN for cells without area. In the mask, lakes and inland seas,
        the Caspian too, are land, and the ice shelves of Antarctica are sea.

    Raises:
        BuildError: When the package with the mask is not installed, or its file is damaged.

    References:
        GLOBE Task Team (1999), The Global Land One-kilometer Base Elevation digital elevation
        model, version 1.0, NOAA National Geophysical Data Center.
    """
    (share,) = land_shares((latitude, longitude))
    return share


def land_shares(*cells: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
    """`land_share` of several kinds of cells, each given by its edges; the mask is read once."""
    counts = [_LandCount(*edges) for edges in cells]
    for edges, land in _bands():
        west = np.zeros((len(land), land.shape[1] + 1), np.int32)  # ten times faster than float64
        np.cumsum(land, axis=1, out=west[:, 1:])
        for count in counts:
            count.add(edges, west)
    return [count.share() for count in counts]


class _LandCount:
    """Adds up the land in cells, band by band from the north."""

    def __init__(self, latitude: np.ndarray, longitude: np.ndarray) -> None:
        self.sines, self.longitude = np.sin(np.deg2rad(latitude)), longitude
        # Land between the pole and each edge, and between the pole and the end of the last band.
        self.north = np.empty((len(latitude), len(longitude) - 1))
        self.total = np.zeros(len(longitude) - 1)

    def add(self, edges: np.ndarray, west: np.ndarray) -> None:
        """Another band: sines of its rows' edges, and land west of each of the mask's edges."""
        area = _widths(west, self.longitude) * -np.diff(edges)[:, np.newaxis]
        table = np.vstack([self.total, self.total + np.cumsum(area, axis=0)])
        here = (self.sines <= edges[0]) & (self.sines >= edges[-1])
        row = np.interp(-self.sines[here], -edges, np.arange(len(edges)))
        self.north[here] = _interpolated(table, row, axis=0)
        self.total = table[-1]

    def share(self) -> np.ndarray:
        """See `land_share`."""
        area = -np.diff(self.sines)[:, np.newaxis] * np.diff(self.longitude)
        share = np.full(area.shape, np.nan)
        np.divide(np.diff(self.north, axis=0), area, out=share, where=area > 0)
        return np.clip(share, 0, 1).astype(np.float32)


def _widths(west: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Degrees of land in each row of the mask between each two longitudes, (rows, N)."""
    columns = west.shape[1] - 1
    turns, position = np.divmod((longitude + 180) / 360 * columns, columns)
    cumulative = _interpolated(west, position, axis=1) + turns * west[:, -1:]
    return np.diff(cumulative, axis=1) * (360 / columns)


def _interpolated(table: np.ndarray, position: np.ndarray, axis: int) -> np.ndarray:
    """Values between the entries of a table, linear: the mask is constant inside its cells."""
    whole = np.minimum(position.astype(np.int64), table.shape[axis] - 2)
    part = np.expand_dims(position - whole, 1 - axis)
    low = np.take(table, whole, axis)
    return low + part * (np.take(table, whole + 1, axis) - low)


def _bands() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sines of the latitudes of the edges, and land (rows, columns), eastward from −180."""
    path = _mask_file()
    try:
        with zipfile.ZipFile(path) as archive, archive.open("mask.npy") as stream:
            np.lib.format.read_magic(stream)
            (rows, columns), *_ = np.lib.format.read_array_header_1_0(stream)
            for start in range(0, rows, BAND):
                stop = min(start + BAND, rows)
                sea = np.frombuffer(stream.read((stop - start) * columns), bool)
                edges = np.deg2rad(90 - 180 * np.arange(start, stop + 1) / rows)
                yield np.sin(edges), ~sea.reshape(stop - start, columns)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise BuildError(
            f"The land mask {path} cannot be read ({error}). Install global-land-mask again: "
            "pip install --force-reinstall global-land-mask"
        ) from error


def _mask_file() -> Path:
    """The mask in its package, which is not imported: it would take a gigabyte."""
    package = find_spec("global_land_mask")
    if package is None or not package.submodule_search_locations:
        raise BuildError(
            "The geography needs the land mask of the package global-land-mask, which is not "
            "installed: pip install global-land-mask"
        )
    return Path(package.submodule_search_locations[0]) / "globe_combined_mask_compressed.npz"
