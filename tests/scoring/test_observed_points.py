"""Observed points are those of the batches, stored or drawn."""

import numpy as np
import pytest

from dambench_hub.scoring.observed_points import observed_points
from dambench_hub.tasks.task import load_task


@pytest.mark.parametrize("name", ["unimodal", "density-20", "network", "coarse", "stations"])
def test_observed_points_are_those_of_the_batches(tiny_data, name):
    task = load_task(name)
    for index, batch in enumerate(tiny_data.batches(task)):
        reference = tiny_data.reference("test", index)
        found = observed_points(tiny_data, task, index, reference)
        assert found.any() and not found.all()
        np.testing.assert_array_equal(found, batch.observed[0])
