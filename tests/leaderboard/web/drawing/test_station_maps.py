import re

import numpy as np
import pytest

from dambench_hub.coordinates.region import Region
from dambench_hub.leaderboard.web.drawing.maps import colour_map
from dambench_hub.leaderboard.web.drawing.station_maps import WIDTH, StationAtlas

LATITUDE, LONGITUDE = np.array([35.0, 70.0, 50.0]), np.array([-20.0, 40.0, 10.0])
LIMITS = (-2.0, 2.0)


@pytest.fixture
def atlas():
    return StationAtlas(Region.around(LATITUDE, LONGITUDE))


def dots(drawing):
    """Place, colour and name of each dot, in the order of drawing."""
    pattern = r'cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" fill="(#\w+)"><title>([^<]*)<'
    return [(float(x), float(y), c, n) for x, y, c, n in re.findall(pattern, drawing)]


def test_dots_lie_where_stations_do_north_above(atlas):
    drawing = atlas.draw((LATITUDE, LONGITUDE), np.zeros(3), LIMITS, ["a", "b", "c"], "x")
    found = {name: (x, y) for x, y, _, name in dots(drawing)}
    assert found["a"][0] < found["c"][0] < found["b"][0]
    assert found["b"][1] < found["c"][1] < found["a"][1]
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', drawing)[1])
    assert all(0 < x < WIDTH and 0 < y < height for x, y in found.values())


def test_colours_are_those_of_the_bar_and_large_errors_lie_above(atlas):
    drawing = atlas.draw((LATITUDE, LONGITUDE), np.array([5.0, -2.0, 0.1]), LIMITS, [*"abc"], "x")
    found = {name: colour for *_, colour, name in dots(drawing)}
    ends = [tuple(round(255 * c) for c in colour_map(LIMITS)(end)[:3]) for end in (1.0, 0.0)]
    assert [tuple(bytes.fromhex(found[name][1:])) for name in "ab"] == ends
    assert [name for *_, name in dots(drawing)] == ["c", "b", "a"]


def test_coasts_and_graticule_stand_once_for_all_maps(atlas):
    drawing = atlas.draw((LATITUDE, LONGITUDE), np.zeros(3), LIMITS, [*"abc"], "x")
    assert 'href="#region-lines"' in drawing and drawing.count("<path") == 0
    assert 'id="region-lines"' in atlas.lines and atlas.lines.count("<path") == 2
    assert len(re.search(r'class="coast" d="([^"]*)"', atlas.lines)[1]) > 1000
