"""Weights and coordinates of grids; wrong coordinates stop with advice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.coordinates.grids import Grid, latitude_weights
from dambench_hub.errors import GridError

grids = st.builds(Grid, st.integers(3, 200), st.integers(2, 200))


@given(grids)
def test_weights_have_mean_one_and_follow_the_cosine(grid):
    weights = grid.weights
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-12)
    cosine = np.cos(np.deg2rad(grid.latitude[1:-1]))
    np.testing.assert_allclose(weights[1:-1] / cosine, weights[1] / cosine[0], rtol=1e-9)
    np.testing.assert_array_less(weights[[0, -1]], 1e-12)
    assert np.all(weights >= 0)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-12)


@given(grids)
def test_coordinates(grid):
    assert grid.latitude[0] == 90 and grid.latitude[-1] == -90 and grid.longitude[0] == 0
    np.testing.assert_allclose(np.diff(grid.latitude), -180 / (grid.latitudes - 1))
    np.testing.assert_allclose(np.diff(grid.longitude), 360 / grid.longitudes)
    assert grid.longitude[-1] < 360
    assert grid.size == np.prod(grid.shape)


@given(grids)
def test_a_grid_is_known_by_its_name_and_by_its_coordinates(grid):
    assert Grid.parse(str(grid)) == grid
    for kind in ("f4", "f8"):
        found = Grid.from_coordinates(grid.latitude.astype(kind), grid.longitude.astype(kind))
        assert found == grid


@given(grids)
def test_unit_vectors_lie_where_the_coordinates_say(grid):
    xyz = grid.unit_vectors().reshape(*grid.shape, 3)
    np.testing.assert_allclose((xyz**2).sum(-1), 1)
    np.testing.assert_allclose(np.rad2deg(np.arcsin(xyz[:, 0, 2])), grid.latitude, atol=1e-5)
    east = np.rad2deg(np.arctan2(xyz[1, :, 1], xyz[1, :, 0])) % 360
    np.testing.assert_allclose(np.cos(np.deg2rad(east - grid.longitude)), 1)


@pytest.mark.parametrize("text", ["121x240", " 61x120 ", "33×64"])
def test_parse(text):
    assert str(Grid.parse(text)) == text.strip().replace("×", "x")


@pytest.mark.parametrize("text", ["", "121", "121x", "x240", "121x240x3", "-3x4", "1.5x2", "2x4"])
def test_parse_refuses(text):
    with pytest.raises(GridError, match="121x240"):
        Grid.parse(text)


GRID = Grid(13, 24)
LATITUDE, LONGITUDE = GRID.latitude, GRID.longitude


@pytest.mark.parametrize(
    ("latitude", "longitude", "advice"),
    [
        (LATITUDE[::-1], LONGITUDE, "flip the field along latitude"),
        (LATITUDE, LONGITUDE - 180, "roll the field by half its width"),
        (LATITUDE, np.where(LONGITUDE < 180, LONGITUDE, LONGITUDE - 360), "roll the field"),
        (LATITUDE, LONGITUDE + 7.5, "longitude is 7.5, 22.5 … 352.5. It must be 0, 15 … 345"),
        (LATITUDE[1:-1], LONGITUDE, "both poles"),
        (np.linspace(86.25, -86.25, 24), LONGITUDE, "both poles"),
        (LATITUDE, np.linspace(0, 360, 24), "evenly spaced"),
        (np.sin(np.deg2rad(LATITUDE)) * 90, LONGITUDE, "evenly spaced"),
        (np.where(LATITUDE == 0, np.nan, LATITUDE), LONGITUDE, "not numbers"),
        (LATITUDE[:2], LONGITUDE, "at least 3 latitudes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_coordinates_are_refused_with_advice(latitude, longitude, advice):
    with pytest.raises(GridError) as caught:
        Grid.from_coordinates(latitude, longitude)
    assert advice in str(caught.value)


def test_problems_are_listed_together():
    problems = GRID.coordinate_problems(LATITUDE[1:], LONGITUDE - 180)
    assert len(problems) == 2
    assert "Was a pole dropped?" in problems[0] and "roll" in problems[1]
    assert GRID.coordinate_problems(LATITUDE, LONGITUDE) == []


@pytest.mark.parametrize("latitude", [[90.0, 91.0], [0.0, np.nan], [[0.0, 1.0]]])
def test_weights_need_latitudes(latitude):
    with pytest.raises(GridError, match="from 90 to -90"):
        latitude_weights(np.array(latitude))
