import base64
import re
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dambench_hub.coordinates.grids import Grid
from dambench_hub.leaderboard.web.drawing.maps import HEIGHT, OUTSIDE, WIDTH, Atlas, project

GRID = Grid(33, 64)


def pixels(drawing):
    """The picture in a map, as RGBA."""
    encoded = re.search(r"base64,([^\"]+)", drawing)[1]
    return np.asarray(Image.open(BytesIO(base64.b64decode(encoded))).convert("RGBA"))


@given(st.floats(-89, 89), st.floats(-179, 179))
def test_a_place_is_drawn_where_its_value_is(latitude, longitude):
    """The forward projection of marks agrees with the backward one of pictures."""
    from dambench_hub.leaderboard.web.drawing.maps import _globe

    x, y = project(latitude, longitude)
    inside, rows, columns = _globe()
    row, column = min(int(y), HEIGHT - 1), min(int(x), WIDTH - 1)
    if inside[row, column]:
        assert project(rows[row, column], columns[row, column]) == (
            pytest.approx(x, abs=0.51),
            pytest.approx(y, abs=0.51),
        )


def test_poles_and_date_line():
    assert project(90, 17) == (pytest.approx(WIDTH / 2), pytest.approx(0))
    assert project(-90, 0) == (pytest.approx(WIDTH / 2), pytest.approx(HEIGHT))
    assert project(0, 180) == project(0, -180) == (pytest.approx(0), pytest.approx(HEIGHT / 2))


def test_equal_areas_look_equal():
    """Half of the globe's pixels lie within 30 degrees of the equator, as half of its area does."""
    from dambench_hub.leaderboard.web.drawing.maps import _globe

    inside, latitude, _ = _globe()
    assert np.mean(np.abs(latitude[inside]) < 30) == pytest.approx(0.5, abs=0.005)


def test_the_corners_are_transparent_and_the_globe_is_not(rng):
    alpha = pixels(Atlas(GRID).draw(rng.random(GRID.shape), (0, 1), "noise"))[..., 3]
    assert alpha.shape == (HEIGHT, WIDTH)
    assert alpha[0, 0] == alpha[-1, -1] == 0
    assert alpha[HEIGHT // 2, WIDTH // 2] == 255
    assert np.mean(alpha > 0) == pytest.approx(np.pi / 4, abs=0.01)


def test_values_beyond_the_limits_get_the_colours_at_the_ends():
    field = np.where(GRID.longitude < 180, -7.0, 7.0) * np.ones(GRID.shape)
    wide = pixels(Atlas(GRID).draw(field, (-1, 1), "wide"))
    narrow = pixels(Atlas(GRID).draw(np.sign(field), (-1, 1), "narrow"))
    middle = HEIGHT // 2
    np.testing.assert_array_equal(wide[middle, 100:260], narrow[middle, 100:260])
    assert tuple(wide[middle, 500, :3]) != tuple(wide[middle, 200, :3])
    assert OUTSIDE == 255


def test_a_constant_field_is_one_colour():
    picture = pixels(Atlas(GRID).draw(np.zeros(GRID.shape), (0, 0), "nothing"))
    assert len({tuple(p) for p in picture[picture[..., 3] > 0]}) == 1


def test_coastlines_stay_on_the_globe_and_leap_nowhere():
    path = re.search(r'class="coast" d="M([^"]+)"', Atlas(GRID).lines)[1]
    for line in path.split("M"):
        points = np.array([point.split() for point in line.split("L")], float)
        x, y = points.T
        assert np.all(((x - 360) / 360) ** 2 + ((y - 180) / 180) ** 2 < 1.001)
        assert np.abs(np.diff(points, axis=0)).max() < 40


def test_what_a_map_is_called_is_text(rng):
    drawing = Atlas(GRID).draw(rng.random(GRID.shape), (0, 1), '"><script>alert(1)</script>')
    assert "<script>" not in drawing
    assert "&lt;script&gt;" in drawing


def test_observed_points_are_marked(rng):
    points = rng.choice(GRID.size, 50, replace=False)
    drawing = Atlas(GRID).draw(rng.random(GRID.shape), (0, 1), "points", points)
    assert re.search(r'class="observed".* d="([^"]*)"', drawing)[1].count("M") == 50
