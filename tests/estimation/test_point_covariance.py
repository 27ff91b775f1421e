"""Errors at points anywhere: a covariance, and its estimate from innovations."""

import numpy as np
import pytest

from dambench_hub.coordinates.places import on_unit_sphere
from dambench_hub.errors import DataError
from dambench_hub.estimation.point_covariance import PointCovariance, fit_point_covariance

TRUE = PointCovariance(std=2.0, length_km=300.0, error_scale=0.7)


def drawn(count, seed=0):
    """Places in and around Europe, innovations there, and what their errors are said to be."""
    rng = np.random.default_rng(seed)
    places = on_unit_sphere(rng.uniform(30, 70, count), rng.uniform(-20, 45, count))
    error_std = rng.choice([1.0, 2.0], count)
    B = np.linalg.cholesky(TRUE(places, places) + 1e-9 * np.eye(count))
    error = TRUE.error_scale * error_std * rng.normal(size=count)
    return places, B @ rng.normal(size=count) + error, error_std


def test_it_is_a_covariance():
    places = on_unit_sphere(np.array([0.0, 0, 89, 89, -90]), np.array([0.0, 359, 0, 180, 7]))
    B = TRUE(places, places)
    np.testing.assert_array_equal(B, B.T)
    np.testing.assert_allclose(np.diag(B), 4.0, rtol=1e-3)
    assert np.linalg.eigvalsh(B).min() > 0
    assert B[0, 1] == pytest.approx(4 * np.exp(-111.2 / 300), rel=1e-3)
    assert B[2, 3] == pytest.approx(4 * np.exp(-222.4 / 300), rel=1e-2)  # over the pole


def test_what_was_put_in_is_found():
    found = fit_point_covariance(*drawn(800))
    assert found.std == pytest.approx(TRUE.std, rel=0.2)
    assert found.length_km == pytest.approx(TRUE.length_km, rel=0.4)
    assert found.error_scale == pytest.approx(TRUE.error_scale, rel=0.15)


def test_units_only_scale():
    places, innovation, error_std = drawn(300)
    kelvin = fit_point_covariance(places, innovation, error_std)
    milli = fit_point_covariance(places, 1e3 * innovation, 1e3 * error_std)
    assert milli.std == pytest.approx(1e3 * kelvin.std)
    assert (milli.length_km, milli.error_scale) == pytest.approx(
        (kelvin.length_km, kelvin.error_scale)
    )


def test_weights_solve_the_system():
    places, innovation, error_std = drawn(50)
    S = TRUE(places, places) + np.diag((0.7 * error_std) ** 2)
    weights = TRUE.weights(places, innovation, error_std)
    np.testing.assert_allclose(S @ weights, innovation, rtol=1e-9)


def test_of_very_many_some_are_drawn():
    places, innovation, error_std = drawn(1_100, seed=3)
    found = fit_point_covariance(places, innovation, error_std)
    assert found.std == pytest.approx(TRUE.std, rel=0.3)


@pytest.mark.parametrize(("count", "factor"), [(19, 1.0), (40, 0.0)])
def test_too_little_to_estimate_from(count, factor):
    places, innovation, error_std = drawn(count)
    with pytest.raises(DataError, match="20 innovations at least"):
        fit_point_covariance(places, factor * innovation, error_std)
