"""B is what it says: the turned and tapered sample, as operator, gain and draws."""

import numpy as np
import pytest

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import DataError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.estimation.localisation import gaspari_cohn
from dambench_hub.estimation.zonal_covariance import (
    ZonalCovariance,
    fit_zonal_covariance,
    required_bytes,
)
from dambench_hub.testing import smooth_field

GRID = Grid(5, 8)
SCALE = np.array([300.0, 2.0, 1e-3])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def sample(size, grid=GRID):
    """Errors of three correlated channels, larger in the north, in physical units."""
    rng = np.random.default_rng(1)
    mixing = np.array([[1, 0.7, 0.2], [0, 0.6, -0.4], [0.3, 0, 0.8]])
    growth = np.linspace(2, 0.5, grid.latitudes)[:, None]
    fields = [[smooth_field(grid, 0.7, rng) for _ in range(3)] for _ in range(size)]
    return SCALE[:, None, None] * growth * np.einsum("ck,nkyx->ncyx", mixing, np.array(fields))


def fitted(size=6, grid=GRID, **changes):
    return fit_zonal_covariance(sample(size, grid).astype(np.float32), grid, **changes)


@pytest.fixture(scope="module")
def B():
    return fitted(half_width_km=9000.0)


@pytest.fixture(scope="module")
def dense(B):
    """ρ ∘ the mean over errors and shifts, (C·Y·X, C·Y·X), from the definition."""
    shifted = []
    for error in np.einsum("c,ck,nkyx->ncyx", B.scale, B.modes, B.errors.astype(np.float64)):
        shifted += [np.roll(error, s, axis=-1).ravel() for s in range(GRID.longitudes)]
    sample_covariance = np.einsum("ni,nj->ij", shifted, shifted) / len(shifted)
    points = GRID.unit_vectors()
    chord = EARTH_RADIUS_KM * np.linalg.norm(points[:, None] - points, axis=-1)
    return sample_covariance * np.tile(gaspari_cohn(chord, 9000.0), (3, 3))


def in_units(matrix):
    scale = np.repeat(SCALE, GRID.size)
    return matrix / np.outer(scale, scale)


@pytest.mark.parametrize("leading", [(), (2,), (2, 1)])
def test_operator_is_its_definition(B, dense, leading, rng):
    x = rng.normal(size=(*leading, 3, *GRID.shape)) / SCALE[:, None, None]
    wanted = (x.reshape(*leading, -1) @ dense).reshape(x.shape)
    np.testing.assert_allclose(
        B(x) / SCALE[:, None, None], wanted / SCALE[:, None, None], atol=2e-5
    )


def test_symmetric_and_positive_semidefinite(B, dense):
    assert np.linalg.eigvalsh(in_units(dense)).min() > -1e-10
    as_matrix = B(np.eye(len(dense)).reshape(-1, 3, *GRID.shape)).reshape(dense.shape)
    np.testing.assert_allclose(in_units(as_matrix), in_units(as_matrix).T, atol=2e-6)


def test_std_depends_on_latitude_as_that_of_the_errors(B):
    errors = np.einsum("c,ck,nkyx->ncyx", B.scale, B.modes, B.errors)
    np.testing.assert_allclose(B.std, np.sqrt((errors**2).mean(axis=(0, 3))), rtol=1e-4)


def test_modes_are_orthonormal_and_lose_nothing_when_all_are_kept(B):
    np.testing.assert_allclose(B.modes.T @ B.modes, np.eye(3), atol=1e-12)
    errors = np.einsum("c,ck,nkyx->ncyx", B.scale, B.modes, B.errors)
    np.testing.assert_allclose(
        errors / SCALE[:, None, None], sample(6) / SCALE[:, None, None], atol=1e-5
    )


@pytest.mark.parametrize("error_std", [0.25 * SCALE, SCALE * [0.1, 0.5, 1]], ids=["same", "other"])
@pytest.mark.parametrize("shared", [True, False], ids=["column", "iid"])
def test_gain_is_the_best_linear_estimate(B, dense, error_std, shared, rng):
    index = np.array([3, 11, 17, 20, 38])
    if not shared:
        index = np.stack([index, index + 1, index - 1])
    flat = (np.broadcast_to(index, (3, 5)) + GRID.size * np.arange(3)[:, None]).ravel()
    # In units of SCALE: matrices of mixed units are too badly conditioned to compare with.
    H = np.eye(len(dense))[flat]
    R = np.diag(np.repeat((error_std / SCALE) ** 2, 5))
    innovation = rng.normal(size=(2, 3, 5))
    wanted = innovation.reshape(2, -1) @ best_linear_estimate(in_units(dense), H, R).gain.T
    came = B.gain(index, error_std)(innovation * SCALE[:, None]) / SCALE[:, None, None]
    np.testing.assert_allclose(came, wanted.reshape(came.shape), atol=2e-4)


def test_worthless_observations_change_nothing_and_exact_ones_are_met(B, rng):
    index, innovation = np.array([3, 17, 38]), rng.normal(size=(1, 3, 3)) * SCALE[:, None]
    far = B.gain(index, 1e6 * SCALE)(innovation)
    np.testing.assert_allclose(far / SCALE[:, None, None], 0, atol=1e-9)
    near = B.gain(index, 0 * SCALE)(innovation).reshape(1, 3, -1)[..., index]
    np.testing.assert_allclose(near / SCALE[:, None], innovation / SCALE[:, None], atol=0.02)


def test_draws_have_the_covariance(B, dense, rng):
    draws = B.draw(4000, rng).reshape(4000, -1)
    came = in_units(draws.T @ draws / len(draws))
    scale = np.sqrt(np.outer(*[np.diagonal(in_units(dense))] * 2))
    assert np.abs((came - in_units(dense)) / scale).max() < 0.12


def test_mass_and_wind_stay_balanced():
    """Geostrophic errors give geostrophic increments, in both hemispheres."""
    grid = Grid(17, 32)
    rng = np.random.default_rng(3)
    latitude = np.deg2rad(grid.latitude)[:, None]
    errors = []
    for _ in range(60):
        z = 300 * smooth_field(grid, 0.5, rng)
        f = 1.46e-4 * np.sin(latitude)
        slope = np.gradient(z, latitude[:, 0], axis=0) / (EARTH_RADIUS_KM * 1000)
        u = np.where(np.abs(latitude) > 0.2, -slope / np.where(f == 0, 1, f), 0)
        errors.append(np.stack([z, u]))
    B = fit_zonal_covariance(np.stack(errors), grid)
    middle = (np.abs(grid.latitude) > 20) & (np.abs(grid.latitude) < 80)
    index = np.flatnonzero(np.repeat(middle, 32))[::29]
    innovation = np.stack([rng.normal(size=len(index)) * 300, np.zeros(len(index))])[None]
    z, u = B.gain(index, np.array([30.0, 1e6]))(innovation)[0]
    slope = np.gradient(z, latitude[:, 0], axis=0) / (EARTH_RADIUS_KM * 1000)
    geostrophic = -slope[middle] / (1.46e-4 * np.sin(latitude[middle]))
    assert np.corrcoef(u[middle].ravel(), geostrophic.ravel())[0, 1] > 0.9


def test_a_channel_without_errors_gets_no_increment(rng):
    B = fit_zonal_covariance(sample(6) * np.array([1, 0, 1])[:, None, None], GRID)
    increment = B.gain(np.array([7, 20]), 0.25 * SCALE)(rng.normal(size=(1, 3, 2)) * SCALE[:, None])
    assert not increment[0, 1].any() and increment[0, 0].any()


def test_too_few_errors_too_narrow_tapers_and_wrong_shapes_are_refused(B):
    with pytest.raises(DataError, match="at least two training errors, got 1"):
        fitted(size=1)
    with pytest.raises(DataError, match="longer"):
        fitted(half_width_km=500.0)
    with pytest.raises(DataError, match=r"\(N, 3, Y, X\)"):
        ZonalCovariance(GRID, B.scale, B.modes, B.errors[..., :-1])


def test_memory_is_known_beforehand(B):
    assert required_bytes(3, GRID) == B.covariances.nbytes
