"""U Uᵀ is the hybrid covariance, and its gain that of the observations' space."""

import numpy as np
import pytest
from estimation.table_between_points import TableBetweenPoints
from estimation.test_spectral_covariance import CHANNELS, GRID, NETWORKS, made_up

from dambench_hub.errors import DataError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.hybrid_covariance import HybridCovariance
from dambench_hub.estimation.hybrid_root import HybridRoot
from dambench_hub.estimation.iterative_gain import ObservedPoints

REACH, ERROR_STD = 3000.0, np.array([0.5, 0.3, 0.3])
WEIGHTS = [(0.75, 0.25), (1.0, 0.0), (0.0, 1.0)]


@pytest.fixture(scope="module")
def B():
    return made_up()


@pytest.fixture(scope="module")
def anomalies(B):
    members = B.draw(6, np.random.default_rng(5))
    return members - members.mean(axis=0)


@pytest.fixture(scope="module")
def U(B, anomalies):
    return HybridRoot(B, anomalies, REACH, 0.4, 0.7)


def dense(P):
    """A covariance of states as a matrix."""
    size = len(CHANNELS) * GRID.size
    return P(np.eye(size).reshape(size, -1, *GRID.shape)).reshape(size, size)


@pytest.mark.parametrize("length", [REACH, np.inf])
def test_it_is_a_root_of_the_hybrid_covariance(B, anomalies, length):
    """But for what is truncated of the localisation, 2·10⁻³ of the variances."""
    U = HybridRoot(B, anomalies, length, 0.4, 0.7)
    wanted = dense(HybridCovariance(B, anomalies, length, 0.4, 0.7))
    difference = dense(lambda x: U(U.adjoint(x))) - wanted
    std = np.sqrt(wanted.diagonal())
    np.testing.assert_allclose(difference / np.outer(std, std), 0, atol=2e-3)


def test_adjoint(U, rng):
    control, state = rng.normal(size=(2, *U.control_shape)), rng.normal(size=(2, 3, *GRID.shape))
    np.testing.assert_allclose(
        np.vdot(U(control), state), np.vdot(control, U.adjoint(state)), rtol=1e-10
    )


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_gain_is_the_best_linear_estimate(B, anomalies, network, weights, rng):
    index, covariance = NETWORKS[network], HybridCovariance(B, anomalies, REACH, *weights)
    identity = np.eye(3 * GRID.size).reshape(-1, 3, *GRID.shape)
    matrix = ObservedPoints(GRID, index)(identity).reshape(len(identity), -1).T
    innovation, R = rng.normal(size=(2, 3, 4)), np.diag(np.repeat(ERROR_STD**2, 4))
    K = best_linear_estimate(dense(covariance), matrix, R).gain
    wanted = innovation.reshape(2, -1) @ K.T
    gain = HybridRoot(B, anomalies, REACH, *weights).gain(index, ERROR_STD, tolerance=1e-9)
    assert np.abs(wanted).max() > 0.5
    np.testing.assert_allclose(gain(innovation).reshape(2, -1), wanted, atol=5e-3)


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_through_a_table_it_is_the_best_linear_estimate(B, anomalies, weights, rng):
    covariance = dense(HybridCovariance(B, anomalies, REACH, *weights))
    H, error_std = TableBetweenPoints(3, GRID, rng), rng.uniform(0.3, 0.6, 10)
    innovation = rng.normal(size=(2, 10)) * H.columns.levels.any(axis=1)
    wanted = innovation @ best_linear_estimate(covariance, H.matrix, np.diag(error_std**2)).gain.T
    U = HybridRoot(B, anomalies, REACH, *weights)
    came = U.gain_through(H, error_std, tolerance=1e-9)(innovation[..., None])
    assert np.abs(wanted).max() > 0.3
    np.testing.assert_allclose(came.reshape(2, -1), wanted, atol=5e-3)


def test_with_the_gain_of_the_observations_space_increments_agree(B, anomalies, rng):
    """In single precision, and where iterations end by default."""
    index, innovation = NETWORKS["iid"], rng.normal(size=(1, 3, 4))
    wanted = HybridCovariance(B, anomalies, REACH, 0.75, 0.25).gain(index, ERROR_STD)(innovation)
    U = HybridRoot(made_up(np.complex64), anomalies, REACH, 0.75, 0.25)
    came = U.gain(index, ERROR_STD)(innovation)
    assert came.dtype == np.float32
    assert np.linalg.norm(came - wanted) < 0.03 * np.linalg.norm(wanted)


def test_without_the_ensemble_it_is_3d_var(B, anomalies, rng):
    index, innovation = NETWORKS["column"], rng.normal(size=(2, 3, 4))
    one, other = (
        covariance.gain(index, ERROR_STD)(innovation)
        for covariance in (HybridRoot(B, anomalies, REACH, 1.0, 0.0), B)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_preconditioner_inverts_the_block_of_each_harmonic_of_weights(B):
    """Where members are the same everywhere, and an even network has no others."""
    even = np.ones((4, 3, *GRID.shape)) * np.array([1, -1, 2, -2])[:, None, None, None]
    U, row = HybridRoot(B, even, REACH, 0.0, 1.0), np.arange(GRID.latitudes)
    count = np.rint(GRID.longitudes * np.cos(np.deg2rad(GRID.latitude))).astype(int)
    columns = [16 * y + np.arange(n) * 16 // n for y, n in zip(row, count, strict=True) if n]
    H = ObservedPoints(GRID, np.concatenate(columns))
    precondition = U.preconditioner(H, np.full(3, 0.5))
    for order, degree in [(0, 0), (0, 2), (1, 1), (4, 3)]:
        control = np.zeros((1, *U.control_shape))
        control[:, harmonic(U, order, degree)] = [1, 2, -1, 3]
        hessian = control + U.adjoint(H.adjoint(H(U(control)) / 0.5**2))
        alone = np.zeros_like(hessian)
        alone[:, harmonic(U, order, degree)] = hessian[:, harmonic(U, order, degree)]
        assert np.abs(alone - control).max() > 20
        np.testing.assert_allclose(precondition(alone), control, atol=0.2)


def harmonic(U, order, degree):
    """Where the controls have this harmonic's weights of the members."""
    orders, degrees = U.taper.control_shape
    start = U.control_shape[0] - len(U.anomalies) * orders * degrees
    return start + np.arange(len(U.anomalies)) * orders * degrees + order * degrees + degree


def test_what_does_not_belong_together_is_refused(B, anomalies):
    with pytest.raises(DataError, match="two members at least for its covariance, got 1"):
        HybridRoot(B, anomalies[:1], REACH, 0.5, 0.5)
