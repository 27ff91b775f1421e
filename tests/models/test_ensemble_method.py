"""What holds for every ensemble method: better than the background, keyed, saved, and refusals."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dambench_hub.coordinates.constants import EARTH_RADIUS_KM
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.registry import load_method, method_class
from dambench_hub.observations.networks import ObservationSettings

METHODS = {"letkf": {}, "enkf": {}, "hybrid": {}, "particle_filter": {"effective_share": 0.2}}
"""With options for few members."""
REACH = {"localisation_km": 3000.0}
"""Grid points of the small world are 2500 km apart."""


@pytest.fixture(scope="module")
def climatology(small_world):
    batches = (small_world.batch(5, first, modalities={}) for first in range(0, 40, 5))
    return ClimatologicalEnsemble.fit(batches)


@pytest.fixture(params=METHODS)
def method(request, climatology):
    return method_class(request.param)(climatology, members=30, **REACH, **METHODS[request.param])


@pytest.fixture
def batch(small_world):
    return small_world.batch(size=3, first=60, density=0.2).without_reference()


def squared_error(fields, batch, climatology):
    return np.mean(((fields - batch.reference) / climatology.std[:, None, None]) ** 2)


@pytest.mark.parametrize("network", ["column", "stations", "iid"])
def test_the_analysis_beats_the_background(method, climatology, small_world, monkeypatch, network):
    settings = ObservationSettings(network=network, density=0.2)
    monkeypatch.setattr(small_world, "settings", settings)
    batch = small_world.batch(size=8, first=50)
    analysis = method.assimilate(batch.without_reference())
    before = squared_error(batch.background, batch, climatology)
    assert squared_error(analysis.mean, batch, climatology) < 0.95 * before
    assert analysis.mean.dtype == np.float32 and np.isfinite(analysis.mean).all()
    np.testing.assert_array_equal(analysis.time, batch.time)


def test_mean_and_std_are_those_of_the_members(method, batch):
    analysis = method.assimilate(batch)
    scale = method.climatology.std[:, None, None]
    assert analysis.members.shape == (3, 30, *batch.background.shape[1:])
    members = analysis.members.astype("f8")
    np.testing.assert_allclose((members.mean(axis=1) - analysis.mean) / scale, 0, atol=1e-3)
    np.testing.assert_allclose((members.std(axis=1, ddof=1) - analysis.std) / scale, 0, atol=1e-3)


def test_samples_are_independent_and_runs_repeat(method, batch, small_world):
    together = method.assimilate(batch)
    np.testing.assert_array_equal(method.assimilate(batch).members, together.members)
    for n in range(3):
        alone = small_world.batch(size=1, first=60 + n, density=0.2).without_reference()
        np.testing.assert_array_equal(method.assimilate(alone).members[0], together.members[n])


def test_another_seed_makes_another_ensemble(method, batch):
    one = method.assimilate(batch).mean
    method.seed = 1
    assert np.any(method.assimilate(batch).mean != one)


def test_the_reference_is_not_read(method, small_world, batch):
    known = small_world.batch(size=3, first=60, density=0.2)
    poisoned = replace(known, reference=np.full_like(known.reference, np.nan))
    np.testing.assert_array_equal(method.assimilate(poisoned).mean, method.assimilate(batch).mean)


def test_an_ensemble_of_the_batch_is_used(method, batch):
    """Given the members that it would draw itself, a method makes the same analysis."""
    drawn = [
        method.climatology.draw(x, int(hours), 30, method.climatological_scale, method.seed)
        for x, hours in zip(batch.background, hours_since_epoch(batch.time), strict=True)
    ]
    brought = replace(batch, background=0 * batch.background, background_members=np.stack(drawn))
    method.members, method.additive_inflation = 200, 0
    found = method.assimilate(brought)
    method.members = 30
    wanted = method.assimilate(batch)
    np.testing.assert_array_equal(found.members, wanted.members)
    np.testing.assert_array_equal(found.mean, wanted.mean)


def test_inflation_widens_either_ensemble(climatology, batch):
    plain = method_class("letkf")(climatology, members=10, **REACH)
    wide = method_class("letkf")(climatology, members=10, inflation=1.5, **REACH)
    few = replace(
        batch,
        observation_index=batch.observation_index[:, :0],
        observation_values=batch.observation_values[..., :0],
    )
    scale = climatology.std[:, None, None]
    one, other = plain.assimilate(few), wide.assimilate(few)
    np.testing.assert_allclose(other.std / scale, 1.5 * one.std / scale, atol=1e-2)
    brought = replace(few, background_members=one.members)
    wide.additive_inflation = 0
    again = wide.assimilate(brought)
    np.testing.assert_allclose(again.std / scale, 1.5 * one.std / scale, atol=1e-2)
    np.testing.assert_allclose((again.mean - one.mean) / scale, 0, atol=1e-2)


def test_additive_inflation_gives_members_errors_of_other_days(method, batch):
    """An ensemble whose members are alike has those errors alone, as a climatological one has."""
    alike = np.repeat(batch.background[:, None], 30, axis=1)
    method.additive_inflation = method.climatological_scale
    found = method.assimilate(replace(batch, background_members=alike))
    scale = method.climatology.std[:, None, None]
    wanted = method.assimilate(batch)
    np.testing.assert_allclose(found.mean / scale, wanted.mean / scale, atol=1e-3)
    np.testing.assert_allclose(found.std / scale, wanted.std / scale, atol=1e-3)


@pytest.mark.parametrize("method", ["letkf", "enkf", "particle_filter"], indirect=True)
def test_columns_out_of_reach_keep_their_bits(method, small_world):
    batch = small_world.batch(size=1, first=60)
    batch = replace(
        batch,
        observation_index=batch.observation_index[:, :1],
        observation_values=batch.observation_values[..., :1],
    )
    hours = int(hours_since_epoch(batch.time)[0])
    drawn = method.climatology.draw(
        batch.background[0], hours, 30, method.climatological_scale, method.seed
    )
    brought = replace(batch, background_members=drawn[None])
    method.additive_inflation = 0
    analysis = method.assimilate(brought)
    here = batch.grid.unit_vectors()[int(batch.observation_index[0, 0])]
    far = (batch.grid.unit_vectors() @ here).reshape(batch.grid.shape) < np.cos(1.8)
    assert far.any()
    kept = (analysis.members[0] == drawn).all(axis=(0, 1))
    assert kept[far].all() and not kept.all()


def test_observations_without_error_have_the_least_error(method, small_world):
    """Zero is taken as 1 % of the background error: finite, and the same as that."""
    batch = small_world.batch(size=1, first=60)
    exact = replace(batch, observation_error_std=0 * batch.observation_error_std)
    least = replace(batch, observation_error_std=1e-2 * method.climatology.std)
    analysis = method.assimilate(exact)
    assert np.isfinite(analysis.mean).all() and np.isfinite(analysis.std).all()
    np.testing.assert_array_equal(analysis.mean, method.assimilate(least).mean)


def test_saved_and_loaded_it_is_the_same(method, batch, tmp_path):
    method.seed = 5
    method.save(tmp_path)
    again = load_method(tmp_path)
    assert again.seed == 5 and again.members == 30
    np.testing.assert_array_equal(again.assimilate(batch).members, method.assimilate(batch).members)


def test_damaged_folder(method, tmp_path):
    method.save(tmp_path)
    path = tmp_path / "model.safetensors"
    arrays = load_file(path)
    save_file(arrays | {"bias": arrays["bias"].astype("i1")}, path)
    with pytest.raises(DataError, match="Fit the method again"):
        load_method(tmp_path)
    path.write_bytes(b"broken")
    with pytest.raises(DataError, match="Fit the method again"):
        load_method(tmp_path)


def test_fitted_by_name(small_world, batch):
    method = load_method("letkf", [small_world.batch(size=5)])
    assert method.members == 40 and method.localisation_km is None
    assert method.assimilate(batch).members.shape[1] == 40
    options = {"members": 4, **REACH}
    assert method_class("enkf").fit([small_world.batch(size=5)], **options).members == 4


def test_an_ensemble_of_one_is_refused(method, batch):
    with pytest.raises(TaskError, match="members ≥ 2"):
        type(method)(method.climatology, members=1)
    method.members = 1
    with pytest.raises(DataError, match="two members at least for its covariance, got 1"):
        method.assimilate(batch)


def test_members_of_another_grid_are_refused(batch):
    with pytest.raises(DataError, match="background_members of shape"):
        replace(batch, background_members=np.zeros((3, 4, 5, 17, 32), np.float32))


def test_another_data_set_is_refused(method, batch):
    with pytest.raises(DataError, match="fit to this data set"):
        method.assimilate(replace(batch, channels=("t2m", "msl", "z500", "z850", "t925")))


def test_localisation_shorter_than_the_grid_spacing_is_refused(method, batch):
    method.localisation_km = 1000.0
    with pytest.raises(DataError, match="1000 km, grid points are 2502 km apart"):
        method.assimilate(batch)


def test_by_default_localisation_is_as_long_as_the_grid_needs(climatology, batch):
    spacing = np.pi * EARTH_RADIUS_KM / 8
    one, other = (
        method_class("letkf")(climatology, members=10, localisation_km=length)
        for length in (None, spacing)
    )
    np.testing.assert_array_equal(one.assimilate(batch).mean, other.assimilate(batch).mean)


@pytest.mark.parametrize(
    "options", [{"climatological_scale": 0}, {"inflation": -1}, {"seed": -1}], ids=str
)
def test_options_out_of_range_are_refused(method, options):
    with pytest.raises(TaskError, match="Wanted members"):
        type(method)(method.climatology, **options)
