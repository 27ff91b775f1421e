"""A linear operator's pullback is its adjoint, wherever it is taken."""

import numpy as np

from dambench_hub.estimation.operators import linear


class Sums:
    """Adjacent sums of three numbers."""

    def __call__(self, x):
        return x[1:] + x[:-1]

    def adjoint(self, y):
        return np.pad(y, (0, 1)) + np.pad(y, (1, 0))


def test_a_linear_operator_as_a_differentiable_map():
    x, y = np.array([1.0, 2.0, 4.0]), np.array([3.0, -1.0])
    value, pullback = linear(Sums())(x)
    np.testing.assert_array_equal(value, [3, 6])
    assert pullback(y) @ x == value @ y
