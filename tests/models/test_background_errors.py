"""Every sample gives its error once, and what is no training split is refused."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.errors import TaskError
from dambench_hub.models.background_errors import background_errors


def test_every_sample_gives_its_error_and_time(small_world):
    batches = [small_world.batch(2, 0), small_world.batch(1, 2)]
    found = list(background_errors(batches, "It"))
    assert [hours for *_, hours, _ in found] == [271_752, 271_776, 271_800]  # from 2001-01-01
    whole = small_world.batch(3)
    errors = whole.background.astype(np.float64) - whole.reference
    np.testing.assert_array_equal(np.stack([error for _, error, *_ in found]), errors)
    assert [batch for batch, *_ in found] == [batches[0], batches[0], batches[1]]


def test_no_samples_or_no_reference_is_refused(small_world):
    with pytest.raises(TaskError, match="It needs training samples, got none"):
        list(background_errors([], "It"))
    with pytest.raises(TaskError, match="needs the reference"):
        list(background_errors([small_world.batch(1).without_reference()], "It"))


def test_departures_are_those_of_the_sample(small_world):
    batch = small_world.batch(2)
    equivalents = {name: field - 1 for name, field in batch.modalities.items()}
    batch = replace(batch, background_modalities=equivalents)
    seen = np.stack([departures for *_, departures in background_errors([batch], "It")])
    np.testing.assert_array_equal(seen, np.stack([*batch.departures.values()], axis=1))
    assert np.nanmin(seen) > 0.9
