"""Tiles cover the globe, say what lies there, and give the fields back exactly."""

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Array2D, Features, Image, load_dataset
from PIL import Image as Picture

from dambench_hub.building import geography, land_mask, relief
from dambench_hub.building.geography import (
    GEOGRAPHY,
    card_config,
    regions,
    tiles,
    write_geography,
)
from dambench_hub.building.land_mask import land_share, land_shares
from dambench_hub.building.relief import pixels_per_cell, relief_map
from dambench_hub.coordinates.grids import Grid, cell_edges
from dambench_hub.data.geography import assemble
from dambench_hub.errors import BuildError, DataError

GRID = Grid(17, 32)  # 11.25 degrees


@pytest.fixture(autouse=True)
def small_world(monkeypatch, tmp_path):
    """30 to 75 north, 15 west to 60 east is the only land; pictures have 22 pixels per cell."""
    monkeypatch.setattr(relief, "PIXELS_PER_DEGREE", 2)
    land = np.zeros((180, 360), bool)
    land[15:60, 165:240] = True
    np.savez_compressed(tmp_path / "mask.npz", mask=~land)
    monkeypatch.setattr(land_mask, "_mask_file", lambda: tmp_path / "mask.npz")


@pytest.fixture
def orography(rng):
    return (4000 * rng.random(GRID.shape)).astype(np.float32)


@pytest.mark.parametrize(
    "latitude, longitude, name",
    [
        (52.5, 13.5, "Western and Central Europe"),
        (60, 10.5, "Northern Europe"),
        (46.5, 10.5, "Western and Central Europe"),
        (24, 15, "Sahara"),
        (33, 88.5, "Tibetan Plateau"),
        (-33, 289.5, "South-Western South America"),
        (-6, 295.5, "Northern South America"),
        (-25.5, 135, "Central Australia"),
        (40.5, 255, "Central North America"),
        (72, 319.5, "Greenland and Iceland"),
        (15, 90, "Bay of Bengal"),
        (40.5, 180, "Northern Pacific Ocean"),
        (67.5, 180, "Russian Arctic"),
        (67.5, 189, "Russian Arctic"),
        (0, 181.5, "Equatorial Pacific Ocean"),
        (-30, 351, "Southern Atlantic Ocean"),
        (90, 0, "Arctic Ocean"),
        (90, 180, "Arctic Ocean"),
        (-90, 0, "Eastern Antarctica"),
        (-90, 180, "Eastern Antarctica"),
    ],
)
def test_places_lie_in_their_regions(latitude, longitude, name):
    found = regions(Grid(121, 240))
    assert found[round((90 - latitude) / 1.5), round(longitude / 1.5)] == name


def test_every_cell_has_a_region_and_every_region_cells():
    table = yaml.safe_load(
        (geography.files("dambench_hub.building") / "regions.yaml").read_text("utf-8")
    )
    names = [region["name"] for region in table.values()]
    assert len(set(names)) == 58
    assert set(regions(Grid(121, 240)).ravel()) == set(names)


@pytest.mark.parametrize("text", ["121x240", "181x360"])
def test_gaps_between_the_published_regions_are_filled(monkeypatch, text):
    grid = Grid.parse(text)
    row, column = np.argmin(np.abs(grid.latitude - 81)), np.argmin(np.abs(grid.longitude - 255))
    found = regions(grid)
    assert found[row, column] == "Arctic Ocean"  # its corner and that of Canada differ by rounding
    # A cell without a region would get the last name of the table, which is this one.
    assert grid.latitude[np.any(found == "Southern Ocean", axis=1)].max() < -35
    monkeypatch.setattr(geography, "SLIVER", 0)
    assert regions(grid)[row, column] == "Southern Ocean"


def sea(grid):
    """Pixels of a world without coasts."""
    return np.zeros(np.multiply(grid.shape, pixels_per_cell(grid)), np.float32)


@pytest.mark.parametrize(
    "text, rows, columns, shape",
    [
        ("17x32", 8, 16, (3, 2)),
        ("33x64", 8, 16, (5, 4)),
        ("31x60", 7, 11, (5, 6)),
        ("17x32", 1, 1, (17, 32)),
        ("17x32", 17, 32, (1, 1)),
    ],
)
def test_tiles_of_one_shape_give_the_fields_back(rng, text, rows, columns, shape):
    grid = Grid.parse(text)
    fields = {name: rng.random(grid.shape).astype(np.float32) for name in ("land", "orography")}
    cut = tiles(grid, **fields, coast=sea(grid), rows=rows, columns=columns)
    assert len(cut) == rows * columns
    assert {tile["land"].shape for tile in cut} == {shape}
    for name, field in fields.items():
        np.testing.assert_array_equal(assemble(cut, name, grid), field)


def test_a_tile_says_what_lies_there(orography):
    land = land_share(*cell_edges(GRID))
    tile = tiles(GRID, land, sea(GRID), orography, rows=4, columns=8)[8]
    assert (tile["row"], tile["column"]) == (4, 0)
    assert tile["latitude"] == pytest.approx(90 - 11.25 * 6)
    assert tile["longitude"] == pytest.approx(11.25 * 1.5)
    area = -np.diff(np.sin(np.deg2rad(90 - 11.25 * (np.arange(4, 10) - 0.5))))[:, None]
    area = np.broadcast_to(area, (5, 4))
    share = np.sum(land[4:9, :4] * area) / area.sum()
    assert tile["land_fraction"] == pytest.approx(share)
    here = land[4:9, :4] >= 0.5
    heights = orography[4:9, :4][here]
    mean = np.sum(heights * area[here]) / area[here].sum()
    assert tile["region"] == "Sahara"
    assert tile["text"] == (
        f"Sahara: {100 * share:.0f} % land, mean elevation {mean:.0f} m, "
        f"{heights.min():.0f} to {heights.max():.0f} m; 5.62° S–50.62° N, 5.62° W–39.38° E"
    )


def test_the_land_of_the_whole_world_is_the_mean_of_even_tiles():
    land = land_share(*cell_edges(GRID))
    cut = tiles(GRID, land, sea(GRID), rows=1, columns=8)
    area = np.sin(np.deg2rad(75)) - np.sin(np.deg2rad(30))
    expected = area / 2 * 75 / 360
    assert np.mean([tile["land_fraction"] for tile in cut]) == pytest.approx(expected, rel=1e-5)
    assert cut[3]["text"].split(": ")[1].startswith("no land; 90° S–90° N, 129.38–174.38° E")
    assert "all longitudes" in tiles(GRID, land, sea(GRID), rows=2, columns=1)[0]["text"]


@pytest.mark.parametrize(
    "rows, columns, text",
    [
        (slice(0, 3), slice(4, 8), "61.88–90° N, 39.38–84.38° E"),
        (slice(14, 17), slice(16, 18), "90–61.88° S, 174.38° E–163.12° W"),
        (slice(8, 9), slice(20, 24), "5.62° S–5.62° N, 140.62–95.62° W"),
        (slice(9, 11), slice(30, 32), "28.12–5.62° S, 28.12–5.62° W"),
    ],
)
def test_limits_name_their_hemispheres(rows, columns, text):
    assert geography._limits(GRID, rows, columns) == text


def test_sides_of_a_tile_may_lie_on_meridian_and_equator():
    assert geography._span(0, 10, "S", "N") == "0–10° N"
    assert geography._span(-10, 0, "S", "N") == "10–0° S"
    assert geography._span(-5, 170, "W", "E") == "5° W–170° E"


@pytest.mark.parametrize("share, words", [(0, "no land"), (0.004, "less than 1 % land")])
def test_little_land_is_not_no_land(share, words):
    tile = tiles(GRID, np.full(GRID.shape, share), sea(GRID), rows=2, columns=2)[0]
    assert f": {words}; " in tile["text"]


def test_regions_of_a_quarter_are_named_the_largest_first():
    names = np.array([["a", "b", "b", "c"], ["b", "c", "c", "d"]])
    area = np.repeat([[3.0], [1.0]], 4, axis=1)
    assert geography._largest(names, area) == ["b", "c"]  # 7, 5, 3 and 1 of 16
    assert geography._largest(np.array([list("abcde")]), np.ones((1, 5))) == ["a"]


def test_pictures_are_parts_of_one_map(orography):
    land, coast = land_shares(cell_edges(GRID), cell_edges(GRID, *pixels_per_cell(GRID)))
    world = relief_map(GRID, coast, orography)
    for tile in tiles(GRID, land, coast, orography, rows=4, columns=8)[7:11]:
        picture = np.asarray(Picture.open(BytesIO(tile["relief"])))
        top, left = 22 * tile["row"], 22 * tile["column"]
        np.testing.assert_array_equal(picture, world[top : top + 110, left : left + 88])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"orography": np.full(GRID.shape, 2e4)}, "orography runs from 20000.*by 9.80665"),
        ({"orography": np.full(GRID.shape, np.nan)}, "orography has values that are not finite"),
        ({"orography": np.zeros((16, 32))}, r"shape \(17, 32\), got \(16, 32\)"),
        ({"land": np.full(GRID.shape, 63.0)}, "land runs from 63.*not a percentage"),
        ({"rows": 18}, "Cannot cut 17 latitudes into 18 tiles; give 1 to 17"),
        ({"columns": 0}, "Cannot cut 32 longitudes into 0 tiles"),
    ],
)
def test_wrong_fields_are_refused(changes, message):
    with pytest.raises(BuildError, match=message):
        tiles(**{"grid": GRID, "land": np.zeros(GRID.shape), "coast": sea(GRID), **changes})


def test_the_file_is_read_by_datasets(tmp_path, orography):
    folder = tmp_path / "dambench"
    path = write_geography(folder, GRID, orography)
    assert path == folder / GEOGRAPHY
    entry, info = card_config(folder)
    front = yaml.safe_dump({"configs": [entry], "dataset_info": [info]})
    (folder / "README.md").write_text(f"---\n{front}---\n")
    data = load_dataset(
        str(folder), "geography", split="train", cache_dir=str(tmp_path / "cache")
    ).with_format("numpy")
    assert len(data) == 128
    assert data.features["orography"] == Array2D((3, 2), "float32")
    fields = data.remove_columns("relief")
    np.testing.assert_array_equal(assemble(list(fields), "orography", GRID), orography)
    np.testing.assert_array_equal(
        assemble(list(fields), "land", GRID), land_share(*cell_edges(GRID))
    )
    assert data.with_format(None)[0]["relief"].size == (44, 66)


def test_a_grid_of_few_cells_has_as_few_tiles(tmp_path):
    write_geography(tmp_path, Grid(5, 8))
    assert len(read_texts(tmp_path)) == 40


def test_without_heights_there_is_no_such_column(tmp_path):
    write_geography(tmp_path, GRID)
    features = Features.from_arrow_schema(pq.read_schema(tmp_path / GEOGRAPHY))
    assert "orography" not in features and features["relief"] == Image()
    assert not any("elevation" in text for text in read_texts(tmp_path))


def test_heights_make_words(tmp_path, orography):
    write_geography(tmp_path, GRID, orography)
    assert any("mean elevation" in text for text in read_texts(tmp_path))


def read_texts(folder):
    return pq.read_table(folder / GEOGRAPHY, columns=["text"])["text"].to_pylist()


def test_equal_fields_give_equal_bytes(tmp_path, orography):
    first, second = (write_geography(tmp_path / name, GRID, orography) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(table, path, **options):
        path.write_bytes(b"half")
        raise pa.ArrowInvalid("broken")

    monkeypatch.setattr(geography.pq, "write_table", fail)
    with pytest.raises(pa.ArrowInvalid):
        write_geography(tmp_path, GRID)
    assert not list((tmp_path / "geography").iterdir())


def test_the_card_needs_the_file(tmp_path):
    with pytest.raises(DataError, match=r"geography.*cannot be read.*Write it again"):
        card_config(tmp_path)
