"""Tables of cycles, as people see them."""

import io

import numpy as np
import pytest
from rich.console import Console

from dambench_hub.cycling.record import CycleRecord
from dambench_hub.cycling.table import channel_table, comparison_table
from dambench_hub.cycling.verification import Verification


def shown(table):
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    return console.file.getvalue()


@pytest.fixture
def make():
    def make(method, error, done=6, leads=10):
        times = np.datetime64("2024-01-01", "h") + 24 * np.arange(8)
        record = CycleRecord(
            method, times, ("z500", "t850"), 24 * np.arange(1, leads + 1), np.array([1000.0, 4.0])
        )
        for _ in range(done):
            background = Verification(error * record.saturation, 0.5 * error * record.saturation)
            record.add(background, Verification(0.5 * background.error, 0.1 * background.spread))
        record.arrays["forecast_error"][2, :3] = 2 * error * record.saturation
        return record

    return make


def test_channels_have_their_units_and_forecasts_their_days(make):
    text = shown(channel_table(make("letkf", 0.2), 2))
    assert "letkf, root mean square error over cycles 3 to 6 of 8" in text
    row = next(line for line in text.splitlines() if "z500" in line)
    assert " ".join(row.split()) == "z500 m² s⁻² 200 100 100 10 400 400 – – 1000"


def test_methods_are_ranked_by_their_backgrounds_and_failures_are_said(make):
    lost, diverged = make("free", 1.2), make("wild", 0.6, done=4)
    diverged.diverged = "the forecast is not finite in cycle 5, 2024-01-05T00"
    lines = shown(comparison_table([lost, diverged, make("letkf", 0.2)], 1)).splitlines()
    rows = [
        line.split()[0] for line in lines if line.split()[:1] in (["letkf"], ["wild"], ["free"])
    ]
    assert rows == ["letkf", "wild", "free"]
    text = "\n".join(lines)
    assert "diverged, the forecast is not finite in cycle 5" in text
    assert "lost from cycle 1 on, 2024-01-01" in text and "well" in text
