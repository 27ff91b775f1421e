"""The simulation of segments, with a toy in the place of the model."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file

from dambench_hub.building.osse import simulation
from dambench_hub.building.osse.archive import places
from dambench_hub.building.osse.simulation import first_state, segment_path, simulate_segment
from dambench_hub.building.osse.world import World


class ToyState(NamedTuple):
    dynamics: np.ndarray
    day: np.ndarray


class ToyCirculation:
    """Knows only what day it is: its daily means are the days on which the day began and ended."""

    model = SimpleNamespace(terrain=SimpleNamespace(fmask=np.ones((2, 1))))

    def start(self, day, rng):
        return self.at(day, np.float64(0))

    def at(self, day, dynamics):
        return ToyState(dynamics, np.int64(day.astype(int)))

    def advance(self, state):
        window = np.array([state.day, state.day + 1])
        later = ToyState(state.dynamics + 1, state.day + 1)
        return later, {"precipitation": window, "olr": window}

    def to_fields(self, state):
        return {"day": state.day, "dynamics": state.dynamics}

    def geography(self):
        return {}


def test_nothing_after_the_valid_time_is_used(tmp_path, monkeypatch):
    """Daily products cover the 24 hours that end at the valid time, in every segment."""
    pytest.importorskip("jax")
    monkeypatch.setattr(
        simulation, "circulations", lambda preset: (ToyCirculation(), ToyCirculation())
    )
    monkeypatch.setattr(simulation, "truncated", lambda dynamics, source, target: dynamics)
    first_state.cache_clear()
    world = World("tiny", 0)
    for split, days in world.preset.splits.items():
        segments = []
        for number in range(len(world.segments(split))):
            simulate_segment(world, tmp_path, split, number)
            segments.append(load_file(segment_path(tmp_path, split, number)))
        segments = [content for content in segments if "precipitation" in content]
        together = {
            name: np.concatenate([content[name] for content in segments])
            for name in ("precipitation", "olr", "reference/day", "background/day")
        }
        valid = days.times.astype(int)
        for name in ("reference/day", "background/day"):
            np.testing.assert_array_equal(together[name], valid)
        for name in ("precipitation", "olr"):
            np.testing.assert_array_equal(together[name], np.stack([valid - 1, valid], axis=1))
        number, position = list(places(world, split))[-1]
        last = load_file(segment_path(tmp_path, split, number))
        assert last["reference/day"][position] == valid[-1]
    first_state.cache_clear()
