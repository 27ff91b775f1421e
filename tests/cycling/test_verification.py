"""Error of the mean and spread over the sphere."""

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.cycling.verification import verify


def test_a_reliable_ensemble_has_spread_and_error_alike(rng):
    grid = Grid(33, 64)
    members, reference = rng.standard_normal((9, 2, 33, 64)), rng.standard_normal((2, 33, 64))
    found = verify(members, reference, grid.weights)
    np.testing.assert_allclose(found.error / found.spread, np.sqrt(10 / 9), rtol=0.05)


def test_rows_count_by_their_area():
    grid = Grid(5, 8)
    reference, member = np.zeros((1, 5, 8)), np.zeros((1, 1, 5, 8))
    member[..., 2, :] = 2.0
    expected = np.sqrt(4 * grid.weights[2] / 5)
    found = verify(member, reference, grid.weights)
    np.testing.assert_allclose(found.error, expected)
    assert found.spread == 0
