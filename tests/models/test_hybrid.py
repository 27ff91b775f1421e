"""The hybrid's limits are 3D-Var and the EnKF, its members are analysed with its own gain."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import TaskError
from dambench_hub.estimation.hybrid_covariance import HybridCovariance
from dambench_hub.estimation.perturbed_observations import enkf, observation_perturbations
from dambench_hub.estimation.spectral_covariance import SpectralCovariance
from dambench_hub.models import balanced_covariance
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.hybrid import Hybrid
from dambench_hub.models.letkf import LETKF
from dambench_hub.models.var3d import Var3D

TRAINING = 20


def training(world):
    return (world.batch(1, first, modalities={}) for first in range(TRAINING))


@pytest.fixture(scope="module")
def climatology(small_world):
    return ClimatologicalEnsemble.fit(training(small_world))


@pytest.fixture(scope="module")
def batch(small_world):
    return small_world.batch(1, 60, density=0.2).without_reference()


def unobserved(batch):
    index, values = batch.observation_index[:, :0], batch.observation_values[..., :0]
    return replace(batch, observation_index=index, observation_values=values)


def drawn(method, batch):
    """The members before the analysis, (N, C, Y, X)."""
    hours = int(hours_since_epoch(batch.time)[0])
    scale = method.climatological_scale
    return method.climatology.draw(batch.background[0], hours, method.members, scale, method.seed)


def test_without_the_ensemble_it_is_3d_var(small_world, climatology, batch):
    method = Hybrid(climatology, members=10, climatological_weight=1.0, ensemble_weight=0.0)
    wanted = Var3D.fit(training(small_world)).assimilate(batch)
    scale = climatology.std[:, None, None]
    np.testing.assert_allclose((method.assimilate(batch).mean - wanted.mean) / scale, 0, atol=2e-3)


def test_alone_and_without_localisation_the_ensemble_makes_an_ensemble_kalman_filter(
    climatology, batch
):
    weights = {"climatological_weight": 0.0, "ensemble_weight": 1.0}
    method = Hybrid(climatology, members=10, localisation_km=np.inf, **weights)
    members, index = drawn(method, batch).astype(np.float64), batch.observation_index[0]
    observed = members.reshape(10, 5, -1)[..., index].reshape(10, -1)
    variance = np.repeat(batch.observation_error_std**2, len(index))
    y, rng = batch.observation_values[0].ravel(), np.random.default_rng(0)
    wanted = enkf(members.reshape(10, -1), observed, y, variance, rng).mean(axis=0)
    came = method.assimilate(batch).mean[0]
    difference = (came - wanted.reshape(came.shape)) / climatology.std[:, None, None]
    np.testing.assert_allclose(difference, 0, atol=2e-3)


def test_each_member_has_its_own_observations_and_one_gain(climatology, batch):
    """x_i + K (y + ε_i − H(x_i))."""
    method = Hybrid(climatology, members=10, relaxation=0)
    x, index = drawn(method, batch).astype(np.float64), batch.observation_index[0]
    A = x - x.mean(axis=0)
    P = HybridCovariance(method.covariance, A, 2502.0, 0.75, 0.25)
    observed = x.reshape(10, 5, -1)[..., index]
    generator = np.random.default_rng([0, int(hours_since_epoch(batch.time)[0]), 1])
    std = np.broadcast_to(batch.observation_error_std[:, None], observed.shape[1:])
    noise = observation_perturbations(10, std, generator)
    K = P.gain(index, batch.observation_error_std)
    wanted = x + K(batch.observation_values[0] + noise - observed)
    difference = method.assimilate(batch).members[0] - wanted
    np.testing.assert_allclose(difference / climatology.std[:, None, None], 0, atol=5e-3)


def test_relaxation_changes_the_spread_and_not_the_mean(climatology, batch):
    none, whole = (
        Hybrid(climatology, members=10, relaxation=share).assimilate(batch) for share in (0.0, 1.0)
    )
    scale = climatology.std[:, None, None]
    np.testing.assert_allclose((whole.mean - none.mean) / scale, 0, atol=2e-3)
    assert whole.std.sum() > 1.2 * none.std.sum()


def test_no_observation_changes_nothing(climatology, batch):
    method = Hybrid(climatology, members=10)
    np.testing.assert_array_equal(
        method.assimilate(unobserved(batch)).members[0], drawn(method, batch)
    )


@pytest.mark.parametrize("weights", [(-0.1, 0.5), (0.5, -0.1), (0.0, 0.0)], ids=str)
def test_weights_out_of_range_are_refused(climatology, weights):
    with pytest.raises(TaskError, match="not both 0, got"):
        Hybrid(climatology, climatological_weight=weights[0], ensemble_weight=weights[1])


def test_relaxation_out_of_range_is_refused(climatology):
    with pytest.raises(TaskError, match="relaxation is a share"):
        Hybrid(climatology, relaxation=1.1)


@pytest.fixture
def large(monkeypatch):
    """All grids are too large for the zonal form."""
    monkeypatch.setattr(balanced_covariance, "LARGEST_ZONAL_BYTES", 1)


def test_on_large_grids_without_the_ensemble_it_is_3d_var(large, small_world, climatology, batch):
    method = Hybrid(climatology, members=10, climatological_weight=1.0, ensemble_weight=0.0)
    var3d = Var3D.fit(training(small_world))
    assert isinstance(method.covariance, SpectralCovariance)
    scale, wanted = climatology.std[:, None, None], var3d.assimilate(batch).mean
    np.testing.assert_allclose((method.assimilate(batch).mean - wanted) / scale, 0, atol=5e-3)


def test_on_large_grids_the_ensemble_alone_has_the_same_mean(monkeypatch, climatology, batch):
    """Without B, of which there are two forms, it is another way to solve the same."""
    weights = {"climatological_weight": 0.0, "ensemble_weight": 1.0}
    wanted = Hybrid(climatology, members=10, **weights).assimilate(batch).mean
    monkeypatch.setattr(balanced_covariance, "LARGEST_ZONAL_BYTES", 1)
    method, scale = Hybrid(climatology, members=10, **weights), climatology.std[:, None, None]
    increment = (wanted - drawn(method, batch).mean(axis=0)) / scale
    difference = (method.assimilate(batch).mean - wanted) / scale
    assert np.linalg.norm(difference) < 0.03 * np.linalg.norm(increment)


def test_on_large_grids_members_have_the_anomalies_of_the_letkf(large, climatology, batch):
    options = {"members": 10, "localisation_km": 3000.0, "inflation": 1.1, "relaxation": 0.5}
    came = Hybrid(climatology, **options).assimilate(batch)
    wanted = LETKF(climatology, climatological_scale=1.0, **options).assimilate(batch)
    scale = climatology.std[:, None, None]
    one, other = (analysis.members - analysis.mean[:, None] for analysis in (came, wanted))
    np.testing.assert_allclose((one - other) / scale, 0, atol=2e-3)
    assert np.abs((came.mean - wanted.mean) / scale).max() > 0.1


def test_on_large_grids_no_observation_changes_nothing(large, climatology, batch):
    method = Hybrid(climatology, members=10)
    np.testing.assert_array_equal(
        method.assimilate(unobserved(batch)).members[0], drawn(method, batch)
    )
