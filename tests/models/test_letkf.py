"""The LETKF as a method: relaxation, rotation, and how it compares with the EnKF."""

import numpy as np
import pytest

from dambench_hub.errors import TaskError
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble
from dambench_hub.models.enkf import EnKF
from dambench_hub.models.letkf import LETKF


@pytest.fixture(scope="module")
def climatology(small_world):
    return ClimatologicalEnsemble.fit([small_world.batch(size=20, modalities={})])


@pytest.fixture(scope="module")
def batch(small_world):
    return small_world.batch(size=2, first=60, density=0.2).without_reference()


def analysed(climatology, batch, method=LETKF, **options):
    settings = {"members": 15, "localisation_km": 3000.0}
    return method(climatology, **settings, **options).assimilate(batch)


def test_relaxation_changes_the_spread_and_not_the_mean(climatology, batch):
    none, half, whole = (analysed(climatology, batch, relaxation=r) for r in (0.0, 0.5, 1.0))
    scale = climatology.std[:, None, None]
    np.testing.assert_allclose((whole.mean - none.mean) / scale, 0, atol=2e-3)
    np.testing.assert_allclose((2 * half.std - none.std - whole.std) / scale, 0, atol=2e-3)
    assert np.all(whole.std >= none.std - 2e-3 * scale) and whole.std.sum() > 1.2 * none.std.sum()


def test_rotation_changes_members_and_neither_mean_nor_spread(climatology, batch):
    plain, rotated = (analysed(climatology, batch, rotate=rotate) for rotate in (False, True))
    scale = climatology.std[:, None, None]
    np.testing.assert_allclose((plain.mean - rotated.mean) / scale, 0, atol=2e-3)
    np.testing.assert_allclose((plain.std - rotated.std) / scale, 0, atol=2e-3)
    assert np.abs((plain.members - rotated.members) / scale).max() > 0.1


def test_the_stochastic_filter_has_the_same_mean_and_other_members(climatology, batch):
    one, other = analysed(climatology, batch), analysed(climatology, batch, EnKF)
    scale = climatology.std[:, None, None]
    np.testing.assert_allclose((one.mean - other.mean) / scale, 0, atol=2e-3)
    assert np.abs((one.members - other.members) / scale).max() > 0.1


@pytest.mark.parametrize("relaxation", [-0.1, 1.1])
def test_relaxation_out_of_range_is_refused(climatology, relaxation):
    with pytest.raises(TaskError, match="relaxation is a share"):
        LETKF(climatology, relaxation=relaxation)
