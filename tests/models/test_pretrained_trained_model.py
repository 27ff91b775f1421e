"""Where a trained model lies, what it is called, and how it was trained."""

import pytest

from dambench_hub.errors import DataError
from dambench_hub.models.pretrained import (
    model_name,
    trained_folder,
    training_file,
    training_record,
)


@pytest.fixture
def training(tmp_path):
    """The folder of a training with its two checkpoints."""
    folder = tmp_path / "my_fnp"
    for name in "best", "last":
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text('{"method": "fnp"}')
    (folder / "config.yaml").write_text("method: fnp\nepochs: 3\n")
    return folder


def test_the_best_model_of_a_training(training):
    assert trained_folder(training) == training / "best"
    assert trained_folder(training / "last") == training / "last"
    (training / "best" / "config.json").unlink()
    assert trained_folder(training) == training / "last"
    (training / "last" / "config.json").unlink()
    with pytest.raises(DataError, match="no trained model yet"):
        trained_folder(training)
    (training / "config.yaml").unlink()
    with pytest.raises(DataError, match="is no trained model"):
        trained_folder(training)


def test_a_model_is_called_like_its_training(training, monkeypatch):
    assert model_name(training / "best") == model_name(training / "last") == "my_fnp"
    assert model_name(training) == "my_fnp"
    monkeypatch.chdir(training / "best")
    assert model_name(trained_folder(training / "best" / ".")) == "my_fnp"


def test_the_record_inside_goes_first(training):
    model = training / "best"
    assert training_record(model) == {"method": "fnp", "epochs": 3}
    (model / "training.yaml").write_text("method: fnp\nepochs: 9\n")
    assert training_record(model)["epochs"] == 9
    (model / "training.yaml").unlink()
    for other in "method: sda\n", "- fnp\n", "":
        (training / "config.yaml").write_text(other)
        assert training_file(model) is None and training_record(model) == {}
    (training / "config.yaml").write_text("method: [")
    with pytest.raises(DataError, match=r"config.yaml cannot be read"):
        training_record(model)
