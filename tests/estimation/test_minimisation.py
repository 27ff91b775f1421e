"""The search finds minima to the accuracy it promises, and says why it ended."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from dambench_hub.errors import DataError, ForecastError
from dambench_hub.estimation.minimisation import minimise, minimise_quadratic


def quadratic(n=50, largest=1e3):
    """½‖v‖² + ½(v−a)ᵀD(v−a), its Hessian between 1 and 1 + largest, and its minimum."""
    a = np.random.default_rng(0).normal(size=n)
    D = np.geomspace(1e-3, largest, n)

    def cost(v):
        return 0.5 * (v @ v + D @ (v - a) ** 2), v + D * (v - a)

    return cost, D * a / (1 + D)


@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-5])
def test_the_tolerance_bounds_the_distance_from_the_minimum(tolerance):
    cost, best = quadratic()
    found = minimise(cost, np.zeros(50), tolerance=tolerance, max_iterations=1000)
    assert found.converged
    assert np.sqrt(np.mean((found.control - best) ** 2)) <= tolerance
    assert found.cost_start == cost(np.zeros(50))[0]
    assert found.cost_end == cost(found.control)[0] < found.cost_start
    expected = np.linalg.norm(cost(found.control)[1]) / np.linalg.norm(cost(np.zeros(50))[1])
    assert found.gradient_reduction == pytest.approx(expected)


def test_curved_valleys_are_followed():
    found = minimise(lambda v: (rosen(v), rosen_der(v)), np.zeros(10), tolerance=1e-8)
    np.testing.assert_allclose(found.control, 1, atol=1e-6)
    assert found.evaluations >= found.iterations > 10


def test_a_search_steps_back_from_where_the_forecast_diverges():
    refused = 0

    def cost(v):
        nonlocal refused
        if v.max() > 0.5:  # the first step goes to 1
            refused += 1
            raise ForecastError("The forecast diverged.")
        return 10 * float((v - 0.4) @ (v - 0.4)), 20 * (v - 0.4)

    found = minimise(cost, np.zeros(1), tolerance=1e-6)
    assert refused and found.converged
    assert found.control == pytest.approx(0.4, abs=1e-6)
    assert found.cost_start == pytest.approx(1.6)
    with pytest.raises(ForecastError, match="diverged"):
        minimise(cost, np.ones(1))


def test_a_limit_of_iterations_is_said():
    cost, _ = quadratic()
    found = minimise(cost, np.zeros(50), tolerance=1e-12, max_iterations=3)
    assert (found.converged, found.iterations) == (False, 3)
    assert "limit of 3 iterations" in found.reason


def test_what_rounding_forbids_is_said():
    cost, best = quadratic()
    found = minimise(cost, np.zeros(50), tolerance=1e-30, max_iterations=1000)
    assert not found.converged
    assert "no step lowers the cost" in found.reason
    np.testing.assert_allclose(found.control, best, atol=1e-6)


def test_a_start_at_the_minimum_stays():
    found = minimise(lambda v: (0.5 * v @ v, v), np.zeros(3))
    assert (found.iterations, found.evaluations, found.gradient_reduction) == (0, 1, 1.0)
    assert found.converged


def test_a_quadratic_cost_is_solved_as_a_linear_system():
    cost, best = quadratic()
    found = minimise_quadratic(cost, 50)
    bound = 1e-10 * np.linalg.norm(cost(np.zeros(50))[1])
    assert np.linalg.norm(found.control - best) < bound
    assert found.converged and found.gradient_reduction < 1e-9
    assert found.cost_end < found.cost_start
    searched = minimise(cost, np.zeros(50), tolerance=1e-6, max_iterations=1000)
    assert found.evaluations < searched.evaluations


def test_a_quadratic_cost_may_have_its_minimum_at_the_start():
    found = minimise_quadratic(lambda v: (0.5 * v @ v, v), 3)
    np.testing.assert_array_equal(found.control, 0)
    assert (found.iterations, found.gradient_reduction) == (0, 1.0)


def test_a_cost_that_is_not_quadratic_is_not_solved_as_one():
    def cost(v):
        return 0.5 * v @ v + np.sum((v - 1) ** 4), v + 4 * (v - 1) ** 3

    with pytest.raises(DataError, match="not quadratic"):
        minimise_quadratic(cost, 1)
