"""The standard atmosphere against its published tables."""

import numpy as np
import pytest

from dambench_hub.coordinates.standard_atmosphere import (
    altitude_at,
    pressure_at,
    station_pressure,
)


@pytest.mark.parametrize(
    ("altitude", "pressure"),
    [(0, 101_325.0), (1_000, 89_874.6), (5_000, 54_019.9), (11_000, 22_632.1), (15_000, 12_044.6)]
    + [(20_000, 5_474.9)],
)
def test_pressures_are_those_of_the_published_table(altitude, pressure):
    assert pressure_at(altitude) == pytest.approx(pressure, rel=1e-5)


def test_altitude_is_the_inverse():
    altitude = np.linspace(-4_000, 11_000, 31)
    np.testing.assert_allclose(altitude_at(pressure_at(altitude)), altitude, atol=1e-6)


def test_there_is_none_beyond_its_ends():
    assert np.isnan(pressure_at([-6_000.0, 21_000.0, np.nan])).all()


def test_at_sea_level_qnh_is_the_pressure():
    qnh = np.array([96_000.0, 101_325.0, 104_000.0])
    np.testing.assert_allclose(station_pressure(qnh, np.zeros(3)), qnh)


def test_in_the_standard_atmosphere_a_station_has_its_pressure():
    np.testing.assert_allclose(station_pressure(101_325.0, 1_655.0), pressure_at(1_655.0))
