"""The standard atmosphere against the tables of its manual."""

import numpy as np

from dambench_hub.coordinates.standard_atmosphere import standard_pressure


def test_pressures_are_those_of_the_manual():
    height = np.array([-500.0, 0.0, 1_000.0, 3_000.0, 8_000.0])
    wanted = [107_478, 101_325, 89_874.6, 70_108.5, 35_599.8]
    np.testing.assert_allclose(standard_pressure(height), wanted, rtol=1e-4)


def test_an_unknown_height_has_no_pressure():
    assert np.isnan(standard_pressure(np.array([np.nan])))
