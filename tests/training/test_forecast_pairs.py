"""Which references are a step apart, and which of them nothing is learned from."""

from types import SimpleNamespace

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import TrainingError
from dambench_hub.training.forecast_pairs import (
    ForecastPairs,
    commonest_spacing,
    find_pairs,
    forecast_statistics,
    pair_starts,
)

BEGIN = np.datetime64("2022-01-01", "h")


def hours(*values):
    return BEGIN + np.array(values)


def data_of(train, validation=()):
    times = {"train": BEGIN + np.asarray(train), "validation": BEGIN + np.asarray(validation, int)}
    return SimpleNamespace(times=times.__getitem__, manifest=SimpleNamespace(name="toy"))


def test_the_step_is_the_commonest_spacing():
    assert commonest_spacing(hours(0, 24, 48, 96, 120)) == 24
    assert commonest_spacing(hours(0, 48, 96, 120)) == 48
    assert commonest_spacing(hours(0, 6, 18)) == 6
    with pytest.raises(TrainingError, match="there are 1 training times"):
        commonest_spacing(hours(0))


def test_pairs_are_times_that_follow_one_another_a_step_apart():
    times = hours(0, 24, 48, 96, 120, 132, 156)
    assert pair_starts(times, 24).tolist() == [0, 1, 3, 5]
    assert pair_starts(times, 24, leads=2).tolist() == [0]
    assert pair_starts(times, 24, leads=9).tolist() == []


def test_what_validation_has_is_held_out():
    pairs = find_pairs(data_of(6 * np.arange(40), 6 * np.arange(8)))
    assert (pairs.step_hours, pairs.held_out_split) == (6, "validation")
    assert pairs.learned.tolist() == list(range(39))
    assert pairs.held_out.tolist() == list(range(7))


def test_else_the_last_part_of_the_training_split_is_held_out_after_a_gap():
    times = 48 * np.arange(180)
    pairs = find_pairs(data_of(times, 288 * np.arange(30)))
    assert (pairs.step_hours, pairs.held_out_split) == (48, "train")
    end, begin = times[pairs.learned[-1] + 1], times[pairs.held_out[0]]
    assert end <= 0.8 * times[-1] < end + 48
    assert begin - end >= 240
    assert pairs.held_out[-1] == 178 and len(pairs.learned) == 143 and len(pairs.held_out) == 30


def test_short_splits_have_short_gaps():
    times = 24 * np.arange(60)
    pairs = find_pairs(data_of(times))
    assert times[pairs.held_out[0]] - times[pairs.learned[-1] + 1] >= 0.1 * times[-1]
    assert len(pairs.held_out) >= 4


@pytest.mark.parametrize(
    "times", [24 * np.arange(12), np.arange(40) * (np.arange(40) + 1) * 3], ids=["few", "irregular"]
)
def test_too_few_pairs_are_refused(times):
    with pytest.raises(TrainingError, match=r"toy has \d+ pairs .* wanted are 16 and 4"):
        find_pairs(data_of(times))


def test_statistics_are_of_what_is_learned_from(rng):
    fields = rng.normal(3, 2, (10, 2, 5, 8))
    data = SimpleNamespace(
        channels=("z500", "t850"), grid=Grid(5, 8), reference=lambda split, n: fields[n]
    )
    learned = np.array([0, 1, 4])
    found = forecast_statistics(data, ForecastPairs(24, learned, learned, "train"))
    begin, change = fields[learned], fields[learned + 1] - fields[learned]
    np.testing.assert_allclose(found.mean, begin.mean((0, 2, 3)))
    np.testing.assert_allclose(found.std, begin.std((0, 2, 3)))
    np.testing.assert_allclose(found.change_std, change.std((0, 2, 3)))
    np.testing.assert_allclose(found.mean_state, begin.mean(0))
