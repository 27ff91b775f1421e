"""The simulation of segments, with toys in the place of models and ensemble."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file

from dambench_hub.building.osse import simulation, twin_run
from dambench_hub.building.osse.segments import places
from dambench_hub.building.osse.simulation import segment_path, simulate_segment
from dambench_hub.building.osse.world import World


class ToyState(NamedTuple):
    dynamics: np.ndarray
    day: np.ndarray


class ToyCirculation:
    """Knows only what day it is: its daily means are the days on which the day began and ended."""

    model = SimpleNamespace(terrain=SimpleNamespace(fmask=np.ones((2, 1))))

    def start(self, day, rng):
        return self.at(day, np.zeros(1))

    def at(self, day, dynamics):
        return ToyState(dynamics, np.int64(day.astype(int)))

    def advance(self, state):
        window = np.array([state.day, state.day + 1])
        later = ToyState(state.dynamics + 1, state.day + 1)
        return later, {"precipitation": window, "olr": window}

    def to_fields(self, state):
        return {"day": state.day, "age": state.dynamics}

    def geography(self):
        return {}


class ToyEnsemble:
    """Its analysis is exact: what was observed."""

    soundings = SimpleNamespace(
        observe=lambda fields, rng: fields, see=lambda fields: np.asarray(fields)
    )

    def analyse(self, members, seen, observations):
        return np.broadcast_to(observations, members.shape)


class ToyModels:
    nature = forecast = ToyCirculation()
    model = SimpleNamespace(
        vector=SimpleNamespace(size=1), pack=np.asarray, unpack=lambda state: state
    )
    view = nature_view = SimpleNamespace(channels=lambda fields: fields["age"])
    ensemble = ToyEnsemble()
    first = nature.start(np.datetime64("2000-01-01"), None)


@pytest.fixture
def simulated(tmp_path, monkeypatch):
    """All segments of a world, by split."""
    pytest.importorskip("jax")
    monkeypatch.setattr(simulation, "twin_models", lambda world: ToyModels())
    monkeypatch.setattr(twin_run, "truncated", lambda dynamics, source, target: dynamics)
    world, segments = World("tiny", 0), {}
    for split in world.preset.splits:
        for number in range(len(world.segments(split))):
            simulate_segment(world, tmp_path, split, number)
            content = load_file(segment_path(tmp_path, split, number))
            segments.setdefault(split, []).append(content)
    return world, segments


def test_nothing_after_the_valid_time_is_used(simulated):
    """Daily products cover the 24 hours that end at the valid time, in every segment."""
    world, segments = simulated
    for split, days in world.preset.splits.items():
        valid = days.times.astype(int)
        for owner in ("reference", "background"):
            kept = [content for content in segments[split] if f"{owner}/day" in content]
            together = {
                name: np.concatenate([content[f"{owner}/{name}"] for content in kept])
                for name in ("day", "precipitation", "olr")
            }
            np.testing.assert_array_equal(together["day"], valid)
            for name in ("precipitation", "olr"):
                np.testing.assert_array_equal(together[name], np.stack([valid - 1, valid], axis=1))
        number, position = list(places(world, split, days.times))[-1]
        assert segments[split][number]["reference/day"][position] == valid[-1]


def test_members_are_kept_where_they_are_scored(simulated):
    world, segments = simulated
    for split, days in world.preset.splits.items():
        members = [c["members/day"] for c in segments[split] if "members/day" in c]
        if split == "train":
            assert not members
        else:
            shape = (len(days.times), world.preset.members)
            assert np.concatenate(members).shape == shape


def test_a_background_is_the_forecast_of_the_analysis_of_the_day_before(simulated):
    """The toy's age counts the days since the start, and its ensemble analyses exactly."""
    _, segments = simulated
    for content in (c for parts in segments.values() for c in parts if "reference/age" in c):
        np.testing.assert_array_equal(content["background/age"], content["reference/age"])


def test_the_ensemble_begins_as_the_days_before(simulated):
    """The toy's age then says which days."""
    world, segments = simulated
    before = world.preset.spinup_days
    assert before > 12, "or the first segment reaches into the cycles"
    members = segments["train"][0]["ensemble"][:, 0]
    days = len(world.segments("train")[0])
    np.testing.assert_array_equal(members, np.arange(days - world.preset.members, days))
