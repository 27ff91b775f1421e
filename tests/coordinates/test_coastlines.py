"""Coastlines: where known coasts are, and nowhere across a map."""

import numpy as np
import pytest

from dambench_hub.coordinates.coastlines import coastlines


def distance(latitude, longitude):
    """Degrees on the sphere from a place to the next point of a coastline."""

    def unit(latitude, longitude):
        phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
        return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])

    points = unit(*np.concatenate(coastlines()).T)
    return np.rad2deg(np.arccos(np.clip(unit(latitude, longitude) @ points, -1, 1).max()))


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(-34.4, 18.5), (36.0, -5.6), (-55.9, -67.3), (64.1, -22.5), (8.0, 77.5), (66.1, -169.7)],
)
def test_known_capes_lie_on_them(latitude, longitude):
    """Good Hope, Tarifa, Horn, Reykjanes, Comorin, Dezhnev: 1:110 million rounds to a degree."""
    assert distance(latitude, longitude) < 2


@pytest.mark.parametrize(("latitude", "longitude"), [(0, -150), (-40, -120), (46, 90), (23, 10)])
def test_oceans_and_deserts_have_none(latitude, longitude):
    assert distance(latitude, longitude) > 5


def test_no_line_crosses_the_date_line():
    lines = coastlines()
    assert len(lines) > 100
    for line in lines:
        assert np.all(np.abs(line[:, 0]) <= 90) and np.all(np.abs(line[:, 1]) < 180)
        assert np.abs(np.diff(line[:, 1])).max() < 40
