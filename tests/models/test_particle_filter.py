"""The particle filters as methods: the effective size is reported, and tells them apart."""

import numpy as np
import pytest

from dambench_hub.errors import TaskError
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.particle_filter import ParticleFilter


@pytest.fixture(scope="module")
def climatology(small_world):
    return ClimatologicalEnsemble.fit([small_world.batch(size=40)])


@pytest.fixture(scope="module")
def batch(small_world):
    return small_world.batch(size=2, first=60, density=0.2)


def analysed(climatology, batch, **options):
    settings = {"members": 40, "localisation_km": 3000.0}
    method = ParticleFilter(climatology, **{**settings, **options})
    return method.assimilate(batch.without_reference())


def test_the_bootstrap_filter_says_that_it_is_degenerate(climatology, batch):
    analysis = analysed(climatology, batch, localised=False)
    assert analysis.effective_size.shape == (2, *batch.grid.shape)
    assert np.ptp(analysis.effective_size[0]) < 1e-9  # one weight for all columns
    assert analysis.effective_size.max() < 3


def test_localised_a_share_of_the_particles_is_effective_in_each_column(climatology, batch):
    analysis = analysed(climatology, batch, effective_share=0.25)
    assert analysis.effective_size.min() > 10 * (1 - 1e-6)
    untempered = analysed(climatology, batch, effective_share=0.0)
    assert untempered.effective_size.min() < 5


def test_without_localisation_and_tempering_it_is_the_bootstrap_filter(climatology, batch):
    options = {"localisation_km": np.inf, "effective_share": 0.0}
    one = analysed(climatology, batch, **options)
    other = analysed(climatology, batch, localised=False)
    np.testing.assert_array_equal(one.mean, other.mean)


def test_the_bootstrap_filter_is_bayes_theorem(climatology, batch):
    """The mean with weights from one product of the likelihoods of all observations."""
    analysis = analysed(climatology, batch, localised=False, members=10)
    for n in range(2):
        hours = int(batch.time[n].astype(int))
        particles = climatology.draw(batch.background[n], hours, 10, 1.0, 0).astype("f8")
        observed = particles.reshape(10, 5, -1)[..., batch.observation_index[n]]
        std = batch.observation_error_std[:, None]
        misfit = (((batch.observation_values[n] - observed) / std) ** 2).sum(axis=(1, 2))
        weights = np.exp(-0.5 * (misfit - misfit.min()))
        wanted = np.tensordot(weights / weights.sum(), particles, 1)
        scale = climatology.std[:, None, None]
        np.testing.assert_allclose((analysis.mean[n] - wanted) / scale, 0, atol=1e-3)


def test_many_particles_come_without_members(climatology, batch):
    assert analysed(climatology, batch, members=65).members is None
    assert analysed(climatology, batch, members=64).members.shape[1] == 64


def test_a_share_out_of_range_is_refused(climatology):
    with pytest.raises(TaskError, match="effective_share is a share of the particles"):
        ParticleFilter(climatology, effective_share=1.5)
