import numpy as np
import pytest

from dambench_hub.building.sources.reports.humidity import EPSILON, specific_humidity


@pytest.mark.parametrize(
    ("celsius", "hectopascals"), [(0.0, 6.1078), (20.0, 23.373), (-20.0, 1.254), (40.0, 73.777)]
)
def test_vapour_pressure_is_that_of_the_tables_over_water(celsius, hectopascals):
    """Goff-Gratch values, WMO-No. 49, technical regulations."""
    pressure = 100_000.0
    q = specific_humidity(np.array(celsius + 273.15), np.array(pressure))
    vapour = q * pressure / (EPSILON + (1 - EPSILON) * q)
    assert vapour / 100 == pytest.approx(hectopascals, rel=5e-3)


def test_it_rises_with_the_dew_point_and_falls_with_pressure():
    dew_point = np.linspace(130.0, 310.0, 50)
    assert (np.diff(specific_humidity(dew_point, np.array(1e5))) >= 0).all()
    assert (np.diff(specific_humidity(np.array(270.0), np.linspace(1e4, 1e5, 50))) < 0).all()


def test_air_does_not_boil():
    assert np.isnan(specific_humidity(np.array(300.0), np.array(3_000.0)))
