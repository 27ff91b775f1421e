"""Shares of land are exact areas: they add up, whatever the cells, and the poles have no part."""

from importlib.util import find_spec

import numpy as np
import pytest

from dambench_hub.building import land_mask
from dambench_hub.building.land_mask import land_share, land_shares
from dambench_hub.coordinates.grids import Grid, cell_edges
from dambench_hub.errors import BuildError

ROWS, COLUMNS = 250, 96  # more rows than two bands, and no whole number of bands


def use_mask(monkeypatch, folder, land):
    """Let `land` (rows, columns), from 90 and −180, be the mask."""
    path = folder / "mask.npz"
    np.savez_compressed(path, mask=~land)
    monkeypatch.setattr(land_mask, "_mask_file", lambda: path)
    return path


@pytest.fixture
def land(rng, monkeypatch, tmp_path):
    land = rng.random((ROWS, COLUMNS)) < 0.3
    use_mask(monkeypatch, tmp_path, land)
    return land


def sine_steps(latitude):
    return -np.diff(np.sin(np.deg2rad(latitude)))


@pytest.mark.parametrize("text", ["3x2", "7x5", "33x64", "121x240"])
def test_land_is_neither_lost_nor_made(land, text):
    latitude, longitude = cell_edges(Grid.parse(text))
    share = land_share(latitude, longitude)
    area = sine_steps(latitude)
    truth = land.mean(axis=1) @ sine_steps(np.linspace(90, -90, ROWS + 1)) / 2
    assert share.shape == Grid.parse(text).shape and share.dtype == np.float32
    np.testing.assert_allclose(share.mean(axis=1, dtype=float) @ area / 2, truth, rtol=1e-6)


def test_a_share_is_the_sum_over_the_parts_of_mask_cells(land):
    latitude, longitude = cell_edges(Grid(9, 7))
    sines, fine = np.sin(np.deg2rad(latitude)), np.sin(np.deg2rad(np.linspace(90, -90, ROWS + 1)))
    meridians = np.linspace(-180, 180, COLUMNS + 1)

    def overlap(low, high, lows, highs):
        return np.clip(np.minimum(high, highs) - np.maximum(low, lows), 0, None)

    for i, j in [(0, 0), (0, 3), (4, 3), (4, 4), (7, 6), (8, 1)]:
        rows = overlap(sines[i + 1], sines[i], fine[1:], fine[:-1])
        columns = sum(
            overlap(longitude[j] + turn, longitude[j + 1] + turn, meridians[:-1], meridians[1:])
            for turn in (-360, 0)
        )
        truth = rows @ land @ columns / rows.sum() / columns.sum()
        assert land_share(latitude, longitude)[i, j] == pytest.approx(truth, rel=1e-6)


def test_all_land_is_one_and_all_sea_is_zero_exactly(monkeypatch, tmp_path):
    for value in (0, 1):
        use_mask(monkeypatch, tmp_path, np.full((ROWS, COLUMNS), value, bool))
        assert np.all(land_share(*cell_edges(Grid(33, 64))) == value)


def test_land_lies_where_the_mask_has_it(monkeypatch, tmp_path):
    land = np.zeros((180, 360), bool)
    land[90 - 47, 180 + 10] = True  # 46 to 47 north, 10 to 11 east
    land[90 + 33, 180 - 71] = True  # 33 to 34 south, 71 to 70 west
    use_mask(monkeypatch, tmp_path, land)
    latitude, longitude = np.arange(90.0, -91, -1), np.arange(0.0, 361)
    found = np.argwhere(land_share(latitude, longitude) > 0.5)
    assert [(latitude[i], longitude[j]) for i, j in found] == [(47, 10), (-33, 289)]


def test_parts_of_cells_make_the_cells(land):
    grid, down, across = Grid(7, 5), 4, 3
    whole, parts = land_shares(cell_edges(grid), cell_edges(grid, down, across))
    latitude, _ = cell_edges(grid, down, across)
    area = np.repeat(sine_steps(latitude)[:, None], 15, axis=1)
    beyond = area == 0
    assert np.isnan(parts[beyond]).all() and not np.isnan(parts[~beyond]).any()
    assert beyond.any(axis=1).tolist() == [True] * 2 + [False] * 24 + [True] * 2
    sums = [
        values.reshape(7, down, 5, across).sum(axis=(1, 3))
        for values in (np.where(beyond, 0, parts) * area, area)
    ]
    np.testing.assert_allclose(sums[0] / sums[1], whole, rtol=1e-5)


def test_kinds_of_cells_do_not_depend_on_each_other(land):
    kinds = [cell_edges(Grid(7, 5)), cell_edges(Grid(33, 64)), cell_edges(Grid(7, 5), 4, 3)]
    for edges, together in zip(kinds, land_shares(*kinds), strict=True):
        np.testing.assert_array_equal(land_share(*edges), together)


def test_a_damaged_mask_is_named(land):
    path = land_mask._mask_file()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BuildError, match="mask.npz cannot be read.*global-land-mask again"):
        land_share(*cell_edges(Grid(7, 5)))


def test_the_package_is_asked_for(monkeypatch):
    monkeypatch.setattr(land_mask, "find_spec", lambda name: None)
    with pytest.raises(BuildError, match="pip install global-land-mask"):
        land_share(*cell_edges(Grid(7, 5)))


@pytest.mark.slow
def test_the_real_mask():
    if find_spec("global_land_mask") is None:
        pytest.skip("global-land-mask is not installed")
    grid = Grid(121, 240)
    latitude, longitude = cell_edges(grid)
    share = land_share(latitude, longitude)
    assert share.mean(axis=1) @ sine_steps(latitude) / 2 == pytest.approx(0.29, abs=0.003)

    def at(north, east):
        return share[round((90 - north) / 1.5), round(east % 360 / 1.5)]

    assert at(46.5, 10.5) == at(24, 15) == at(-25.5, 135) == at(-90, 0) == 1
    assert at(0, -150) == at(90, 0) == at(-30, 80) == 0
    assert at(42, 51) == 1, "the Caspian Sea is land in the mask"
    assert at(-81, -175) == 0, "the Ross ice shelf is sea in the mask"
