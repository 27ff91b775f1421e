"""Conjugate gradients find the solution, whatever the units, and say when they do not."""

import numpy as np
import pytest

from dambench_hub.errors import DataError
from dambench_hub.estimation import conjugate_gradients as module
from dambench_hub.estimation.conjugate_gradients import conjugate_gradients


@pytest.fixture
def system():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 30)) * np.geomspace(1e-3, 1e3, 30)[:, None]
    A = root @ root.T + np.diag(np.geomspace(1e-6, 1e6, 30))
    return A, rng.normal(size=30) * np.sqrt(np.diag(A))


def test_solves_a_system_of_mixed_units(system):
    A, b = system
    x = conjugate_gradients(lambda v: A @ v, b, precondition=lambda v: v / np.diag(A))
    np.testing.assert_allclose(A @ x, b, rtol=1e-6, atol=1e-8 * np.sqrt(np.diag(A)).max())


def test_what_does_not_converge_is_said(system, monkeypatch):
    A, b = system
    monkeypatch.setattr(module, "MAX_ITERATIONS", 3)
    with pytest.raises(DataError, match="did not converge in 3 iterations"):
        conjugate_gradients(lambda v: A @ v, b, precondition=lambda v: v)
