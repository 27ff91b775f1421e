"""The root squares to B, and its adjoint is one."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.estimation import zonal_root
from dambench_hub.estimation.zonal_covariance import fit_zonal_covariance
from dambench_hub.estimation.zonal_root import JITTER, ZonalRoot
from dambench_hub.testing import smooth_field

SCALE = np.array([300.0, 2.0, 1e-3])[:, None, None]


def fitted(grid, size=40, silent=False):
    """B of three correlated channels, one of them without errors if asked for."""
    rng = np.random.default_rng(1)
    mixing = np.array([[1, 0.7, 0.2], [0, 0.6, -0.4], [0.3, 0, 0.8]])
    fields = [[smooth_field(grid, 0.7, rng) for _ in range(3)] for _ in range(size)]
    errors = SCALE * np.einsum("ck,nkyx->ncyx", mixing, np.array(fields))
    if silent:
        errors[:, 1] = 0
    return fit_zonal_covariance(errors.astype(np.float32), grid, half_width_km=9000.0)


COVARIANCES = {
    "even": fitted(Grid(5, 8)),
    "odd": fitted(Grid(5, 9)),
    "few errors": fitted(Grid(5, 8), size=2),
    "silent channel": fitted(Grid(5, 8), silent=True),
}


@pytest.mark.parametrize("B", COVARIANCES.values(), ids=COVARIANCES.keys())
def test_the_root_squares_to_b(B, rng):
    U = ZonalRoot.of(B)
    for _ in range(5):
        x = rng.normal(size=(3, *B.grid.shape)) / SCALE
        came, wanted = U(U.adjoint(x)) / SCALE, B(x) / SCALE
        assert np.linalg.norm(came - wanted) < JITTER * np.linalg.norm(wanted)


@pytest.mark.parametrize("B", COVARIANCES.values(), ids=COVARIANCES.keys())
def test_adjoint(B, rng):
    U = ZonalRoot.of(B)
    v, x = rng.normal(size=U.control_shape), rng.normal(size=(3, *B.grid.shape)) / SCALE
    np.testing.assert_allclose(np.vdot(U(v), x), np.vdot(v, U.adjoint(x)), rtol=1e-5)


def test_white_noise_becomes_errors_of_b(rng):
    B = COVARIANCES["even"]
    U = ZonalRoot.of(B)
    errors = np.stack([U(rng.normal(size=U.control_shape)) for _ in range(4000)])
    std = np.sqrt((errors**2).mean(axis=(0, 3)))
    np.testing.assert_allclose(std, B.std, rtol=0.05)


def test_where_rounding_breaks_the_triangular_root_eigenvectors_serve(monkeypatch, rng):
    """Two errors leave B without full rank: some eigenvalues are rounding."""
    monkeypatch.setattr(zonal_root, "JITTER", 0.0)
    B = COVARIANCES["few errors"]
    x = rng.normal(size=(3, *B.grid.shape)) / SCALE
    U = ZonalRoot.of(B)
    np.testing.assert_allclose(U(U.adjoint(x)) / SCALE, B(x) / SCALE, atol=2e-5)
    assert np.any(np.abs(np.triu(U.factors[0], 1)) > 0)


def test_what_is_computed_for_the_root_does_not_stay():
    B = fitted(Grid(5, 8))
    ZonalRoot.of(B)
    assert not {"covariances", "spectral_covariances"} & vars(B).keys()
