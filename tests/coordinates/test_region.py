import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.coordinates.region import Region

places = st.lists(st.tuples(st.floats(-90, 90), st.floats(-360, 720)), min_size=1, max_size=9)


@given(places)
def test_all_places_lie_on_the_map_whatever_the_turn(found):
    latitude, longitude = np.array(found).T
    region = Region.around(latitude, longitude)
    for turn in (0, 360, -720):
        x, y = region.project(latitude, longitude + turn)
        assert np.all((x > -1e-6) & (x < region.width + 1e-6))
        assert np.all((y > -1e-6) & (y < region.height + 1e-6))


def test_a_map_across_the_date_line_is_no_wider_than_its_places():
    region = Region.around(np.array([-10.0, 10.0]), np.array([170.0, -170.0]))
    assert region.degrees == pytest.approx(20 * 1.08) and abs(region.centre) == pytest.approx(180)
    x, _ = region.project(np.zeros(2), np.array([170.0, -170.0]))
    assert x[0] < x[1]
    assert list(region.meridians()) == [170, 175, -180, -175, -170]


def test_distances_are_true_at_the_middle_latitude():
    region = Region.around(np.array([50.0, 70.0]), np.array([0.0, 30.0]))
    x, y = region.project(np.array([60.0, 60.0, 61.0]), np.array([10.0, 12.0, 10.0]))
    assert x[1] - x[0] == pytest.approx(2 * np.cos(np.deg2rad(60)), rel=1e-6)
    assert y[2] - y[0] == pytest.approx(1)


def test_a_single_place_is_seen_with_its_surroundings():
    region = Region.around(np.array([47.0]), np.array([8.0]))
    assert (region.degrees, region.height) == (10, 10)
    assert region.project(47, 8)[1] == pytest.approx(5)


def test_coasts_are_those_of_the_region_and_none_crosses_the_map():
    europe = Region.around(np.array([35.0, 70.0]), np.array([-20.0, 45.0]))
    lines = europe.coast()
    assert lines and all((line.max(axis=0) > 0).all() for line in lines)
    assert len(lines) < len(Region.around(np.array([-89.0, 89.0]), np.arange(2) * 180.0).coast())
    for line in Region.around(np.array([-60.0, 60.0]), np.array([120.0, -120.0])).coast():
        assert np.abs(np.diff(line[:, 0])).max(initial=0) < 90
    atlantic = Region.around(np.array([-31.0, -30.0]), np.array([-20.0, -19.0]))
    assert atlantic.coast() == []


def test_the_graticule_has_few_lines():
    for degrees in (1.0, 15.0, 60.0, 180.0):
        region = Region.around(np.array([-degrees / 4, degrees / 4]), np.array([0.0, degrees]))
        assert 2 <= len(region.meridians()) <= 13
        assert 1 <= len(region.parallels()) <= 8
