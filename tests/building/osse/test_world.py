"""Presets, seeds and the error of the analyses that forecasts start from."""

import numpy as np

from dambench_hub.building.osse.world import (
    NATURE,
    PAST_DAYS,
    PRESETS,
    World,
    analysis_error,
)


def test_seeds_make_other_worlds():
    noise = [World("tiny", seed).rng(NATURE, 5).random(3) for seed in (0, 0, 1)]
    assert np.array_equal(noise[0], noise[1])
    assert not np.array_equal(noise[0], noise[2])


def test_presets_are_as_large_as_promised():
    at_least = {"tiny": (8, 4, 4), "mini": (180, 30, 60), "t31": (360, 60, 120)}
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


def test_analysis_error_depends_on_the_day_only():
    world, day = World("tiny", 0), np.datetime64("2022-01-10")
    past = [np.float64(x) for x in np.arange(PAST_DAYS) ** 2]
    errors = [analysis_error(world, day + n, past) for n in (0, 1, 2, 3, 0)]
    assert errors[0] == errors[-1]
    assert len(set(errors)) > 1
    assert np.all(np.abs(errors) > 0)
