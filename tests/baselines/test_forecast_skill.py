"""baselines/forecast_skill.py: a table for each split, and what it refuses."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dambench_hub.models.emulator import Emulator
from dambench_hub.testing import write_tiny_dataset

SCRIPT = Path(__file__).parents[2] / "baselines" / "forecast_skill.py"
SPEC = importlib.util.spec_from_file_location("forecast_skill", SCRIPT)
script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(script)

CHANNELS = ("t2m", "msl", "z500", "q700", "t850")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An emulator that forecasts persistence."""
    folder = tmp_path_factory.mktemp("emulator")
    emulator = Emulator(channels=CHANNELS, grid="9x16", step_hours=24, width=4, blocks=1)
    emulator.set_statistics(np.zeros(5), np.ones(5), np.ones(5), np.zeros((5, 9, 16)))
    emulator.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "data"
    days = np.datetime64("2001-03-01", "h") + 24 * np.arange(30)
    times = {"train": days, "validation": days[:6] + 9000, "test": days[:5] + 18_000}
    write_tiny_dataset(folder, times=times)
    return str(folder)


@pytest.mark.parametrize("split, starts", [("test", 4), ("validation", 5), ("held_out", 5)])
def test_a_forecast_of_persistence_is_as_good_as_persistence(split, starts, folder, data, capsys):
    options = ["--data", data, "--split", split, "--leads", "2", "--channels", "z500", "t2m"]
    assert script.main([folder, *options]) == 0
    output = capsys.readouterr().out
    assert "forecast / persistence / mean" in output and "z500" in output
    lines = [line.split() for line in output.splitlines()]
    first, second = (line for line in lines if line and line[0] in ("24", "48"))
    assert first[:2] == ["24", str(starts)] and second[:2] == ["48", str(starts - 1)]
    assert first[2] == first[4] and first[2] != first[6]


def test_what_cannot_be_compared_says_why(folder, data, tiny_folder, capsys):
    assert script.main([folder, "--data", data, "--channels", "q500x"]) == 1
    assert "no channel 'q500x'" in capsys.readouterr().err
    assert script.main([folder, "--data", data, "--split", "tests"]) == 1
    assert "tests" in capsys.readouterr().err
    assert script.main([folder, "--data", str(tiny_folder), "--split", "held_out"]) == 1
    assert "to hold out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        script.main([folder, "--leads", "0"])
