"""What version 0.1 wrote still opens, with the values it had.

`fixtures/version_0_1` was made by the code of that version: a tiny data set, a training of ConvCNP
with its models and a checkpoint, what the better model predicted, its scores, and a board.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from dambench_hub.building.conversion import convert_dataset
from dambench_hub.coordinates.variables import EQUIVALENTS
from dambench_hub.data.dataset import load_data
from dambench_hub.leaderboard.store.records import read_records, restore_records
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.models.registry import load_method
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.validation import validate
from dambench_hub.scoring.diagnostics import Diagnostics
from dambench_hub.scoring.evaluation import score
from dambench_hub.testing import write_tiny_dataset
from dambench_hub.training.config import make_config
from dambench_hub.training.loop import train

FOLDER = Path(__file__).parent / "fixtures" / "version_0_1"
SCORES = json.loads((FOLDER / "scores.json").read_text())
OF_THE_RUN = ("data_name", "data_revision", "world_size", "version", "command")
"""What `config.yaml` of a training says beside its settings."""


@pytest.fixture(scope="module")
def data():
    return load_data(FOLDER / "dataset")


@pytest.fixture
def copied(tmp_path):
    """A copy that may be written to."""
    return Path(shutil.copytree(FOLDER, tmp_path / "copy"))


def approximately(scores):
    """Nested dictionaries of numbers, to 1e-6 relative."""
    if isinstance(scores, dict):
        return {name: approximately(score) for name, score in scores.items()}
    return pytest.approx(scores, rel=1e-6)


def test_the_data_set_is_whole_and_is_built_alike(data, tmp_path):
    assert data.manifest.damage(data.folder, True) == []
    assert data.revision == SCORES["dataset_revision"]
    times = {split: data.times(split) for split in data.manifest.splits}
    write_tiny_dataset(tmp_path / "again", channels=data.channels, grid=data.grid, times=times)
    again = load_data(tmp_path / "again")
    for index in range(3):
        before, now = data.example("test", index), again.example("test", index)
        assert before.keys() == now.keys() and before.pop("time") == now.pop("time")
        for name in EQUIVALENTS:  # a column that came later
            assert np.isnan(before.pop(name)).all() and np.isfinite(now[name]).all()
        for name, value in before.items():
            np.testing.assert_allclose(now[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_data_set_written_again_keeps_its_values(data, tmp_path):
    convert_dataset(data.folder, tmp_path / "new", format="hdf5")
    new = load_data(tmp_path / "new")
    assert (data.manifest.format_version, new.manifest.format_version) == (1, 3)
    for split in data.manifest.splits:
        for index in range(data.size(split)):
            before, now = data.example(split, index), new.example(split, index)
            assert list(before) == list(now)
            assert all(now[name].tobytes() == values.tobytes() for name, values in before.items())


@pytest.mark.parametrize("name", ["prediction.nc", "prediction.safetensors"])
def test_predictions_have_their_scores(data, name):
    assert validate(FOLDER / name, data, "unimodal") == []
    result = score(FOLDER / name, data, "unimodal").to_dict()
    scores = {name: result["scores"][name] for name in SCORES["scores"]}
    assert scores == approximately(SCORES["scores"]), "those that it had keep their definitions"
    changed = "scores", "scorer_version"
    for key in SCORES.keys() - changed:
        assert result[key] == SCORES[key]


@pytest.mark.parametrize("folder", ["run", "run/best"])
def test_a_trained_model_predicts_the_same(data, folder):
    model = load_method(FOLDER / folder)
    with open_prediction(FOLDER / "prediction.nc") as prediction:
        expected = np.stack([prediction[index] for index in range(len(prediction))])
    (batch,) = data.batches("unimodal", batch_size=3)
    mean = np.asarray(model.assimilate(batch).mean)
    scale = data.statistics.background_error_std[:, None, None]
    assert (np.abs(mean - expected.reshape(mean.shape)) / scale).max() < 1e-3


def test_a_training_goes_on_from_its_checkpoint(data, copied):
    run = copied / "run"
    settings = yaml.safe_load((run / "config.yaml").read_text())
    config = make_config({k: value for k, value in settings.items() if k not in OF_THE_RUN})
    train(config, data, run, "train")
    before = load_file(FOLDER / "run" / "last" / "model.safetensors")
    for name, weights in load_file(run / "last" / "model.safetensors").items():
        np.testing.assert_allclose(weights, before[name], atol=1e-4, err_msg=name)


def test_a_store_keeps_its_ranking(copied):
    for store in (
        Store(f"sqlite:///{copied / 'store.sqlite'}"),
        restore_records(
            f"sqlite:///{copied / 'restored.sqlite'}", read_records(copied / "records")
        ),
    ):
        assert store.ranking("unimodal").hidden == 1, "results of another scorer version"
        (entry,) = store.ranking("unimodal", scorer_version="1").entries
        assert entry.name == "before the rooms" and entry.owner.id == "local:ada"
        assert entry.result.scores == approximately(SCORES["scores"])
        store.close()


def test_diagnostics_of_a_submission():
    (path,) = (FOLDER / "board" / "views").iterdir()
    diagnostics = Diagnostics.read(path)
    assert diagnostics.value_hash == SCORES["value_hash"]
    np.testing.assert_allclose(diagnostics.analysis.rmse, list(SCORES["scores"]["rmse"].values()))
