"""What departures of training days are: their mean, their variance, and their gaps."""

import numpy as np
import pytest

from dambench_hub.errors import DataError
from dambench_hub.estimation.training_departures import TrainingDepartures, mean_of_present

DAY = 24


@pytest.fixture
def values():
    """200 days of two modalities on 4×6: about 3, and 0 in most places nothing."""
    values = (
        np.random.default_rng(0).normal(size=(200, 2, 4, 6)) + np.array([3.0, 0])[:, None, None]
    )
    values[::3, 0, :2] = np.nan
    values[:, 1, 1:] = np.nan
    return values


def of(values):
    return TrainingDepartures.of(("olr", "precipitation"), values, DAY * np.arange(len(values)))


def test_only_what_repeats_is_the_mean(values):
    departures = of(values)
    np.testing.assert_allclose(departures.mean[0], 3, atol=0.5)
    noise = mean_of_present(values)[1, 0]
    assert np.abs(departures.mean[1]).max() < 0.6 * np.abs(noise).max()
    assert np.all(departures.mean[1, 1:] == 0)


def test_days_of_one_block_have_no_mean(values):
    assert np.all(of(values[:9]).mean == 0)


def test_gaps_do_not_count(values):
    variance = of(values).variance
    np.testing.assert_allclose(variance[0], 1, atol=0.15)
    assert np.isfinite(variance[1]).tolist() == [True, False, False, False]


def test_what_was_never_measured_is_not_kept(values):
    values[:, 1] = np.nan
    assert of(values).only(("precipitation", "olr")).names == ("olr",)
    assert of(values).only(("precipitation",)).names == ()


def test_shapes_belong_together(values):
    with pytest.raises(DataError, match="Departures of 1 modalities"):
        TrainingDepartures(("olr",), values, values.mean(axis=0))
