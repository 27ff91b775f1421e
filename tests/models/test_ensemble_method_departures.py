"""Ensemble methods and modalities: better with them, and the same bits without."""

from dataclasses import replace

import numpy as np
import pytest
from models.simulated_radiation import with_departures

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import TaskError
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.registry import load_method, method_class

METHODS = ("letkf", "enkf", "hybrid")
MEMBERS = 20


@pytest.fixture(scope="module")
def climatology(small_world):
    return ClimatologicalEnsemble.fit(
        with_departures(small_world.batch(1, first)) for first in range(40)
    )


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


@pytest.fixture
def make(name, climatology):
    def make(**options):
        settings = {"members": MEMBERS, "localisation_km": 3000.0}
        return method_class(name)(climatology, **settings | options)

    return make


@pytest.fixture(params=["of the day", "climatological"])
def batch(request, small_world, climatology):
    batch = small_world.batch(3, 60, density=0.1)
    if request.param == "climatological":
        return with_departures(batch)
    members = [
        climatology.draw(x, int(hours), MEMBERS, 1.0, 7)
        for x, hours in zip(batch.background, hours_since_epoch(batch.time), strict=True)
    ]
    return with_departures(batch, background_members=np.stack(members))


def error(analysis, batch):
    """Mean square error of t850."""
    return np.mean((analysis.mean - batch.reference)[:, 4] ** 2)


def without(batch):
    return replace(batch, modalities={}, background_modalities={}, background_members_modalities={})


def test_departures_bring_analyses_nearer_to_the_reference(make, batch):
    alone, together = (error(make().assimilate(one), batch) for one in (without(batch), batch))
    assert together < 0.9 * alone


def test_without_equivalents_or_the_option_bits_are_those_without_modalities(make, batch):
    wanted = make().assimilate(without(batch)).members
    unknown = replace(batch, background_modalities={}, background_members_modalities={})
    np.testing.assert_array_equal(make().assimilate(unknown).members, wanted)
    np.testing.assert_array_equal(make(modalities=[]).assimilate(batch).members, wanted)


@pytest.mark.parametrize("batch", ["of the day"], indirect=True)
@pytest.mark.parametrize("name", ["letkf", "enkf"], indirect=True)
def test_worthless_departures_change_nothing(make, batch, climatology):
    scale = climatology.std[:, None, None]
    alone = make().assimilate(without(batch))
    came = make(departure_error=1e6).assimilate(batch)
    np.testing.assert_allclose((came.members - alone.members) / scale, 0, atol=2e-3)


def test_what_background_lacks_has_no_say(make, batch):
    gaps = np.isnan(batch.modalities["olr"])
    known, each = dict(batch.background_modalities), dict(batch.background_members_modalities)
    known["olr"] = np.where(gaps, 1e6, known["olr"]).astype("f4")
    if each:
        each["olr"] = np.where(gaps[:, None], 1e6, each["olr"]).astype("f4")
    changed = replace(batch, background_modalities=known, background_members_modalities=each)
    wanted, came = make().assimilate(batch), make().assimilate(changed)
    np.testing.assert_array_equal(came.members, wanted.members)


def test_departures_join_points_that_see_some_channels(make, batch, climatology):
    """Points that see nothing are as if they were not there, beside others that see a part."""
    values = batch.observation_values.copy()
    values[:, 2:, ::2] = np.nan
    values[:, :, 1::4] = np.nan
    there = np.arange(values.shape[-1]) % 4 != 1
    index = batch.observation_index[:, there]
    fewer = replace(batch, observation_index=index, observation_values=values[:, :, there])
    come = replace(batch, observation_values=values)
    came, wanted = (make().assimilate(one) for one in (come, fewer))
    scale = climatology.std[:, None, None]
    np.testing.assert_allclose((came.mean - wanted.mean) / scale, 0, atol=2e-3)
    assert error(came, batch) < 0.9 * error(make().assimilate(without(come)), batch)


def test_a_sample_does_not_depend_on_its_batch(make, batch):
    together = make().assimilate(batch).members
    of = {name: field[1:2] for name, field in batch.background_members_modalities.items()}
    members = batch.background_members
    alone = replace(
        batch,
        time=batch.time[1:2],
        background=batch.background[1:2],
        reference=batch.reference[1:2],
        observation_index=batch.observation_index[1:2],
        observation_values=batch.observation_values[1:2],
        modalities={name: field[1:2] for name, field in batch.modalities.items()},
        background_modalities={k: field[1:2] for k, field in batch.background_modalities.items()},
        background_members=None if members is None else members[1:2],
        background_members_modalities=of,
    )
    np.testing.assert_array_equal(make().assimilate(alone).members[0], together[1])


def test_departures_are_saved(make, batch, tmp_path):
    method = make(departure_error=1.3, modalities="olr")
    method.save(tmp_path)
    again = load_method(tmp_path)
    assert again.departure_error == 1.3 and again.modalities == ("olr",)
    np.testing.assert_array_equal(again.assimilate(batch).mean, method.assimilate(batch).mean)


def test_members_draw_equivalents_of_the_same_days(climatology):
    """Where radiation follows temperature, so do its drawn errors; the mean is corrected."""
    x = np.zeros((5, *climatology.grid.shape), np.float32)
    departures = climatology.departures.only(("olr",))
    drawn = climatology.draw(x, 0, 30, 0.5, 3)
    seen = climatology.draw_equivalents(x[:1] + 240, departures, 0, 30, 0.5, 3)
    np.testing.assert_allclose(seen.mean(axis=0), 240 + departures.mean, atol=1e-3)
    temperature = (drawn - drawn.mean(axis=0))[:, [0, 4]].sum(axis=1)
    radiation = (seen - seen.mean(axis=0))[:, 0]
    assert np.corrcoef(temperature.ravel(), radiation.ravel())[0, 1] > 0.7


def test_options_of_modalities_are_checked(make):
    with pytest.raises(TaskError, match="no modality 'rain'"):
        make(modalities=["rain"])
    with pytest.raises(TaskError, match="departure_error must be positive, got 0"):
        make(departure_error=0)
