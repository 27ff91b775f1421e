"""3D-Var is the best linear analysis for a balanced B, and says how sure it is of it."""

from dataclasses import replace

import numpy as np
import pytest
from models.simulated_radiation import with_departures

from dambench_hub.errors import DataError, TaskError
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.models.registry import load_method
from dambench_hub.models.var3d import Var3D

TRAINING = 6


@pytest.fixture(scope="module", params=["zonal", "spectral"])
def method(request, small_world):
    training = (small_world.batch(1, first, modalities={}) for first in range(TRAINING))
    return Var3D.fit(training, covariance=request.param)


def in_error_std(batch, values):
    return values / batch.observation_error_std[:, None, None]


def test_analyses_are_nearer_to_the_reference(small_world, method):
    batch = small_world.batch(3, TRAINING, density=0.3)
    analysis = method.assimilate(batch.without_reference())
    np.testing.assert_array_equal(analysis.time, batch.time)
    before, after = (
        np.mean(in_error_std(batch, field - batch.reference) ** 2)
        for field in (batch.background, analysis.mean)
    )
    assert after < 0.8 * before


def test_increments_are_the_best_linear_ones(small_world, method):
    """x^a = x^b − b + K (y − H(x^b − b)), with matrices in units of the observation error."""
    batch = small_world.batch(1, TRAINING, density=0.2)
    increment = method.assimilate(batch).mean[0] - (batch.background[0] - method.bias)
    unit = np.repeat(batch.observation_error_std, batch.grid.size)
    size, index = len(unit), batch.observation_index[0]
    B = method.covariance(np.eye(size).reshape(size, 5, *batch.grid.shape)).reshape(size, size)
    H = np.eye(size)[(index + batch.grid.size * np.arange(5)[:, None]).ravel()]
    innovation = H @ (batch.background[0] - method.bias).ravel()
    innovation = (batch.observation_values[0].ravel() - innovation) / (H @ unit)
    K = best_linear_estimate(B / np.outer(unit, unit), H, np.eye(len(H))).gain
    came = in_error_std(batch, increment).ravel()
    np.testing.assert_allclose(came, K @ innovation, atol=0.1)


def test_better_backgrounds_are_as_worse_observations(small_world, method):
    """s² B with R has the increments of B with R / s²."""
    batch = small_world.batch(1, TRAINING, density=0.2)
    half = replace_options(method, background_scale=0.5).assimilate(batch).mean
    worse = replace(batch, observation_error_std=2 * batch.observation_error_std)
    np.testing.assert_allclose(half, method.assimilate(worse).mean, rtol=1e-6)
    assert np.any(half != method.assimilate(batch).mean)


def test_a_sample_does_not_depend_on_its_batch(small_world, method):
    method = replace_options(method, members=3)
    batch = small_world.batch(3, TRAINING)
    together = method.assimilate(batch)
    alone = method.assimilate(small_world.batch(1, TRAINING + 1))
    np.testing.assert_array_equal(alone.mean[0], together.mean[1])
    np.testing.assert_array_equal(alone.members[0], together.members[1])


def test_no_worth_of_observations_leaves_the_background_without_its_bias(small_world, method):
    batch = small_world.batch(1, TRAINING)
    far = replace(batch, observation_error_std=1e9 * batch.observation_error_std)
    came = method.assimilate(far).mean[0]
    np.testing.assert_allclose(
        in_error_std(batch, came), in_error_std(batch, batch.background[0] - method.bias), atol=1e-3
    )


def test_exact_observations_are_met(small_world, method):
    batch = small_world.batch(1, TRAINING, density=0.05)
    exact = replace(batch, observation_error_std=0 * batch.observation_error_std)
    index = batch.observation_index[0]
    came = method.assimilate(exact).mean[0].reshape(5, -1)[:, index]
    misfit = (came - batch.observation_values[0]) / method.covariance.scale[:, None]
    assert np.abs(misfit).max() < 0.1


def replace_options(method, **options):
    return Var3D(method.channels, method.covariance, method.bias, method.departures, **options)


def test_members_have_the_analysis_as_mean_and_its_error_as_spread(small_world, method):
    batch = small_world.batch(1, TRAINING, density=0.2)
    analysis = replace_options(method, members=30).assimilate(batch)
    np.testing.assert_array_equal(analysis.mean, method.assimilate(batch).mean)
    assert analysis.members.shape == (1, 30, 5, *batch.grid.shape)
    np.testing.assert_allclose(
        in_error_std(batch, analysis.members.mean(axis=1) - analysis.mean), 0, atol=2e-3
    )
    background_std = method.covariance.std[..., None]
    assert np.all((analysis.std[0] ** 2).mean(axis=(1, 2)) < (background_std**2).mean(axis=(1, 2)))
    seen = analysis.std[0].reshape(5, -1)[:, batch.observation_index[0]]
    assert np.all(seen.mean(axis=1) < 1.3 * batch.observation_error_std)
    other = replace_options(method, members=30, seed=1).assimilate(batch)
    assert np.any(other.members != analysis.members)


def test_saved_and_loaded_it_is_the_same(small_world, method, tmp_path):
    method = replace_options(method, background_scale=0.7)
    method.save(tmp_path)
    batch = small_world.batch(1, TRAINING)
    again = load_method(tmp_path)
    np.testing.assert_array_equal(again.assimilate(batch).mean, method.assimilate(batch).mean)


def test_a_damaged_file_is_refused(method, tmp_path):
    method.save(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="Fit the method again"):
        Var3D.load(tmp_path)


def test_what_cannot_be_fitted_or_analysed_is_refused(small_world, method):
    with pytest.raises(TaskError, match="needs training samples"):
        Var3D.fit([])
    with pytest.raises(TaskError, match="needs the reference"):
        Var3D.fit([small_world.batch(1).without_reference()])
    with pytest.raises(DataError, match="at least two training errors"):
        Var3D.fit([small_world.batch(1)])
    batch = small_world.batch(1)
    with pytest.raises(DataError, match="fit to this data set"):
        method.assimilate(replace(batch, channels=("a", "b", "c", "d", "e")))
    with pytest.raises(TaskError, match="two members at least, got 1"):
        replace_options(method, members=1).assimilate(batch)
    with pytest.raises(TaskError, match="background_scale must be positive"):
        replace_options(method, background_scale=0.0)


@pytest.fixture(scope="module")
def seeing(small_world):
    training = (with_departures(small_world.batch(1, first)) for first in range(40))
    return Var3D.fit(training)


@pytest.fixture
def seen(small_world):
    return with_departures(small_world.batch(3, 50, density=0.1))


def test_departures_bring_analyses_nearer_to_the_reference(seeing, seen):
    alone = replace(seen, modalities={}, background_modalities={})
    without, together = (
        np.mean(in_error_std(seen, seeing.assimilate(batch).mean - seen.reference)[:, 4] ** 2)
        for batch in (alone, seen)
    )
    assert together < 0.8 * without


def test_without_departures_it_is_the_same_to_the_last_bit(seeing, seen, small_world):
    training = (small_world.batch(1, first) for first in range(40))
    members = {"members": 2}
    plain = replace_options(Var3D.fit(training), **members)
    wanted = plain.assimilate(replace(seen, modalities={}, background_modalities={}))
    for batch in replace(seen, background_modalities={}), replace(seen, modalities={}):
        came = replace_options(seeing, **members).assimilate(batch)
        np.testing.assert_array_equal(came.mean, wanted.mean)
        np.testing.assert_array_equal(came.members, wanted.members)
    unasked = replace_options(seeing, modalities=[], **members).assimilate(seen)
    np.testing.assert_array_equal(unasked.members, wanted.members)


def test_worthless_departures_change_nothing(seeing, seen):
    alone = seeing.assimilate(replace(seen, background_modalities={})).mean
    came = replace_options(seeing, departure_noise=1e9).assimilate(seen).mean
    np.testing.assert_allclose(in_error_std(seen, came), in_error_std(seen, alone), atol=2e-3)


def test_what_background_lacks_has_no_say(seeing, seen):
    """A missing observation and a missing equivalent are one thing, whatever stands beside it."""
    there = seen.modalities["olr"]
    equivalents = np.where(np.isnan(there), 1e6, seen.background_modalities["olr"])
    changed = seen.background_modalities | {"olr": equivalents.astype("f4")}
    came = seeing.assimilate(replace(seen, background_modalities=changed)).mean
    np.testing.assert_array_equal(came, seeing.assimilate(seen).mean)


def test_departures_join_points_that_see_some_channels(seeing, seen):
    """Points that see nothing are as if they were not there, beside others that see a part."""
    values = seen.observation_values.copy()
    values[:, 2:, ::2] = np.nan
    values[:, :, 1::4] = np.nan
    there = np.arange(values.shape[-1]) % 4 != 1
    index = seen.observation_index[:, there]
    fewer = replace(seen, observation_index=index, observation_values=values[:, :, there])
    come = replace(seen, observation_values=values)
    came, wanted = (seeing.assimilate(batch).mean for batch in (come, fewer))
    np.testing.assert_allclose(in_error_std(seen, came), in_error_std(seen, wanted), atol=1e-3)
    alone = seeing.assimilate(replace(come, background_modalities={})).mean
    without, together = (
        np.mean(in_error_std(seen, mean - seen.reference)[:, 4] ** 2) for mean in (alone, came)
    )
    assert together < 0.8 * without


def test_members_know_what_departures_tell(seeing, seen):
    """The spread is less with departures, and s of 1 is the limit of s below it."""
    method = replace_options(seeing, members=40)
    alone = method.assimilate(replace(seen, background_modalities={}))
    together = method.assimilate(seen)
    np.testing.assert_array_equal(together.mean, seeing.assimilate(seen).mean)
    assert together.std[:, 4].mean() < 0.9 * alone.std[:, 4].mean()
    near = replace_options(seeing, members=2, background_scale=1 - 1e-7).assimilate(seen)
    exact = replace_options(seeing, members=2).assimilate(seen)
    np.testing.assert_allclose(near.mean, exact.mean, rtol=1e-5)


def test_departures_are_saved(seeing, seen, tmp_path):
    method = replace_options(seeing, departure_noise=0.2, modalities="olr")
    method.save(tmp_path)
    again = load_method(tmp_path)
    assert again.modalities == ("olr",) and again.departure_noise == 0.2
    np.testing.assert_array_equal(again.assimilate(seen).mean, method.assimilate(seen).mean)


def test_the_spectral_form_and_channels_apart_leave_departures_out(seeing, seen, small_world):
    training = (with_departures(small_world.batch(1, first)) for first in range(TRAINING))
    spectral = Var3D.fit(training, covariance="spectral")
    assert spectral.departures is None
    apart = np.repeat(seen.observation_index[:, None], 5, axis=1)
    batch = replace(seen, observation_index=apart)
    wanted = seeing.assimilate(replace(batch, background_modalities={})).mean
    np.testing.assert_array_equal(seeing.assimilate(batch).mean, wanted)


def test_options_of_modalities_are_checked(seeing):
    with pytest.raises(TaskError, match="no modality 'ol'. Did you mean 'olr'"):
        replace_options(seeing, modalities=["ol"])
    with pytest.raises(TaskError, match="departure_noise must not be negative, got -1"):
        replace_options(seeing, departure_noise=-1)
