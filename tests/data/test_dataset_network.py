"""A data set whose stored observations are of several instruments, from the shard to the score."""

import numpy as np
import pytest

from dambench_hub.data.batch import Analysis
from dambench_hub.data.dataset import load_data
from dambench_hub.data.loader import Loader
from dambench_hub.observations import ObservationSettings
from dambench_hub.plots.comparison import compare
from dambench_hub.predictions.writer import write_predictions
from dambench_hub.scoring.evaluation import score
from dambench_hub.tasks.task import load_task
from dambench_hub.testing import write_tiny_dataset


@pytest.fixture(scope="module", params=["parquet", "arrow", "hdf5"])
def data(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network") / request.param
    observations = ObservationSettings("network", density=0.2)
    write_tiny_dataset(folder, format=request.param, observations=observations)
    return load_data(folder)


def test_stations_see_the_surface_alone(data):
    batch = next(data.batches("unimodal", batch_size=5))
    seen = batch.observed.sum(axis=(2, 3))
    np.testing.assert_array_equal(seen, np.tile([29, 29, 7, 7, 7], (5, 1)))  # t2m, msl, levels
    std = data.statistics.background_error_std * [0.5, 0.5, 0.25, 0.25, 0.25]
    np.testing.assert_array_equal(batch.observation_error_std, std)
    np.testing.assert_array_equal(data.manifest.observation_error_std, std)


def test_the_card_says_what_instruments_see(data):
    card = (data.folder / "README.md").read_text()
    assert "with 2 times that error; at 25 % of the points radiosondes see the others" in card


def test_what_is_stored_is_what_would_be_drawn(data):
    stored = next(data.batches("unimodal", batch_size=5))
    loader = Loader(
        data.manifest, data.statistics, data._examples, None, load_task("unimodal"), "test"
    )
    loader.stored = False
    drawn = loader.load(range(5), loader.empty(5))
    for name in ("observation_index", "observation_values"):
        np.testing.assert_array_equal(getattr(drawn, name), getattr(stored, name))


def test_predictions_are_written_scored_and_drawn(data, tmp_path):
    analyses = (Analysis(batch.background) for batch in data.batches("unimodal"))
    path = tmp_path / "background.nc"
    write_predictions(path, analyses, task="unimodal", data=data, model_name="background")
    result = score(path, data)
    assert result.scores["skill"] == 0
    errors = result.scores["rmse_by_distance"]
    assert errors["at"]["t2m"] > 0 and errors["at"]["z500"] > 0
    for channel, points in (("t2m", 29), ("z500", 7)):
        assert len(compare(path, data, None, channel).observed) == points
