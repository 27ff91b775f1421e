"""The config `geography` as it is read: rows, one per tile of the globe, and whole fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.storage.manifest import GEOGRAPHY


def geography_table(folder: Path) -> pa.Table:
    """The config of a data set as it is stored, one row per tile.

    Raises:
        DataError: When the data set has no such file, or it cannot be read.
    """
    path = folder / GEOGRAPHY
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read ({error}). Write it again.") from error


def read_geography(folder: Path) -> list[dict[str, Any]]:
    """The rows of the config of a data set, one per tile.

    Raises:
        DataError: When the data set has no such file, or it cannot be read.
    """
    return geography_table(folder).to_pylist()


def assemble(rows: Sequence[Mapping[str, Any]], name: str, grid: Grid) -> np.ndarray:
    """The field on the whole grid, from its parts in the tiles.

    Args:
        rows: All tiles, as `tiles` gives them or `load_dataset` reads them.
        name: `land` or `orography`.
        grid: The grid that was cut.

    Returns:
        (Y, X), float32.

    Raises:
        DataError: When the tiles do not cover just this grid.
    """
    field = np.full(grid.shape, np.nan, np.float32)
    inside = True
    for row in rows:
        part = np.asarray(row[name], np.float32)
        top, left = row["row"], row["column"]
        bottom, right = top + part.shape[0], left + part.shape[1]
        inside = inside and bottom <= grid.latitudes and right <= grid.longitudes
        if inside:
            field[top:bottom, left:right] = part
    if not inside or np.isnan(field).any():
        raise DataError(f"The tiles do not cover the grid {grid}; give all of them, and its grid.")
    return field


def read_elevation(folder: Path, grid: Grid) -> np.ndarray | None:
    """Height of the surface above sea level, m, (Y, X), float32; None if the config has no heights.

    Raises:
        DataError: When the data set has no such config, or it cannot be read.
    """
    rows = read_geography(folder)
    return assemble(rows, "orography", grid) if "orography" in rows[0] else None
