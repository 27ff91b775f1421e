"""The picture shows land where it is, mountains where they are, lit from the north-west."""

import numpy as np
import pytest

from dambench_hub.building import land_mask, relief
from dambench_hub.building.land_mask import land_share
from dambench_hub.building.relief import LAND, SEA, TINTS, pixels_per_cell, relief_map
from dambench_hub.coordinates.grids import Grid, cell_edges

GRID = Grid(31, 60)  # 6 degrees


@pytest.fixture
def use_mask(monkeypatch, tmp_path):
    """Let `land` (rows, columns), from 90 and −180, be the mask."""

    def use(land):
        np.savez_compressed(tmp_path / "mask.npz", mask=~land)
        monkeypatch.setattr(land_mask, "_mask_file", lambda: tmp_path / "mask.npz")

    return use


def drawn(orography):
    """The relief map, with the coast of the mask."""
    return relief_map(GRID, land_share(*cell_edges(GRID, *pixels_per_cell(GRID))), orography)


def mountain(latitude, longitude):
    """Height of a mountain of 3000 m there, on the grid."""
    east = (GRID.longitude - longitude + 180) % 360 - 180
    return 3000 * np.exp(-(((GRID.latitude[:, None] - latitude) / 9) ** 2) - (east / 9) ** 2)


def test_cells_are_whole_pixels_of_a_tenth_of_a_degree():
    assert pixels_per_cell(Grid(121, 240)) == (15, 15)
    assert pixels_per_cell(Grid(33, 64)) == (56, 56)
    assert pixels_per_cell(Grid(721, 1440)) == (2, 2)
    assert pixels_per_cell(Grid(7201, 14400)) == (1, 1)


def test_land_and_sea_without_heights(use_mask):
    land = np.zeros((180, 360), bool)
    land[30:60, 180:210] = True  # 30 to 60 north, 0 to 30 east
    use_mask(land)
    picture = drawn(None)
    assert picture.shape == (31 * 60, 60 * 60, 3) and picture.dtype == np.uint8
    # Cell (0, 0) reaches from 93 north and 3 west to 87 north and 3 east.
    expected = np.zeros(picture.shape[:2], bool)
    expected[330:630, 30:330] = True
    np.testing.assert_array_equal((picture == LAND).all(axis=-1), expected)
    np.testing.assert_array_equal((picture == SEA).all(axis=-1), ~expected)


def test_flat_land_has_its_tint(use_mask, monkeypatch):
    monkeypatch.setattr(relief, "PIXELS_PER_DEGREE", 1)
    use_mask(np.ones((180, 360), bool))
    for height, colour in {**TINTS, -100: TINTS[0], 9000: TINTS[5500]}.items():
        assert np.all(drawn(np.full(GRID.shape, height, np.float32)) == colour)


@pytest.mark.parametrize("latitude, longitude", [(48, 12), (-30, 288), (-36, 150), (0, 0)])
def test_mountains_are_in_place_and_lit_from_the_north_west(use_mask, latitude, longitude):
    use_mask(np.ones((180, 360), bool))
    picture = drawn(mountain(latitude, longitude)).astype(float)
    differs = np.abs(picture - TINTS[0]).max(axis=-1) > 30
    row, column = 10 * (93 - latitude), 10 * (longitude + 3)
    assert differs[row, column % 3600] and differs.mean() < 0.05
    brightness = picture.mean(axis=-1)
    north_west, south_east = (
        brightness[row + shift, (column + shift) % 3600] for shift in (-50, 50)
    )
    assert north_west > south_east + 20


def test_the_picture_turns_with_the_world(use_mask, rng):
    land = rng.random((180, 360)) < 0.5
    heights = 4000 * rng.random(GRID.shape)
    use_mask(land)
    picture = drawn(heights)
    use_mask(np.roll(land, 150, axis=1))
    turned = drawn(np.roll(heights, 25, axis=1))
    difference = np.abs(turned.astype(int) - np.roll(picture, 1500, axis=1))
    assert difference.max() <= 1, "there must be no seam"


def test_beyond_the_poles_the_picture_repeats_them(use_mask, rng):
    use_mask(rng.random((180, 360)) < 0.5)
    picture = drawn(None)
    assert np.all(picture[:30] == picture[30]) and np.all(picture[-30:] == picture[-31])


def test_heights_are_kept_at_the_cells_and_never_negative(rng):
    heights = np.where(rng.random(GRID.shape) < 0.3, 5000 * rng.random(GRID.shape), 0)
    fine = relief._refined(heights, 3, 5)
    assert fine.shape == (93, 300) and fine.min() >= 0
    np.testing.assert_allclose(fine[1::3, 2::5], heights, atol=1e-3)
