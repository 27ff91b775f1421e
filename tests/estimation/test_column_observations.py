"""The solve in modes is the best linear estimate, whatever is seen of the channels."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.column_observations import column_solver, joint_solver

CHANNELS, MODES, POINTS, DEPARTURES = 5, 3, 4, 6
ERROR_STD = np.array([0.5, 1.0, 2.0, 0.3, 0.7])
SEEN = {
    "everything": None,
    "surface and columns": [[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0]],
    "here and there": [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 1], [0, 0, 0, 1]],
    "nothing": np.zeros((CHANNELS, POINTS)),
}
"""Which channels are seen at which points."""


def covariance(size, rng):
    """Of the amplitudes and the departures."""
    some = rng.normal(size=(size + DEPARTURES, size + DEPARTURES))
    return some @ some.T


def orthonormal(rng):
    return np.linalg.qr(rng.normal(size=(CHANNELS, MODES)))[0]


def by_point(P):
    return P.reshape(POINTS, MODES, POINTS, MODES).transpose(0, 2, 1, 3)


def seen(name):
    return None if SEEN[name] is None else np.array(SEEN[name], bool)


def operator(E, name):
    """H and R of what is seen, and which of the observations that is."""
    rows = np.ones(CHANNELS * POINTS, bool) if SEEN[name] is None else seen(name).ravel()
    H = np.einsum("ck,pq->cpqk", E, np.eye(POINTS)).reshape(CHANNELS * POINTS, -1)[rows]
    return H, np.diag(np.repeat(ERROR_STD**2, POINTS)[rows]), rows


@pytest.mark.parametrize("name", SEEN)
def test_it_is_the_best_linear_estimate(name, rng):
    size = POINTS * MODES
    P, E = covariance(size, rng)[:size, :size], orthonormal(rng)
    innovation = rng.normal(size=(2, CHANNELS, POINTS))
    came = column_solver(by_point(P), E, ERROR_STD, seen(name))(innovation)
    H, R, rows = operator(E, name)
    gain = best_linear_estimate(P, H, R).gain
    wanted = innovation.reshape(2, -1)[:, rows] @ gain.T
    np.testing.assert_allclose(came.reshape(-1, 2).T @ P, wanted, atol=1e-9)


@pytest.mark.parametrize("name", SEEN)
def test_with_departures_it_is_the_best_linear_estimate(name, rng):
    """Amplitudes and departures are one state then, of which the latter are seen as they are."""
    size = POINTS * MODES
    both, E = covariance(size, rng), orthonormal(rng)
    P, D = both[:size, :size], both[size:, size:]
    C = both[:size, size:].reshape(POINTS, MODES, -1).transpose(0, 2, 1)
    innovation = rng.normal(size=(2, CHANNELS, POINTS))
    departures = rng.normal(size=(2, DEPARTURES))
    solve = joint_solver(by_point(P), C, D, E, ERROR_STD, seen(name))
    w, u = solve(innovation, departures)
    H, R, rows = operator(E, name)
    H, R = block_diag(H, np.eye(DEPARTURES)), block_diag(R, np.zeros((DEPARTURES, DEPARTURES)))
    gain = best_linear_estimate(both, H, R).gain
    d = np.concatenate([innovation.reshape(2, -1)[:, rows], departures], axis=1)
    came = np.concatenate([w.reshape(-1, 2), u]).T @ both
    np.testing.assert_allclose(came, d @ gain.T, atol=1e-9)


def test_without_points_there_are_no_weights():
    solve = column_solver(np.zeros((0, 0, MODES, MODES)), np.eye(CHANNELS)[:, :MODES], ERROR_STD)
    assert solve(np.zeros((2, CHANNELS, 0))).shape == (0, MODES, 2)
