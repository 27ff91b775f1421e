"""What networks see of the modalities."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dambench_hub.coordinates.variables import MODALITIES
from dambench_hub.errors import DataError
from dambench_hub.models.departures import SCALES, require_equivalents, scaled_departures


def test_every_modality_has_a_scale():
    assert SCALES.keys() == MODALITIES.keys()


@pytest.mark.parametrize("name", SCALES)
def test_a_departure_is_zero_for_what_was_foreseen_and_has_the_sign_of_an_innovation(name):
    values = torch.tensor([0.0, 1.0, 30.0, 250.0])
    assert not SCALES[name](values, values).any()
    assert (SCALES[name](values + 1, values) > 0).all()
    torch.testing.assert_close(
        SCALES[name](values, values + 1), -SCALES[name](values + 1, values), rtol=1e-4, atol=1e-4
    )


def test_rain_departs_by_its_logarithm():
    """10 % more of much rain are as much as 10 % more of yet more; nothing is below zero."""
    rain = torch.tensor([1e3, 1e4])
    departures = SCALES["precipitation"](1.1 * rain, rain)
    torch.testing.assert_close(departures, torch.full((2,), np.log(1.1) / 0.2), rtol=1e-3, atol=0)
    zero = torch.zeros(1)
    assert torch.equal(SCALES["precipitation"](-zero - 0.1, zero), zero)


def test_what_is_missing_on_either_side_is_nan(small_world):
    batch = small_world.batch(2).to_torch()
    batch.background_modalities["olr"][0, 3, 4] = torch.nan
    found = scaled_departures(batch)
    for name, departures in found.items():
        there = batch.modalities[name].isfinite() & batch.background_modalities[name].isfinite()
        assert torch.equal(departures.isfinite(), there)
    torch.testing.assert_close(7 * found["olr"], batch.departures["olr"], equal_nan=True)


def test_one_equivalent_is_enough_and_no_measurement_too(small_world):
    batch = small_world.batch(1)
    unknown = replace(batch, background_modalities={})
    with pytest.raises(DataError, match="no background equivalents of precipitation and olr"):
        require_equivalents(unknown)
    olr = {"precipitation": unknown.background_modalities["precipitation"]}
    require_equivalents(
        replace(batch, background_modalities={**batch.background_modalities, **olr})
    )
    nothing = {name: values * np.nan for name, values in batch.modalities.items()}
    require_equivalents(replace(unknown, modalities=nothing))
    require_equivalents(replace(batch, modalities={}))
