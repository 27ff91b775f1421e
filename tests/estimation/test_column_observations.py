"""The solve in modes is the best linear estimate, whatever is seen of the channels."""

import numpy as np
import pytest

from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.column_observations import column_solver

CHANNELS, MODES, POINTS = 5, 3, 4
ERROR_STD = np.array([0.5, 1.0, 2.0, 0.3, 0.7])
SEEN = {
    "everything": None,
    "surface and columns": [[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0]],
    "here and there": [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 1], [0, 0, 0, 1]],
    "nothing": np.zeros((CHANNELS, POINTS)),
}
"""Which channels are seen at which points."""


@pytest.mark.parametrize("name", SEEN)
def test_it_is_the_best_linear_estimate(name, rng):
    some = rng.normal(size=(POINTS * MODES, POINTS * MODES))
    P, E = some @ some.T, np.linalg.qr(rng.normal(size=(CHANNELS, MODES)))[0]
    seen = None if SEEN[name] is None else np.array(SEEN[name], bool)
    innovation = rng.normal(size=(2, CHANNELS, POINTS))
    by_point = P.reshape(POINTS, MODES, POINTS, MODES).transpose(0, 2, 1, 3)
    came = column_solver(by_point, E, ERROR_STD, seen)(innovation)

    rows = np.ones(CHANNELS * POINTS, bool) if seen is None else seen.ravel()
    H = np.einsum("ck,pq->cpqk", E, np.eye(POINTS)).reshape(CHANNELS * POINTS, -1)[rows]
    R = np.diag(np.repeat(ERROR_STD**2, POINTS)[rows])
    gain = best_linear_estimate(P, H, R).gain
    wanted = innovation.reshape(2, -1)[:, rows] @ gain.T
    np.testing.assert_allclose(came.reshape(-1, 2).T @ P, wanted, atol=1e-9)


def test_without_points_there_are_no_weights():
    solve = column_solver(np.zeros((0, 0, MODES, MODES)), np.eye(CHANNELS)[:, :MODES], ERROR_STD)
    assert solve(np.zeros((2, CHANNELS, 0))).shape == (0, MODES, 2)
