"""U and Uᵀ belong together, and the preconditioner is what it leaves of the inverse."""

import numpy as np
import pytest
from estimation.test_spectral_covariance import CHANNELS, GRID, made_up


@pytest.fixture(scope="module")
def U():
    return made_up().root


def test_adjoint(U, rng):
    control, state = rng.normal(size=(2, *U.control_shape)), rng.normal(size=(2, 3, *GRID.shape))
    np.testing.assert_allclose(
        np.vdot(U(control), state), np.vdot(control, U.adjoint(state)), rtol=1e-10
    )


def test_one_state_or_several(U, rng):
    control = rng.normal(size=(2, *U.control_shape))
    np.testing.assert_allclose(U(control[1]), U(control)[1], rtol=1e-10)


def test_the_preconditioner_inverts_the_block_of_each_harmonic(U, rng):
    """Where the other harmonics have no amplitudes, and whichever parts they have there."""
    weights = 1000 * rng.uniform(1, 2, (len(CHANNELS), GRID.latitudes))
    even = weights[..., None] / GRID.longitudes
    precondition = U.preconditioner(weights)
    for order, harmonic in [(0, 2), (2, 12), (1, 7)]:
        assert made_up().harmonics.order[harmonic] == order
        control = np.zeros(U.control_shape)
        control[:, 1, harmonic] = rng.normal(size=(2, U.control_shape[-1]))
        control[1, 1, harmonic] *= order > 0
        hessian = control + U.adjoint(even * U(control))
        alone = np.zeros_like(hessian)
        alone[:, 1, harmonic] = hessian[:, 1, harmonic]
        assert np.abs(alone - control).max() > 0.5
        np.testing.assert_allclose(precondition(alone), control, atol=0.05)
