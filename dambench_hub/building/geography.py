"""Land, heights, and a text and a relief picture of each tile of the globe, as one config.

Static supplements for multi-modal methods: `load_dataset("dambench", "geography", split="train")`
gives one row per tile. The land comes from the GLOBE mask, the names of the regions from
`regions.yaml`, and heights from the archive or the model that the fields come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from datasets import Array2D, Features, Image, Value

from dambench_hub.building.land_mask import land_shares
from dambench_hub.building.relief import pixels_per_cell, relief_map
from dambench_hub.coordinates.grids import Grid, cell_edges
from dambench_hub.data.geography import geography_table
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import atomic_path
from dambench_hub.storage.manifest import GEOGRAPHY

ATTRIBUTION = (
    "Land: GLOBE digital elevation model, version 1.0 (GLOBE Task Team, 1999, NOAA National "
    "Geophysical Data Center), through the package global-land-mask. Regions: the IPCC AR6 "
    "reference regions of Iturbide et al. (2020), doi:10.5194/essd-12-2959-2020, CC BY 4.0."
)
"""Sentences for the card."""

HEIGHTS = (-500.0, 9000.0)
"""Heights of the Earth's land lie between these, m; geopotential does not."""

ROWS, COLUMNS = 8, 16
"""Tiles of 22.5 degrees; a coarser grid has as many as it has cells."""

SLIVER = 0.2
"""Some published borders leave gaps between regions, up to 0.1 degrees of latitude wide."""


def regions(grid: Grid) -> np.ndarray:
    """Name of the region in which the middle of each cell lies.

    Returns:
        (Y, X), strings; every cell has one of the 58 names of `regions.yaml`.
    """
    from matplotlib.path import Path as Polygon

    table = yaml.safe_load(
        files("dambench_hub.building").joinpath("regions.yaml").read_text("utf-8")
    )
    edges, _ = cell_edges(grid)
    eastward = np.mod(grid.longitude + 180, 360) - 180
    points = np.stack(np.meshgrid(eastward, (edges[:-1] + edges[1:]) / 2), axis=-1).reshape(-1, 2)
    points += 1e-6  # a point on a border belongs to the region north-east of it, so to one only
    index = np.full(grid.size, -1)
    for shift in (0, SLIVER, -SLIVER):
        for number, region in enumerate(table.values()):
            for corners in region["polygons"]:
                left = np.flatnonzero(index < 0)
                inside = Polygon(corners).contains_points(points[left] + (0, shift))
                index[left[inside]] = number
    return np.array([region["name"] for region in table.values()])[index].reshape(grid.shape)


def tiles(
    grid: Grid,
    land: np.ndarray,
    coast: np.ndarray,
    orography: np.ndarray | None = None,
    rows: int = ROWS,
    columns: int = COLUMNS,
) -> list[dict[str, Any]]:
    """Cut the globe into tiles of one shape (H, W), each with its fields, text and picture.

    Neighbouring tiles share a row or a column of cells where the grid cannot be cut evenly.

    Args:
        grid: The grid of the fields.
        land: Share of each cell that is land, (Y, X), 0 to 1; see `land_share`.
        coast: The same of each pixel of the pictures, see `relief_map`.
        orography: Height of the surface, (Y, X), m.
        rows: Number of tiles from north to south.
        columns: Number of tiles from west to east.

    Returns:
        One dictionary per tile, row-major, from the north-west:
        `row`, `column`: Of its first cell in the grid, from 0.
        `latitude`, `longitude`: Its centre, degrees north, degrees east from 0.
        `region`: The region with the largest part of its area.
        `text`: Its larger regions, land, heights (of cells mostly of land) and limits.
        `land_fraction`: Share of its area that is land.
        `land`, `orography`: Its part of the fields, (H, W), float32; no orography, no such key.
        `relief`: PNG picture, north up, 0.1 degrees a pixel or nearly so.

    Raises:
        BuildError: When a field has another shape or unit, or is not finite, or when there are
            more tiles than cells.
    """
    land = _checked("land", grid, land, (0, 1), "Wanted is a share, not a percentage.")
    if orography is not None:
        hint = "Wanted are metres: divide geopotential by 9.80665."
        orography = _checked("orography", grid, orography, HEIGHTS, hint)
    height, tops = _cut("latitudes", grid.latitudes, rows)
    width, lefts = _cut("longitudes", grid.longitudes, columns)
    maps = _Maps(grid, land, orography, regions(grid), relief_map(grid, coast, orography))
    return [
        _tile(maps, slice(top, top + height), slice(left, left + width))
        for top in tops
        for left in lefts
    ]


def write_geography(folder: Path, grid: Grid, orography: np.ndarray | None = None) -> Path:
    """Write the config `geography` of a data set; equal fields give equal bytes.

    Args:
        folder: The data set.
        grid: Its grid.
        orography: Height of the surface, (Y, X), m; without it there is no such column, and the
            pictures show land and sea only.

    Returns:
        The file, with all tiles as one split `train`.

    Raises:
        BuildError: As `tiles`, and when the land mask cannot be read.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    count = min(ROWS, grid.latitudes), min(COLUMNS, grid.longitudes)
    land, coast = land_shares(cell_edges(grid), cell_edges(grid, *pixels_per_cell(grid)))
    rows = tiles(grid, land, coast, orography, *count)
    shape = rows[0]["land"].shape
    features = Features(
        {
            "row": Value("int32"),
            "column": Value("int32"),
            "latitude": Value("float32"),
            "longitude": Value("float32"),
            "region": Value("string"),
            "text": Value("string"),
            "land_fraction": Value("float32"),
            "land": Array2D(shape, "float32"),
            **({} if orography is None else {"orography": Array2D(shape, "float32")}),
            "relief": Image(),
        }
    )
    table = pa.Table.from_pylist([_plain(row) for row in rows], features.arrow_schema)
    with atomic_path(folder / GEOGRAPHY) as partial:
        pq.write_table(table, partial, compression="zstd")
    return folder / GEOGRAPHY


def card_config(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config's entry in `configs:` and in `dataset_info:` of the card, from the file.

    Raises:
        DataError: When the data set has no such file, or it cannot be read.
    """
    table = geography_table(folder)
    entry = {
        "config_name": "geography",
        "data_files": [{"split": "train", "path": "geography/geography-*"}],
    }
    info = {
        "config_name": "geography",
        "features": Features.from_arrow_schema(table.schema)._to_yaml_list(),
        "splits": [{"name": "train", "num_bytes": table.nbytes, "num_examples": len(table)}],
        "download_size": (folder / GEOGRAPHY).stat().st_size,
        "dataset_size": table.nbytes,
    }
    return entry, info


@dataclass(frozen=True)
class _Maps:
    """The whole globe: fields and names (Y, X), and the relief picture of all cells."""

    grid: Grid
    land: np.ndarray
    orography: np.ndarray | None
    regions: np.ndarray
    relief: np.ndarray


def _tile(maps: _Maps, rows: slice, columns: slice) -> dict[str, Any]:
    """One row of the config; see `tiles`."""
    grid, cells = maps.grid, (rows, columns)
    edges, _ = cell_edges(grid)
    land = maps.land[cells]
    area = np.repeat(-np.diff(np.sin(np.deg2rad(edges)))[rows, np.newaxis], land.shape[1], axis=1)
    share = float(np.average(land, weights=area))
    names = _largest(maps.regions[cells], area)
    words = [_land_words(share)]
    fields = {"land": land}
    if maps.orography is not None:
        fields["orography"] = maps.orography[cells]
        words += _height_words(fields["orography"], land, area)
    return {
        "row": rows.start,
        "column": columns.start,
        "latitude": float(grid.latitude[rows].mean()),
        "longitude": float(grid.longitude[columns].mean()),
        "region": names[0],
        "text": f"{', '.join(names)}: {', '.join(words)}; {_limits(grid, rows, columns)}",
        "land_fraction": share,
        **fields,
        "relief": _png(maps, rows, columns),
    }


def _largest(names: np.ndarray, area: np.ndarray) -> list[str]:
    """The regions with a quarter of the area or more, at least one, the largest first."""
    found, index = np.unique(names, return_inverse=True)
    parts = np.bincount(index.ravel(), weights=area.ravel()) / area.sum()
    order = np.argsort(-parts, kind="stable")
    return [str(found[i]) for n, i in enumerate(order) if n == 0 or parts[i] >= 0.25]


def _land_words(share: float) -> str:
    if share == 0:
        return "no land"
    return f"{100 * share:.0f} % land" if share >= 0.005 else "less than 1 % land"


def _height_words(orography: np.ndarray, land: np.ndarray, area: np.ndarray) -> list[str]:
    """Heights of the cells that are mostly land, if there are any."""
    here = land >= 0.5
    if not here.any():
        return []
    heights = orography[here]
    mean = np.average(heights, weights=area[here])
    return [f"mean elevation {mean:.0f} m", f"{heights.min():.0f} to {heights.max():.0f} m"]


def _limits(grid: Grid, rows: slice, columns: slice) -> str:
    """For example `55–66° N, 5–30° E`: from south to north, from west to east."""
    latitude, longitude = cell_edges(grid)
    north, south = latitude[rows.start], latitude[rows.stop]
    west, east = longitude[columns.start], longitude[columns.stop]
    if east - west >= 360:
        return f"{_span(south, north, 'S', 'N')}, all longitudes"
    turn = 360 if west >= 180 else 0
    west, east = west - turn, east - turn
    if east > 180:  # the date line lies inside
        return f"{_span(south, north, 'S', 'N')}, {_degrees(west)}° E–{_degrees(360 - east)}° W"
    return f"{_span(south, north, 'S', 'N')}, {_span(west, east, 'W', 'E')}"


def _span(low: float, high: float, negative: str, positive: str) -> str:
    if low >= 0:
        return f"{_degrees(low)}–{_degrees(high)}° {positive}"
    if high <= 0:
        return f"{_degrees(low)}–{_degrees(high)}° {negative}"
    return f"{_degrees(low)}° {negative}–{_degrees(high)}° {positive}"


def _degrees(value: float) -> str:
    return f"{abs(round(value, 2)):g}"


def _png(maps: _Maps, rows: slice, columns: slice) -> bytes:
    """The tile's part of the relief picture."""
    from PIL import Image as Picture

    down, across = pixels_per_cell(maps.grid)
    part = maps.relief[
        rows.start * down : rows.stop * down, columns.start * across : columns.stop * across
    ]
    stream = BytesIO()
    Picture.fromarray(np.ascontiguousarray(part)).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A tile as Arrow takes it: fields as lists, the picture as `Image` stores it."""
    lists = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in row.items()}
    return lists | {"relief": {"bytes": row["relief"], "path": None}}


def _cut(axis: str, cells: int, count: int) -> tuple[int, list[int]]:
    """The size of `count` equal pieces that cover the cells evenly, and where each begins."""
    if not 1 <= count <= cells:
        raise BuildError(f"Cannot cut {cells} {axis} into {count} tiles; give 1 to {cells}.")
    size = -(-cells // count)
    return size, np.rint(np.linspace(0, cells - size, count)).astype(int).tolist()


def _checked(
    name: str, grid: Grid, field: np.ndarray, limits: tuple[float, float], hint: str
) -> np.ndarray:
    """The field as float32, if it is one on the grid with values between the limits."""
    field = np.asarray(field, np.float32)
    if field.shape != grid.shape:
        raise BuildError(f"{name} must have shape {grid.shape}, got {field.shape}; regrid it.")
    if not np.isfinite(field).all():
        raise BuildError(f"{name} has values that are not finite; it must be known everywhere.")
    if field.min() < limits[0] or field.max() > limits[1]:
        raise BuildError(
            f"{name} runs from {field.min():g} to {field.max():g}, allowed is {limits[0]:g} to "
            f"{limits[1]:g}. {hint}"
        )
    return field
