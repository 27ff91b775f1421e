"""Emulators learn, their trainings go on where they stopped, and what cannot be learned is told."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Source
from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.dataset import load_data
from dambench_hub.errors import TaskError, TrainingError
from dambench_hub.models.emulator import Emulator
from dambench_hub.observations import ObservationSettings
from dambench_hub.testing import smooth_field, tiny_plan
from dambench_hub.training import emulator_training
from dambench_hub.training.emulator_training import EmulatorConfig, train_emulator

CHANNELS, GRID = ("t2m", "msl", "z500", "u500"), Grid(9, 16)
CONFIG = EmulatorConfig(epochs=12, width=16, blocks=1, learning_rate=1e-2)


class Advection:
    """Fields turn eastward by one column a day, and a little that is new comes to them."""

    def __init__(self):
        rng = np.random.default_rng(0)
        scale = np.array([10.0, 800.0, 2000.0, 8.0])[:, None, None]
        state, self.fields = np.stack([smooth_field(GRID, 0.5, rng) for _ in CHANNELS]), []
        for _ in range(80):
            new = np.stack([smooth_field(GRID, 0.5, rng) for _ in CHANNELS])
            state = 0.99 * np.roll(state, 1, -1) + 0.1 * new
            self.fields.append((scale * state).astype("f4"))

    def read(self, split, index):
        field = self.fields[index + {"train": 0, "validation": 60, "test": 70}[split]]
        return {"reference": field, "background": 1.1 * field}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, advection = tmp_path_factory.mktemp("advection") / "data", Advection()
    days = {"train": ("2022-01-01", 60, 1), "validation": ("2023-01-01", 10, 12)}
    days["test"] = "2024-01-01", 10, 1
    times = {
        split: np.datetime64(begin, "h") + 24 * every * np.arange(count)
        for split, (begin, count, every) in days.items()
    }
    plan = tiny_plan(
        name="advection",
        channels=CHANNELS,
        times=times,
        modalities=(),
        observations=ObservationSettings(density=0.1),
    )
    build_dataset(folder, plan, lambda work: Source(advection.read))
    return load_data(folder)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "emulator"
    return out, train_emulator(CONFIG, data, out, "cpu", "train it")


def errors(emulator, data, leads):
    """Root mean square error of forecasts and of persistence, in units of the channels' std."""
    states = np.stack([data.reference("test", n) for n in range(10)]).astype("f8")
    found = [
        emulator.advance(state, 24 * leads, time)
        for state, time in zip(states[:-leads], data.times("test"), strict=False)
    ]
    scale = data.statistics.std[:, None, None]
    return tuple(
        np.sqrt(np.mean(((forecast - states[leads:]) / scale) ** 2))
        for forecast in (np.stack(found), states[:-leads])
    )


def test_advection_is_learned_for_several_steps(trained, data):
    out, progress = trained
    emulator = Emulator.from_pretrained(out)
    assert emulator.step_hours == 24 and emulator.channels == data.channels
    for leads in (1, 3):
        forecast, persistence = errors(emulator, data, leads)
        assert forecast < 0.5 * persistence
    assert progress.best_error < 0.2 and progress.epoch == CONFIG.epochs


def test_what_is_kept_tells_how_it_went(trained):
    out, progress = trained
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, CONFIG.epochs + 1))
    assert min(line["held_out_error"] for line in lines) == progress.best_error
    assert "command: train it" in (out / "config.yaml").read_text()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-12"]


def weights(out, name="last"):
    return load_file(out / name / "model.safetensors")


def test_a_training_that_was_stopped_ends_with_the_same_bits(trained, data, tmp_path, monkeypatch):
    epoch = emulator_training.EmulatorTraining._epoch

    def stopped(self, number):
        if number == 3:
            raise KeyboardInterrupt
        return epoch(self, number)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(emulator_training.EmulatorTraining, "_epoch", stopped)
        train_emulator(CONFIG, data, tmp_path, "cpu")
    torch.manual_seed(123)
    progress = train_emulator(CONFIG, data, tmp_path, "cpu")
    whole = weights(trained[0])
    assert all(torch.equal(values, whole[name]) for name, values in weights(tmp_path).items())
    assert progress.best_epoch == trained[1].best_epoch
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == CONFIG.epochs


def test_a_finished_training_is_left_as_it_is_and_another_refused(trained, data, tmp_path):
    out = shutil.copytree(trained[0], tmp_path / "copy")
    before = (out / "best" / "model.safetensors").stat().st_mtime_ns
    assert train_emulator(CONFIG, data, out, "cpu").epoch == CONFIG.epochs
    assert (out / "best" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(TrainingError, match="seed was 0 and is 1"):
        train_emulator(EmulatorConfig(**{**vars(CONFIG), "seed": 1}), data, out, "cpu")


def test_the_seed_makes_another_emulator(data, tmp_path, trained):
    config = EmulatorConfig(**{**vars(CONFIG), "seed": 1, "epochs": 1})
    train_emulator(config, data, tmp_path, "cpu")
    first = "network.first.weight"
    assert not torch.equal(weights(tmp_path)[first], weights(trained[0])[first])


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"epochs": 0, "learning_rate": -1.0}, "epochs is a whole number.*learning_rate is"),
        ({"batch_size": 1000}, "pairs to learn from and batch_size is 1000"),
        ({"learning_rate": 1e30}, "error of epoch 1 is not finite"),
    ],
)
def test_what_cannot_be_trained_says_why(data, tmp_path, changes, words):
    with pytest.raises(TrainingError, match=words):
        train_emulator(EmulatorConfig(**{**vars(CONFIG), **changes}), data, tmp_path, "cpu")
    assert not (tmp_path / "best").exists()


def test_a_state_of_another_version_is_refused(trained, data, tmp_path, monkeypatch):
    out = shutil.copytree(trained[0], tmp_path / "copy")
    monkeypatch.setattr(emulator_training, "weight_problems", lambda found, wanted: ["x is odd."])
    with pytest.raises(TrainingError, match="another version of the emulator"):
        train_emulator(CONFIG, data, out, "cpu")


def test_what_does_not_do_is_refused_before_anything_is_written(data, tiny_data, tmp_path):
    with pytest.raises(TrainingError, match="wanted are 16 and 4"):
        train_emulator(CONFIG, tiny_data, tmp_path / "out", "cpu")
    assert not (tmp_path / "out").exists()
    with pytest.raises(TaskError, match="no device cuda:99"):
        train_emulator(CONFIG, data, tmp_path / "out", "cuda:99")
    assert not (tmp_path / "out").exists()
