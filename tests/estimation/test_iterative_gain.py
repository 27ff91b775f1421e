"""A gain by iteration is the best linear estimate, in whichever space it is found."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.covariance_roots import MatrixRoot
from dambench_hub.estimation.iterative_gain import (
    ObservedPoints,
    diagonal_preconditioner,
    gain_by_controls,
    gain_by_iteration,
    observed_profile,
    observed_scale,
    precision_by_latitude,
    reduction_to,
)

GRID, CHANNELS = Grid(5, 8), 3
SIZE = CHANNELS * GRID.size
ERROR_STD = np.array([0.3, 0.5, 1.0])
SHARED = np.array([3, 11, 17, 20, 38])
NETWORKS = {"column": SHARED, "iid": np.stack([SHARED, SHARED + 1, SHARED - 1])}
SEEN = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0]], bool)


class States(MatrixRoot):
    """U from several controls, (S, n), to states, (S, C, Y, X)."""

    def __call__(self, control):
        return (control @ self.matrix.T).reshape(-1, CHANNELS, *GRID.shape)

    def adjoint(self, increment):
        return increment.reshape(-1, SIZE) @ self.matrix


@pytest.fixture(scope="module")
def root():
    return States(np.random.default_rng(0).normal(size=(SIZE, 30)) / np.sqrt(30))


@pytest.fixture(scope="module")
def covariance(root):
    return root.matrix @ root.matrix.T


def applied(covariance):
    return lambda state: (state.reshape(-1, SIZE) @ covariance).reshape(state.shape)


def observed(index):
    """Numbers of the observed values among those of a state."""
    return (
        np.broadcast_to(index, (3, index.shape[-1])) + GRID.size * np.arange(3)[:, None]
    ).ravel()


def diagonal(covariance, index):
    variance = np.diagonal(covariance)[observed(index)].reshape(3, index.shape[-1])
    return diagonal_preconditioner(variance, ERROR_STD)


@pytest.fixture(params=["observations", "controls"])
def gain(request, root, covariance):
    """K for a network, by iteration in each of the spaces."""

    def found(index, *tolerance, seen=None):
        H = ObservedPoints(GRID, index, seen)
        if request.param == "controls":
            return gain_by_controls(root, H, ERROR_STD, lambda v: v, *tolerance)
        precondition = diagonal(covariance, index)
        return gain_by_iteration(applied(covariance), H, ERROR_STD, precondition, *tolerance)

    return found


@pytest.mark.parametrize("network", NETWORKS)
def test_it_is_the_best_linear_estimate(gain, covariance, network, rng):
    index = NETWORKS[network]
    H, R = np.eye(SIZE)[observed(index)], np.diag(np.repeat(ERROR_STD**2, 5))
    innovation = rng.normal(size=(2, 3, 5))
    wanted = innovation.reshape(2, -1) @ best_linear_estimate(covariance, H, R).gain.T
    np.testing.assert_allclose(gain(index)(innovation).reshape(2, -1), wanted, atol=1e-8)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_not_seen_counts_for_nothing(gain, covariance, network, rng):
    index, seen = NETWORKS[network], SEEN.ravel()
    H, R = np.eye(SIZE)[observed(index)][seen], np.diag(np.repeat(ERROR_STD**2, 5)[seen])
    innovation = rng.normal(size=(2, 3, 5))
    wanted = innovation.reshape(2, -1)[:, seen] @ best_linear_estimate(covariance, H, R).gain.T
    came = gain(index, seen=SEEN)(innovation)
    np.testing.assert_allclose(came.reshape(2, -1), wanted, atol=1e-8)


def test_ended_early_it_is_linear_in_what_is_given_together(gain, rng):
    innovation = rng.normal(size=(4, 3, 5))
    innovation -= innovation.mean(axis=0)
    np.testing.assert_allclose(gain(SHARED, 0.3)(innovation).mean(axis=0), 0, atol=1e-12)


def test_without_observations_there_is_no_increment(gain):
    assert not gain(SHARED[:0])(np.zeros((2, 3, 0))).any()


@pytest.mark.parametrize("network", NETWORKS)
def test_observed_points_have_their_adjoint(network, rng):
    H = ObservedPoints(GRID, NETWORKS[network])
    state, observations = rng.normal(size=(2, 3, *GRID.shape)), rng.normal(size=(2, 3, 5))
    np.testing.assert_array_equal(H(state).ravel()[:15], state[0].ravel()[observed(H.index)])
    there, back = np.vdot(H(state), observations), np.vdot(state, H.adjoint(observations))
    np.testing.assert_allclose(there, back)


@pytest.mark.parametrize("seen", [None, SEEN], ids=["all", "some"])
@pytest.mark.parametrize("network", NETWORKS)
def test_precision_is_that_of_the_points_on_a_circle(network, seen):
    H = ObservedPoints(GRID, NETWORKS[network], seen)
    points = H.adjoint(np.ones((1, 3, 5)))[0].sum(axis=-1)
    found = precision_by_latitude(H, ERROR_STD, (3, *GRID.shape))
    np.testing.assert_allclose(found, points / ERROR_STD[:, None] ** 2)


def test_profiles_are_seen_where_something_is(rng):
    H = ObservedPoints(GRID, SHARED, SEEN)
    profile = rng.uniform(1, 2, (3, GRID.latitudes))
    wanted = np.where(SEEN, profile[:, SHARED // GRID.longitudes], 0)
    np.testing.assert_array_equal(observed_profile(H, profile, GRID), wanted)
    nothing = ObservedPoints(GRID, SHARED, np.zeros((3, 5), bool))
    np.testing.assert_array_equal(observed_scale(nothing, ERROR_STD, GRID), np.zeros(3))


def test_a_tolerance_is_in_units_of_the_errors():
    error_std, scale = np.array([1.0, 2.0, 9.0]), np.array([10.0, 20.0, 0.0])
    assert reduction_to(0.3, error_std, scale) == pytest.approx(0.03)
    assert reduction_to(0.3, error_std, 0 * scale) == 0.3


def test_a_diagonal_preconditioner_is_the_inverse_where_nothing_is_correlated(rng):
    variance, innovation = rng.uniform(1, 2, (3, 5)), rng.normal(size=(2, 3, 5))
    weights = diagonal_preconditioner(variance, ERROR_STD)(innovation)
    np.testing.assert_allclose((variance + ERROR_STD[:, None] ** 2) * weights, innovation)


def test_all_is_computed_in_the_type_of_the_errors(covariance, rng):
    single = ERROR_STD.astype(np.float32)
    precondition = diagonal_preconditioner(np.ones((3, 5)), single)
    P, H = applied(covariance.astype(np.float32)), ObservedPoints(GRID, SHARED)
    K = gain_by_iteration(P, H, single, precondition, 1e-3)
    assert K(rng.normal(size=(1, 3, 5))).dtype == np.float32
