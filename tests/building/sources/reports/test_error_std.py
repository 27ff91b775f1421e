import numpy as np
import pytest

from dambench_hub.building.sources.reports.error_std import (
    HECTOPASCALS,
    LEVELS,
    SURFACE,
    error_std,
)
from dambench_hub.coordinates.constants import GRAVITY
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES, REPORTS


def test_errors_are_of_known_reports_and_variables():
    for table in (SURFACE, LEVELS):
        assert set(table) <= set(REPORTS)
        for errors in table.values():
            assert set(errors) <= set(OBSERVED_VARIABLES)


@pytest.mark.parametrize("report", LEVELS)
def test_at_the_levels_of_the_table_errors_are_its_numbers(report):
    pressure = 100.0 * np.array(HECTOPASCALS)
    for variable, expected in LEVELS[report].items():
        np.testing.assert_allclose(error_std(report, variable, pressure, pressure), expected)


def test_between_levels_they_are_linear_in_the_logarithm_and_beyond_them_constant():
    between = np.array([np.sqrt(70_000.0 * 85_000.0), 200.0, 110_000.0])
    got = error_std("temp", "t", between, between)
    np.testing.assert_allclose(got, [1.4, 2.5, 1.7])


def test_surface_errors_do_not_depend_on_pressure():
    unknown = np.full(3, np.nan)
    assert error_std("synop", "t2m", unknown, unknown).tolist() == [2.0] * 3


def test_heights_err_by_metres_and_geopotentials_by_what_they_lift():
    at = np.array([70_000.0])
    assert error_std("temp", "z", at, at) == pytest.approx(5.2 * GRAVITY)


def test_errors_of_humidity_are_positive_whatever_the_temperature():
    temperature = np.array([np.nan, 0.0, 150.0, 233.0, 300.0, 400.0])
    for pressure in (100.0, 30_000.0, 100_000.0):
        std = error_std("temp", "q", np.full(6, pressure), temperature)
        assert (std > 0).all() and np.isfinite(std).all()
