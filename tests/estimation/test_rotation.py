"""Rotations keep what a filter knows of the ensemble, and nothing else."""

import numpy as np
import pytest

from dambench_hub.estimation.rotation import mean_preserving_rotation


@pytest.mark.parametrize("members", [2, 3, 7, 40])
def test_rotations_are_orthogonal_and_keep_the_mean(rng, members):
    rotation = mean_preserving_rotation(members, rng)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(members), atol=1e-12)
    np.testing.assert_allclose(rotation.sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(rotation.sum(axis=1), 1, atol=1e-12)


def test_mean_and_covariance_of_an_ensemble_stay_and_members_do_not(rng):
    members = rng.normal(size=(7, 12))
    mean = members.mean(axis=0)
    rotated = mean + mean_preserving_rotation(7, rng) @ (members - mean)
    np.testing.assert_allclose(rotated.mean(axis=0), mean, atol=1e-12)
    np.testing.assert_allclose(np.cov(rotated.T), np.cov(members.T), atol=1e-12)
    assert np.abs(rotated - members).max() > 0.5


def test_no_direction_is_preferred(rng):
    """The mean over uniform rotations is the projection onto 1."""
    mean = np.mean([mean_preserving_rotation(4, rng) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(mean, np.full((4, 4), 0.25), atol=0.04)
