"""The coarse rows: few channels, means of what is known, sizes that a viewer shows."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import HEADLINE_CHANNELS
from dambench_hub.storage.preview import (
    coarsening,
    preview_channels,
    preview_features,
    preview_row,
    preview_shapes,
)

BOTH = ("precipitation", "olr")


@pytest.mark.parametrize("grid", [Grid(33, 64), Grid(121, 240), Grid(721, 1440)])
def test_rows_stay_small_on_any_grid(grid):
    shapes = preview_shapes(HEADLINE_CHANNELS, grid, BOTH)
    assert 4 * sum(int(np.prod(shape)) for shape in shapes.values()) < 300_000
    assert max(shapes["reference"]) <= 61 and shapes["reference"][0] == 4
    assert list(preview_features(shapes)) == list(shapes)


def test_channels_are_those_that_people_look_at():
    assert preview_channels(("u50", "t2m", "z500")) == ("t2m", "z500")
    assert preview_channels(("u50", "v50")) == ("u50", "v50")


def test_means_are_of_what_is_known():
    grid = Grid(3, 122)
    assert coarsening(grid) == 3
    reference = np.zeros((1, 3, 122), "f4")
    reference[0, :, 3:6] = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    olr = np.full((3, 122), np.nan, "f4")
    olr[0, 0], olr[1, 121] = 10, 20
    example = {
        "time": np.datetime64("2024-01-02T06", "h"),
        "background": 2 * reference,
        "observation_index": np.array([0, 1, 122, 365], "i4"),
        "observations": np.array([[1, 3, np.nan, 7]], "f4"),
        "olr": olr,
        "background_olr": olr + 1,
        "reference": reference,
    }
    row = preview_row(example, ("z500",), grid)
    shapes = preview_shapes(("z500",), grid, ("olr",))
    assert {name: np.shape(value) for name, value in row.items()} == shapes
    assert row["reference"][0, 0, :3].tolist() == [0, 5, 0]
    assert row["background"][0, 0, 1] == 10
    assert row["olr"][0, [0, -1]].tolist() == [10, 20] and np.isnan(row["olr"][0, 1:-1]).all()
    assert row["observations"][0, 0, [0, -1]].tolist() == [2, 7]
    assert np.isnan(row["observations"][0, 0, 1:-1]).all()
