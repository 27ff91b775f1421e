"""Fields of the config `geography` are read from their tiles, all of them or not at all."""

import numpy as np
import pytest

from dambench_hub.building.geography import write_geography
from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.geography import assemble, read_elevation, read_geography
from dambench_hub.errors import DataError

GRID = Grid(17, 32)


def cut(field, rows, columns):
    """Tiles of the shape (rows, columns), smaller at the edges."""
    return [
        {"row": y, "column": x, "land": field[y : y + rows, x : x + columns]}
        for y in range(0, field.shape[0], rows)
        for x in range(0, field.shape[1], columns)
    ]


@pytest.mark.parametrize("rows, columns", [(3, 2), (1, 1), (17, 32), (5, 7)])
def test_tiles_in_any_order_give_the_field_back(rng, rows, columns):
    field = rng.random(GRID.shape).astype(np.float32)
    shuffled = list(rng.permutation(cut(field, rows, columns)))
    np.testing.assert_array_equal(assemble(shuffled, "land", GRID), field)


def test_incomplete_tiles_are_refused(rng):
    tiles = cut(rng.random(GRID.shape), 5, 8)
    with pytest.raises(DataError, match="do not cover the grid 17x32"):
        assemble(tiles[:-1], "land", GRID)
    for other in (Grid(33, 64), Grid(9, 16)):
        with pytest.raises(DataError, match=f"do not cover the grid {other}"):
            assemble(tiles, "land", other)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"geography.*cannot be read.*Write it again"):
        read_geography(tmp_path)


def test_heights_are_read_where_there_are_some(tmp_path):
    heights = np.arange(GRID.size, dtype=np.float32).reshape(GRID.shape)
    for folder, given in ((tmp_path / "with", heights), (tmp_path / "without", None)):
        (folder / "geography").mkdir(parents=True)
        write_geography(folder, GRID, given)
    np.testing.assert_array_equal(read_elevation(tmp_path / "with", GRID), heights)
    assert read_elevation(tmp_path / "without", GRID) is None
