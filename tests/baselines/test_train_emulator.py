"""baselines/train_emulator.py: its options, and what it says when there is nothing to learn."""

import importlib.util
from pathlib import Path

import pytest

from dambench_hub.training.emulator_training import EmulatorConfig

SCRIPT = Path(__file__).parents[2] / "baselines" / "train_emulator.py"
SPEC = importlib.util.spec_from_file_location("train_emulator", SCRIPT)
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)


def test_options_become_a_configuration(monkeypatch, tiny_folder, tmp_path):
    seen = {}
    monkeypatch.setattr(
        script,
        "train_emulator",
        lambda config, data, out, device, command: seen.update(config=config, out=out),
    )
    options = ["--epochs", "3", "--learning-rate", "0.01", "--width", "8", "--seed", "4"]
    assert script.main(["--data", str(tiny_folder), "--out", str(tmp_path), *options]) == 0
    assert seen["config"] == EmulatorConfig(epochs=3, learning_rate=0.01, width=8, seed=4)
    assert seen["out"] == tmp_path


@pytest.mark.parametrize(
    "data, words", [("", "wanted are 16 and 4"), ("nowhere", "nowhere")], ids=["few", "none"]
)
def test_a_data_set_that_does_not_do_is_told(data, words, tiny_folder, tmp_path, capsys):
    folder = tmp_path / data if data else tiny_folder
    assert script.main(["--data", str(folder), "--out", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
