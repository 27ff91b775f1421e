"""A gain by iteration is the best linear estimate, whichever way it is preconditioned."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.iterative_gain import (
    column_preconditioner,
    diagonal_preconditioner,
    gain_by_iteration,
)

GRID, CHANNELS = Grid(5, 8), 3
SIZE = CHANNELS * GRID.size
ERROR_STD = np.array([0.3, 0.5, 1.0])
SHARED = np.array([3, 11, 17, 20, 38])
NETWORKS = {"column": SHARED, "iid": np.stack([SHARED, SHARED + 1, SHARED - 1])}


@pytest.fixture(scope="module")
def covariance():
    root = np.random.default_rng(0).normal(size=(SIZE, 30))
    return root @ root.T / 30


def applied(covariance):
    return lambda state: (state.reshape(-1, SIZE) @ covariance).reshape(state.shape)


def observed(index):
    """Numbers of the observed values among those of a state."""
    return (np.broadcast_to(index, (3, 5)) + GRID.size * np.arange(3)[:, None]).ravel()


def diagonal(covariance, index):
    variance = np.diagonal(covariance)[observed(index)].reshape(3, 5)
    return diagonal_preconditioner(variance, ERROR_STD)


def by_column(covariance, index):
    blocks = covariance.reshape(3, GRID.size, 3, GRID.size)[:, index, :, index]
    return column_preconditioner(blocks, ERROR_STD)


@pytest.mark.parametrize(
    ("network", "preconditioner"),
    [("column", diagonal), ("iid", diagonal), ("column", by_column)],
)
def test_it_is_the_best_linear_estimate(covariance, network, preconditioner, rng):
    index = NETWORKS[network]
    H, R = np.eye(SIZE)[observed(index)], np.diag(np.repeat(ERROR_STD**2, 5))
    innovation = rng.normal(size=(2, 3, 5))
    wanted = innovation.reshape(2, -1) @ best_linear_estimate(covariance, H, R).gain.T
    precondition = preconditioner(covariance, index)
    K = gain_by_iteration(applied(covariance), GRID, index, ERROR_STD, precondition)
    np.testing.assert_allclose(K(innovation).reshape(2, -1), wanted, atol=1e-8)


def test_ended_early_it_is_linear_in_what_is_given_together(covariance, rng):
    precondition = diagonal(covariance, SHARED)
    K = gain_by_iteration(applied(covariance), GRID, SHARED, ERROR_STD, precondition, 0.3)
    innovation = rng.normal(size=(4, 3, 5))
    innovation -= innovation.mean(axis=0)
    np.testing.assert_allclose(K(innovation).mean(axis=0), 0, atol=1e-12)


def test_preconditioners_are_inverses_where_points_are_uncorrelated(rng):
    root = rng.normal(size=(5, 3, 3))
    blocks = root @ root.mT
    innovation = rng.normal(size=(2, 3, 5))
    weights = column_preconditioner(blocks, ERROR_STD)(innovation)
    again = np.einsum("pcd,sdp->scp", blocks, weights) + ERROR_STD[:, None] ** 2 * weights
    np.testing.assert_allclose(again, innovation, atol=1e-10)
    variance = np.diagonal(blocks, axis1=1, axis2=2).T
    alone = column_preconditioner(blocks * np.eye(3), ERROR_STD)(innovation)
    wanted = diagonal_preconditioner(variance, ERROR_STD)(innovation)
    np.testing.assert_allclose(alone, wanted, atol=1e-12)


def test_without_observations_there_is_no_increment(covariance):
    none = np.zeros(0, int)
    precondition = diagonal_preconditioner(np.zeros((3, 0)), ERROR_STD)
    K = gain_by_iteration(applied(covariance), GRID, none, ERROR_STD, precondition)
    assert not K(np.zeros((2, 3, 0))).any()


def test_all_is_computed_in_the_type_of_the_errors(covariance, rng):
    single = ERROR_STD.astype(np.float32)
    precondition = diagonal_preconditioner(np.ones((3, 5)), single)
    P = applied(covariance.astype(np.float32))
    K = gain_by_iteration(P, GRID, SHARED, single, precondition, 1e-3)
    assert K(rng.normal(size=(1, 3, 5))).dtype == np.float32
