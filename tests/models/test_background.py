"""The background as a method, and finding methods by name."""

import json

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models.background import Background
from dambench_hub.models.registry import METHODS, load_method, method_class


def test_analysis_is_the_background():
    x = np.random.default_rng(0).normal(size=(2, 1, 5, 8)).astype(np.float32)
    batch = Batch(
        channels=("t850",),
        grid=Grid(5, 8),
        time=np.array(["2024-01-01", "2024-01-02"], "datetime64[h]"),
        background=x,
        observation_index=np.array([[1, 9], [3, 4]], np.int32),
        observation_values=np.zeros((2, 1, 2), np.float32),
        observation_error_std=np.ones(1),
    )
    analysis = Background().assimilate(batch)
    np.testing.assert_array_equal(analysis.mean, x)
    np.testing.assert_array_equal(analysis.time, batch.time)


def test_no_training_data_is_read():
    def never():
        raise AssertionError("read")
        yield

    assert isinstance(load_method("background", never()), Background)


@pytest.mark.parametrize("name", METHODS)
def test_methods_know_their_names(name):
    assert method_class(name).name == name


def test_unknown_method():
    with pytest.raises(TaskError, match="Did you mean 'background'?"):
        load_method("backgroud")


def test_folder_with_a_wrong_config(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"width": 3}))
    with pytest.raises(DataError, match="method"):
        load_method(tmp_path)
