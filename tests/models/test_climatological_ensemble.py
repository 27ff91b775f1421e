"""Which errors are kept and drawn, and what a drawn ensemble looks like."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import DataError, TaskError
from dambench_hub.models import climatological_ensemble
from dambench_hub.models.climatological_ensemble import ClimatologicalEnsemble

GRID = Grid(3, 8)
DAY = 24
BACKGROUND = np.full((2, *GRID.shape), 5.0, np.float32)


@pytest.fixture
def climatology():
    """One error for every fifth day of a year, whose values say the day; bias 1 and 2."""
    days = np.arange(0, 365, 5)
    errors = np.ones((len(days), 2, *GRID.shape), np.float32) * days[:, None, None, None]
    bias = np.ones((2, *GRID.shape)) * np.array([1.0, 2.0])[:, None, None]
    return ClimatologicalEnsemble(("z500", "t850"), GRID, errors, DAY * days, bias)


def drawn_days(ensemble, scale):
    """The days that members are of, relative to the first one's."""
    return (ensemble[:, 0, 0, 0] - ensemble[0, 0, 0, 0]).astype(float) / scale


def test_members_are_errors_about_the_background_without_its_bias(climatology):
    ensemble = climatology.draw(BACKGROUND, 100 * DAY, 10, 0.5, 0)
    assert ensemble.dtype == np.float32
    np.testing.assert_allclose(ensemble.mean(axis=0)[:, 0, 0], [4, 3], rtol=1e-5)
    steps = drawn_days(ensemble, 0.5) / 5
    assert len(np.unique(steps)) == 10  # without replacement
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)


@pytest.mark.parametrize("day", [2, 100, 363])
def test_members_are_of_the_season_which_goes_on_over_new_year(climatology, day):
    ensemble = climatology.draw(BACKGROUND, (day + 3 * 365) * DAY, 18, 1.0, 0)
    days = np.round(drawn_days(ensemble, 1.0)).astype(int)
    within = [d for d in range(0, 365, 5) if min((d - day) % 365, (day - d) % 365) <= 46]
    possible = {tuple(sorted(set(days + base))) for base in within}
    assert any(set(one) <= set(within) for one in possible)


def test_of_all_seasons_where_one_has_too_few(climatology):
    ensemble = climatology.draw(BACKGROUND, 100 * DAY, 73, 1.0, 0)
    days = drawn_days(ensemble, 1.0)
    np.testing.assert_allclose(np.sort(days - days.min()), np.arange(0, 365, 5), atol=1e-3)


def test_more_members_than_errors_are_turned_about_the_axis(rng):
    errors = rng.normal(size=(3, 2, *GRID.shape)).astype(np.float32)
    few = ClimatologicalEnsemble(
        ("z500", "t850"), GRID, errors, DAY * np.arange(3), np.zeros((2, *GRID.shape))
    )
    ensemble = few.draw(0 * BACKGROUND, 0, 8, 1.0, 0)
    np.testing.assert_allclose(ensemble.mean(axis=0), 0, atol=1e-6)
    assert len(np.unique(ensemble[:, 0, 1, 0])) == 8
    turned = np.concatenate([np.roll(errors, turn, axis=-1) for turn in range(8)])
    missing = [  # if the first member is this error: how far others are from all turned ones
        [np.abs(x - ensemble[0] + first - turned).max(axis=(1, 2, 3)).min() for x in ensemble]
        for first in errors
    ]
    assert np.max(missing, axis=1).min() < 1e-5


def test_draws_are_keyed_by_seed_and_time(climatology):
    one = climatology.draw(BACKGROUND, 100 * DAY, 5, 1.0, 0)
    np.testing.assert_array_equal(climatology.draw(BACKGROUND, 100 * DAY, 5, 1.0, 0), one)
    for hours, seed in ((100 * DAY, 1), (101 * DAY, 0)):
        assert np.any(climatology.draw(BACKGROUND, hours, 5, 1.0, seed) != one)


def test_what_is_kept_is_bounded_and_does_not_depend_on_the_order(small_world, monkeypatch):
    monkeypatch.setattr(climatological_ensemble, "KEPT", 5)
    batches = [small_world.batch(size=2, first=first) for first in range(0, 12, 2)]
    one = ClimatologicalEnsemble.fit(batches)
    other = ClimatologicalEnsemble.fit(
        [small_world.batch(size=3, first=first) for first in (6, 0, 9, 3)]
    )
    assert len(one.errors) == 5 and one.errors.dtype == np.float32
    np.testing.assert_array_equal(one.hours, other.hours)
    np.testing.assert_allclose(one.errors, other.errors, rtol=1e-4, atol=1e-3)


def test_errors_are_those_of_their_times(small_world):
    batch = small_world.batch(size=6)
    fitted = ClimatologicalEnsemble.fit([batch])
    np.testing.assert_array_equal(fitted.hours, hours_since_epoch(batch.time))
    wanted = batch.background.astype("f8") - batch.reference - fitted.bias
    np.testing.assert_allclose(fitted.errors, wanted, atol=1e-2)
    std = np.sqrt((wanted**2).mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(fitted.std, std, rtol=1e-3)


def test_nothing_to_fit(small_world):
    with pytest.raises(TaskError, match="needs training samples, got none"):
        ClimatologicalEnsemble.fit([])
    with pytest.raises(TaskError, match="reference"):
        ClimatologicalEnsemble.fit([small_world.batch().without_reference()])


def test_shapes_that_do_not_belong_together(climatology):
    with pytest.raises(DataError, match="Errors of 3 times need shape"):
        ClimatologicalEnsemble(
            climatology.channels, GRID, climatology.errors, np.arange(3), climatology.bias
        )
