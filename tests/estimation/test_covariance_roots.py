"""Roots give back their covariance and have the adjoints that they claim."""

import numpy as np
import pytest

from dambench_hub.errors import DataError
from dambench_hub.estimation.covariance_roots import DiagonalRoot, MappedRoot, MatrixRoot

RNG = np.random.default_rng(0)
FACTOR, MAP = RNG.normal(size=(6, 4)), RNG.normal(size=(5, 6))
ROOTS = [
    DiagonalRoot(RNG.uniform(0, 2, (2, 3, 4))),
    MatrixRoot(FACTOR),
    MatrixRoot.of(FACTOR.T @ FACTOR),
    MappedRoot(MatrixRoot(FACTOR), lambda x: MAP @ x, lambda y: MAP.T @ y, 0.5),
]


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: type(root).__name__)
def test_adjoint(root):
    rng = np.random.default_rng(1)
    v = rng.normal(size=root.control_shape)
    x = rng.normal(size=root(v).shape)
    np.testing.assert_allclose(np.vdot(root(v), x), np.vdot(v, root.adjoint(x)), rtol=1e-12)


@pytest.mark.parametrize("B", [FACTOR.T @ FACTOR, FACTOR @ FACTOR.T], ids=["full rank", "rank 4"])
def test_the_root_of_a_matrix_squares_to_it(B):
    root = MatrixRoot.of(B)
    applied = np.array([root(root.adjoint(unit)) for unit in np.eye(len(B))])
    np.testing.assert_allclose(applied, B, atol=1e-12)


def test_the_square_of_stds_is_the_variance():
    root = DiagonalRoot(np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(root(root.adjoint(np.ones((1, 2)))), [[1, 4]])


def test_a_map_of_errors_scales_their_std():
    applied = np.array([ROOTS[-1](ROOTS[-1].adjoint(unit)) for unit in np.eye(5)])
    np.testing.assert_allclose(applied, 0.25 * MAP @ FACTOR @ FACTOR.T @ MAP.T, atol=1e-12)


@pytest.mark.parametrize("matrix", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.5], [0.0, 1.0]]])
def test_what_is_no_covariance_has_no_root(matrix):
    with pytest.raises(DataError, match="must be symmetric"):
        MatrixRoot.of(np.array(matrix))
