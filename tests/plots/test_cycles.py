"""The picture of cycles."""

import numpy as np
import pytest

from dambench_hub.cycling.record import CycleRecord
from dambench_hub.cycling.verification import Verification
from dambench_hub.plots import plot_cycles


@pytest.fixture
def records():
    """One of a single state, one of an ensemble, one that ended early."""
    times = np.datetime64("2024-01-01", "h") + 24 * np.arange(8)
    records = []
    for method, spread, done in (("var3d", 0.0, 8), ("letkf", 0.2, 8), ("wild", 0.0, 3)):
        record = CycleRecord(method, times, ("z500",), 24 * np.arange(1, 4), np.array([900.0]))
        for _ in range(done):
            found = Verification(0.3 * record.saturation, spread * record.saturation)
            record.add(found, found)
        record.arrays["forecast_error"][1] = 400.0
        records.append(record)
    return records


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_drawn(records, tmp_path, suffix):
    path = plot_cycles(records, tmp_path / f"cycles.{suffix}", discard=1)
    start = {"png": b"\x89PNG", "svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)


def test_every_cycle_has_its_name(records, tmp_path):
    text = plot_cycles(records * 4, tmp_path / "cycles.svg").read_text()
    for name in ("var3d", "letkf", "wild", "a random day", "lead time"):
        assert name in text
