"""Departures of modalities: statistics by latitude, and what of an observation J takes."""

from dataclasses import replace

import numpy as np
import pytest
from drifting_world import GRID, training

from dambench_hub.models.modality_errors import DepartureSums, ModalityErrors, mean_observations

NAMES = ("precipitation", "olr")


@pytest.fixture
def batches(rng):
    """Departures of 20 days, a third of them missing; no gauge in the first rows."""
    batches = []
    for batch in training(20):
        equivalents = {name: rng.normal(size=(1, *GRID.shape)).astype("f4") for name in NAMES}
        departures = rng.normal(size=(2, 1, *GRID.shape)) * np.arange(1, 10)[:, None] + 3
        departures[rng.random(departures.shape) < 1 / 3] = np.nan
        departures[0, 0, :2] = np.nan
        modalities = {
            name: (equivalents[name] + d).astype("f4")
            for name, d in zip(NAMES, departures, strict=True)
        }
        batches.append(replace(batch, modalities=modalities, background_modalities=equivalents))
    return batches


def test_mean_and_deviation_are_those_of_each_latitude(batches):
    sums = DepartureSums()
    assert list(sums.watch(batches)) == batches
    errors = sums.errors()
    for name in NAMES:
        d = np.concatenate([batch.departures[name] for batch in batches]).astype("f8")
        rows = slice(2, None)
        bias, std = np.nanmean(d[:, rows], axis=(0, 2)), np.nanstd(d[:, rows], axis=(0, 2))
        np.testing.assert_allclose(errors[name].bias[rows], bias, rtol=1e-5)
        np.testing.assert_allclose(errors[name].std[rows], std, rtol=1e-5)
    rain = np.concatenate([batch.departures["precipitation"] for batch in batches]).astype("f8")
    np.testing.assert_allclose(errors["precipitation"].bias[:2], np.nanmean(rain), rtol=1e-5)
    np.testing.assert_allclose(errors["precipitation"].std[:2], np.nanstd(rain), rtol=1e-5)


def test_without_modalities_or_equivalents_there_are_none(batches):
    for unknown in training(3), [replace(one, background_modalities={}) for one in batches]:
        sums = DepartureSums()
        assert len(list(sums.watch(unknown))) > 0
        assert sums.errors() == {}


def test_observations_lose_the_mean_departure(batches):
    errors = {
        name: ModalityErrors(np.arange(9.0), np.arange(1.0, 10.0)) for name in (*NAMES, "cloud")
    }
    (y,) = mean_observations(batches[0], 2, ("olr", "cloud"), errors)
    wanted = batches[0].modalities["olr"][0] - np.arange(9.0)[:, None]
    assert y.step == 2 and np.isnan(y.values[1]).all()
    np.testing.assert_allclose(y.values[0], wanted)
    np.testing.assert_array_equal(y.std[1, :, 0], np.arange(1.0, 10.0))
    assert mean_observations(batches[0], 2, ("cloud",), errors) == []
