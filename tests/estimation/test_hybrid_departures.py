"""The hybrid's gain with departures is the best linear one of its covariances."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.hybrid_covariance import HybridCovariance
from dambench_hub.estimation.hybrid_departures import HybridDepartures
from dambench_hub.estimation.joint_covariance import DeparturePoints, JointCovariance
from dambench_hub.estimation.localisation import HALF_WIDTH, chord_taper
from dambench_hub.estimation.training_departures import TrainingDepartures
from dambench_hub.estimation.zonal_covariance import fit_zonal_covariance

GRID = Grid(5, 8)
MEMBERS, LENGTH, INDEX = 6, 5500.0, np.array([3, 11, 30])


@pytest.mark.parametrize("seen", [None, [[1, 0, 1], [0, 0, 1]]], ids=["columns", "some channels"])
@pytest.mark.parametrize("weights", [(0.75, 0.25), (0.0, 1.0), (1.0, 0.0)])
def test_increments_are_the_best_linear_ones(weights, seen):
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(9, 2, *GRID.shape)).astype(np.float32)
    departures = -2 * errors[:, :1] - 0.5 * rng.normal(size=(9, 1, *GRID.shape))
    B = fit_zonal_covariance(errors, GRID, 9000.0)
    zero = np.zeros((1, *GRID.shape))
    J = JointCovariance(B, TrainingDepartures(("olr",), departures, zero))
    A = rng.normal(size=(MEMBERS, 2, *GRID.shape))
    A -= A.mean(axis=0)
    points = DeparturePoints(np.zeros(4, int), np.array([0, 11, 20, 33]))
    Y = points(2 * A[:, :1])
    variance, error_std = np.array([1.0, 2.0, 1.5, 0.5]), np.array([0.4, 0.6])
    P = HybridCovariance(B, A, LENGTH, *weights)
    seen = None if seen is None else np.array(seen, bool)
    K = HybridDepartures(P, J, points, Y, variance).gain(INDEX, error_std, seen)
    innovation, others = rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 4))

    size, vectors = GRID.size, GRID.unit_vectors()
    rho = chord_taper(vectors, vectors, HALF_WIDTH * LENGTH)
    state = P(np.eye(2 * size).reshape(-1, 2, *GRID.shape)).reshape(2 * size, -1)
    flat = A.reshape(MEMBERS, -1)
    units = [J.increments(J.scale[0] * row[:, None], points) for row in np.eye(4)]
    cross = weights[0] * np.stack(units).reshape(4, -1).T
    sample = weights[1] / (MEMBERS - 1)
    cross += np.tile(rho[:, points.index], (2, 1)) * sample * (flat.T @ Y)
    own = weights[0] * J.between(points) * J.scale[0] ** 2
    own += rho[np.ix_(points.index, points.index)] * sample * (Y.T @ Y)
    whole = np.block([[state, cross], [cross.T, own]])
    there = np.ones((2, 3), bool) if seen is None else seen
    rows = (INDEX + size * np.arange(2)[:, None])[there]
    H = np.eye(2 * size + 4)[[*rows, *(2 * size + np.arange(4))]]
    R = np.diag([*np.repeat(error_std**2, 3)[there.ravel()], *(weights[1] * variance)])
    best = best_linear_estimate(whole, H, R).gain[: 2 * size]
    d = np.concatenate([innovation[:, there], others], axis=1)
    np.testing.assert_allclose(K(innovation, others).reshape(2, -1), d @ best.T, atol=1e-4)
