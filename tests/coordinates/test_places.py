import numpy as np
import pytest

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.places import chord, distance_km, on_unit_sphere


@pytest.mark.parametrize(
    ("here", "there", "degrees"),
    [
        ((0, 0), (0, 90), 90),
        ((90, 0), (90, 123), 0),
        ((0, 359.5), (0, 0.5), 1),
        ((45, -180), (45, 180), 0),
        ((30, 10), (-30, 190), 180),
    ],
)
def test_distances_are_great_circles_over_poles_and_date_line(here, there, degrees):
    got = distance_km(on_unit_sphere(*here), on_unit_sphere(*there))
    np.testing.assert_allclose(got, EARTH_RADIUS_KM * np.deg2rad(degrees), atol=1e-6)


@pytest.mark.parametrize("distance", [0.5, 5.0, 500.0, 20_000.0])
def test_a_chord_is_the_straight_line_of_a_distance(distance):
    angle = np.rad2deg(distance / EARTH_RADIUS_KM)
    line = on_unit_sphere(0.0, 0.0) - on_unit_sphere(angle, 0.0)
    np.testing.assert_allclose(chord(distance), np.linalg.norm(line), rtol=1e-9)


def test_no_chord_is_longer_than_the_diameter():
    assert chord(1e9) == 2.0
