"""What repeats is a bias, and what is left of weather in a mean is not."""

import numpy as np
import pytest

from dambench_hub.estimation.mean_error import BLOCK_HOURS, MeanError

STD = np.array([300.0, 2.0, 1e-3])[:, None]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_what_repeats_is_bias(rng):
    mean = 3 * STD * rng.normal(size=(3, 500))
    errors = MeanError(mean.shape)
    for n in range(100):
        errors.add(mean + STD * rng.normal(size=mean.shape), BLOCK_HOURS * n)
    np.testing.assert_allclose(errors.bias / STD, mean / STD, atol=0.6)
    assert errors.count == 100


def test_sampling_error_is_not_bias(rng):
    errors = MeanError((3, 500))
    for n in range(60):
        errors.add(STD * rng.normal(size=(3, 500)), BLOCK_HOURS * n)
    assert np.all((errors.bias**2).mean(axis=1) < 0.1 * (errors.mean**2).mean(axis=1))
    assert errors.mean.any()


def test_samples_of_one_time_tell_nothing_about_bias(rng):
    errors = MeanError((3, 500))
    for _ in range(4):
        errors.add(STD * rng.normal(size=(3, 500)), 0)
    assert not errors.bias.any()
