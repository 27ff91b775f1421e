"""P is what it says, as operator and as gain, and its limits are 3D-Var and the EnKF."""

import numpy as np
import pytest
from estimation.table_between_points import TableBetweenPoints
from estimation.test_zonal_covariance import GRID, SCALE, fitted, in_units, sample

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.hybrid_covariance import HybridCovariance
from dambench_hub.estimation.localisation import HALF_WIDTH, chord_taper
from dambench_hub.estimation.perturbed_observations import enkf

SHARED = np.array([3, 11, 17, 20, 38])
NETWORKS = {"column": SHARED, "iid": np.stack([SHARED, SHARED + 1, SHARED - 1])}
REACH = 6000.0


@pytest.fixture(scope="module")
def B():
    return fitted()


@pytest.fixture(scope="module")
def anomalies():
    members = sample(15)[6:]
    return members - members.mean(axis=0)


@pytest.fixture
def innovation(rng):
    return rng.normal(size=(2, 3, 5))


def dense(P):
    """P by its definition, with matrices."""
    B, A = P.climatological, P.anomalies.reshape(len(P.anomalies), -1)
    size, points = A.shape[1], GRID.unit_vectors()
    taper = chord_taper(points, points, HALF_WIDTH * P.localisation_km)
    climatological = B(np.eye(size).reshape(size, 3, *GRID.shape)).reshape(size, size)
    covariance = np.tile(taper, (3, 3)) * (A.T @ A) / (len(A) - 1)
    return P.climatological_weight * climatological + P.ensemble_weight * covariance


def best(P, index, error_std, innovation):
    """The best linear estimate in units of SCALE, (S, 3·Y·X)."""
    flat = (np.broadcast_to(index, (3, 5)) + GRID.size * np.arange(3)[:, None]).ravel()
    H, R = np.eye(3 * GRID.size)[flat], np.diag(np.repeat((error_std / SCALE) ** 2, 5))
    return innovation.reshape(2, -1) @ best_linear_estimate(in_units(dense(P)), H, R).gain.T


@pytest.mark.parametrize("length", [REACH, np.inf])
def test_operator_is_its_definition(B, anomalies, length, rng):
    P = HybridCovariance(B, anomalies, length, 0.4, 0.7)
    x = rng.normal(size=(2, 3, *GRID.shape)) / SCALE[:, None, None]
    wanted = (x.reshape(2, -1) @ dense(P)).reshape(x.shape)
    np.testing.assert_allclose(
        P(x) / SCALE[:, None, None], wanted / SCALE[:, None, None], atol=2e-5
    )


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("weights", [(0.4, 0.7), (1.0, 0.0), (0.0, 1.0)], ids=str)
def test_gain_is_the_best_linear_estimate(B, anomalies, network, weights, innovation):
    P, index = HybridCovariance(B, anomalies, REACH, *weights), NETWORKS[network]
    error_std = SCALE * [0.1, 0.5, 1]
    wanted = best(P, index, error_std, innovation)
    came = P.gain(index, error_std)(innovation * SCALE[:, None]) / SCALE[:, None, None]
    np.testing.assert_allclose(came.reshape(2, -1), wanted, atol=2e-3)


@pytest.mark.parametrize("weights", [(0.4, 0.7), (1.0, 0.0), (0.0, 1.0)], ids=str)
def test_through_a_table_it_is_the_best_linear_estimate(B, anomalies, weights, rng):
    P, H = HybridCovariance(B, anomalies, REACH, *weights), TableBetweenPoints(3, GRID, rng)
    seen = H.columns.levels.any(axis=1)
    unit = np.where(seen, H.columns.levels @ SCALE, 1.0)
    error_std = unit * rng.uniform(0.1, 1, 10)
    matrix = H.matrix * np.repeat(SCALE, GRID.size) / unit[:, None]
    innovation = rng.normal(size=(2, 10)) * seen
    R = np.diag((error_std / unit) ** 2)
    wanted = innovation @ best_linear_estimate(in_units(dense(P)), matrix, R).gain.T
    came = P.gain_through(H, error_std)((innovation * unit)[..., None])
    assert np.abs(wanted).max() > 0.3
    np.testing.assert_allclose((came / SCALE[:, None, None]).reshape(2, -1), wanted, atol=2e-3)


def test_without_the_ensemble_it_is_3d_var(B, anomalies, innovation):
    P = HybridCovariance(B, anomalies, REACH, 1.0, 0.0)
    one, other = (
        covariance.gain(SHARED, 0.25 * SCALE)(innovation * SCALE[:, None]) for covariance in (P, B)
    )
    np.testing.assert_array_equal(one, other)


def test_alone_and_without_localisation_the_ensemble_makes_an_ensemble_kalman_filter(
    B, anomalies, rng
):
    P = HybridCovariance(B, anomalies, np.inf, 0.0, 1.0)
    observed = anomalies.reshape(len(anomalies), 3, -1)[..., SHARED]
    y = rng.normal(size=(3, 5)) * SCALE[:, None]
    variance = np.repeat((0.25 * SCALE) ** 2, 5)
    members = anomalies.reshape(len(anomalies), -1)
    analysis = enkf(members, observed.reshape(len(members), -1), y.ravel(), variance, rng)
    came = P.gain(SHARED, 0.25 * SCALE)(y[None])[0] / SCALE[:, None, None]
    wanted = analysis.mean(axis=0).reshape(came.shape) / SCALE[:, None, None]
    np.testing.assert_allclose(came, wanted, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_without_observations_there_is_no_increment(B, anomalies, network):
    P = HybridCovariance(B, anomalies, REACH, 0.5, 0.5)
    assert not P.gain(NETWORKS[network][..., :0], SCALE)(np.zeros((2, 3, 0))).any()


def test_what_does_not_belong_together_is_refused(B, anomalies):
    with pytest.raises(DataError, match=r"shape \(3, 9, 16\).*bring both to one grid"):
        HybridCovariance(B, sample(4, Grid(9, 16)), REACH, 0.5, 0.5)
    with pytest.raises(DataError, match="two members at least for its covariance, got 1"):
        HybridCovariance(B, anomalies[:1], REACH, 0.5, 0.5)
    with pytest.raises(DataError, match="not negative, got -1 and 0.5"):
        HybridCovariance(B, anomalies, REACH, -1.0, 0.5)
    with pytest.raises(DataError, match="1000 km, grid points are 5004 km apart"):
        HybridCovariance(B, anomalies, 1000.0, 0.5, 0.5)
