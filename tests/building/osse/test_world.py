"""Presets, seeds and chains of days."""

import numpy as np
import pytest

from dambench_hub.building.osse.world import NATURE, PRESETS, World
from dambench_hub.errors import BuildError


def test_seeds_make_other_worlds():
    noise = [World("tiny", seed).rng(NATURE, 5).random(3) for seed in (0, 0, 1)]
    assert np.array_equal(noise[0], noise[1])
    assert not np.array_equal(noise[0], noise[2])


def test_presets_are_as_large_as_promised():
    at_least = {"tiny": (8, 4, 4), "mini": (180, 30, 120), "t31": (360, 60, 120)}
    allowed = {
        "train": set(range(2000, 2023)),
        "validation": {2023},
        "test": {2024},
    }
    for name, counts in at_least.items():
        splits = PRESETS[name].splits
        for (split, days), count in zip(splits.items(), counts, strict=True):
            years = set(days.times.astype("datetime64[Y]").astype(int) + 1970)
            assert len(days.times) >= count
            assert years <= allowed[split]
            if name != "tiny":
                assert np.ptp(days.times).astype(int) >= 340, "a whole year, with all its seasons"


def test_the_shipped_world_holds_the_days_of_all_that_is_made_from_it():
    shipped = World("canonical", 0).preset.splits
    for name in ("tiny", "mini", "cycle"):
        for split, days in PRESETS[name].splits.items():
            assert np.isin(days.times, shipped[split].times).all()
    days = PRESETS["cycle"].splits["test"].times
    assert np.all(np.diff(days).astype(int) == 1)


def test_the_ensemble_has_its_cycles_before_the_first_valid_time():
    for name in PRESETS:
        world = World(name, 0)
        for split, days in world.preset.splits.items():
            run = np.concatenate(world.segments(split))
            assert (np.diff(run).astype(int) == 1).all()
            before = (world.cycle_begins(split) - run[0]).astype(int)
            assert before == world.preset.spinup_days >= world.preset.members
            assert (days.times[0] - world.cycle_begins(split)).astype(int) + 1 == (
                world.preset.cycle_days
            )


def test_years_end():
    assert World("mini", 0, 22 * 180).preset.splits["train-2000"].count == 180
    for more in (22 * 180 + 1, -1):
        with pytest.raises(BuildError, match="up to 3960 more training days"):
            World("mini", 0, more)


@pytest.mark.parametrize("soundings", [0.0, 0.09, 4.1, -1.0, float("nan")])
def test_networks_that_hold_no_ensemble_are_refused(soundings):
    with pytest.raises(BuildError, match=r"from 0\.1 to 4 times as many soundings"):
        World("mini", 0, soundings=soundings)


@pytest.mark.parametrize(("name", "message"), [("cycling", "cycle now"), ("mni", "'mini'")])
def test_other_presets_are_refused(name, message):
    with pytest.raises(BuildError, match=message):
        World(name, 0)


@pytest.mark.parametrize("more", [1, 180, 181, 400])
def test_more_training_days_are_of_years_before(more):
    splits = World("mini", 0, more_days=more).preset.splits
    assert sum(days.count for days in splits.values()) == more
    assert list(splits) == [f"train-{2021 - n}" for n in range(len(splits))]
    for split, days in splits.items():
        years = days.times.astype("datetime64[Y]").astype(str)
        assert set(years) == {split.removeprefix("train-")}
