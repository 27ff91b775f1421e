"""Laws that the method must obey, on a tiny synthetic atmosphere."""

from dataclasses import replace

import numpy as np
import pytest
from your_method import YourMethod

from dambench_hub.data import load_data
from dambench_hub.testing import write_tiny_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight days to fit, five to test."""
    folder = tmp_path_factory.mktemp("tiny") / "data"
    write_tiny_dataset(folder)
    return load_data(folder)


@pytest.fixture(scope="module")
def method(data):
    """The method, fitted."""
    return YourMethod.fit(data.batches("unimodal", "train", 4))


@pytest.fixture
def batch(data):
    """Two days, without what the analysis is scored against."""
    return next(data.batches("unimodal", batch_size=2)).without_reference()


def test_observations_that_agree_with_the_background_change_nothing(method, batch):
    """H x^b = y, so x^a = x^b."""
    at_points = batch.background.reshape(*batch.background.shape[:2], -1)
    index = np.broadcast_to(batch.observation_index[:, None], batch.observation_values.shape)
    agreeing = np.take_along_axis(at_points, index, axis=2)
    analysis = method.assimilate(replace(batch, observation_values=agreeing))
    np.testing.assert_array_equal(analysis.mean, batch.background)


def test_observations_that_know_nothing_change_nothing(method, batch):
    """R → ∞, so x^a → x^b."""
    vague = replace(batch, observation_error_std=1e9 * batch.observation_error_std)
    analysis = method.assimilate(vague)
    np.testing.assert_allclose(analysis.mean, batch.background, rtol=1e-6)


def test_a_sample_does_not_depend_on_its_batch(data, method, batch):
    """One at a time, or two: the same analysis."""
    one = next(data.batches("unimodal", batch_size=1))
    both = method.assimilate(batch).mean
    np.testing.assert_allclose(method.assimilate(one).mean[0], both[0], rtol=1e-6)


def test_it_is_better_than_the_background(data, method):
    """Mean square error over the test days."""
    for batch in data.batches("density-20", batch_size=5):
        analysis = method.assimilate(batch.without_reference()).mean
        errors, before = (
            np.square((state - batch.reference) / data.statistics.std[:, None, None]).mean()
            for state in (analysis, batch.background)
        )
        assert errors < before
