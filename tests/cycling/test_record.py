"""What is known of a cycle: means over cycles, when it is lost, and its file."""

from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.cycling.record import CycleRecord, on_common_starts, saturation
from dambench_hub.cycling.verification import Verification
from dambench_hub.errors import DataError

TIMES = np.datetime64("2024-01-01", "h") + 24 * np.arange(6)


@pytest.fixture
def record():
    return CycleRecord("letkf", TIMES, ("z500", "t850"), np.array([24, 48]), np.array([100.0, 2.0]))


def add(record, *errors):
    for error in errors:
        found = Verification(error * record.saturation, 0.5 * error * record.saturation)
        record.add(found, found)


def test_errors_count_in_units_of_their_saturation(record):
    add(record, 0.3, 0.4)
    np.testing.assert_allclose(record.normalised("background_error")[:2], [0.3, 0.4])
    np.testing.assert_allclose(record.normalised("analysis_spread")[:2], [0.15, 0.2])
    assert np.isnan(record.normalised("background_error")[2:]).all()


def test_a_variable_does_not_count_more_for_its_levels():
    names, saturation = ("q500", "q700", "q850", "t850"), np.array([1e-3, 2e-3, 4e-3, 2.0])
    record = CycleRecord("letkf", TIMES, names, np.array([24]), saturation)
    found = Verification(np.array([0.9, 0.6, 0.3, 0.2]) * saturation, 0 * saturation)
    record.add(found, found)
    assert record.normalised("analysis_error")[0] == pytest.approx((0.6 + 0.2) / 2)
    assert record.overall("analysis_error") == pytest.approx((0.6 + 0.2) / 2)


def test_means_over_cycles_are_root_mean_squares_after_spin_up(record):
    add(record, 0.9, 0.3, 0.4)
    expected = np.sqrt((0.3**2 + 0.4**2) / 2)
    np.testing.assert_allclose(record.overall("background_error", 1), expected)
    np.testing.assert_allclose(record.mean("background_error", 1), expected * record.saturation)
    record.arrays["forecast_error"][1:3, 0] = np.array([[30.0, 0.6], [40.0, 0.8]])
    np.testing.assert_allclose(record.overall("forecast_error", 1), [expected, np.nan])


def test_forecasts_compare_from_common_starts(record):
    often, seldom, never = (replace(record, arrays={}) for _ in range(3))
    often.arrays["forecast_error"][:4] = 1.0
    often.arrays["forecast_error"][3] = 9.0
    seldom.arrays["forecast_error"][[1, 3], 0] = 2.0
    one, other, nothing = on_common_starts([often, seldom, never])
    starts = np.isfinite(one.arrays["forecast_error"]).all(axis=-1)
    np.testing.assert_array_equal(np.argwhere(starts), [[1, 0], [3, 0]])
    np.testing.assert_array_equal(other.arrays["forecast_error"], seldom.arrays["forecast_error"])
    assert np.isnan(nothing.arrays["forecast_error"]).all()
    assert np.isfinite(often.arrays["forecast_error"][:4]).all()  # what was given stays


@pytest.mark.parametrize(
    ("errors", "lost"),
    [
        ((0.5, 0.5, 0.5), None),
        ((0.5, 1.2, 0.5, 0.5), None),
        ((0.5, 0.5, 1.1, 1.2), None),
        ((0.5, 1.1, 1.2, 1.0), 1),
        ((1.1, 1.2, 1.3), 0),
    ],
)
def test_a_cycle_is_lost_when_it_is_no_better_than_a_random_day(record, errors, lost):
    add(record, *errors)
    assert record.lost == lost


def test_a_file_holds_everything(record, tmp_path):
    add(record, 0.3, 0.4)
    record.diverged = "the forecast is not finite in cycle 3, 2024-01-03T00"
    record.write(tmp_path / "a.errors.nc", {"seed": 0, "options": {"relaxation": 0.5}})
    again = CycleRecord.read(tmp_path / "a.errors.nc")
    for name in ("method", "channels", "done", "diverged"):
        assert getattr(again, name) == getattr(record, name)
    np.testing.assert_array_equal(again.times, record.times)
    np.testing.assert_array_equal(again.lead_hours, record.lead_hours)
    for name, array in record.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.nc").write_text("no")
    with pytest.raises(DataError, match=r"a.nc is no record of a cycle .*baselines/cycle.py"):
        CycleRecord.read(tmp_path / "a.nc")
    with pytest.raises(DataError, match="is no record of a cycle"):
        CycleRecord.read(tmp_path / "missing.nc")


def test_saturation_is_the_difference_of_days_that_know_nothing_of_each_other(rng):
    days = 3 * rng.standard_normal((40, 2, 9, 16)) + 7
    np.testing.assert_allclose(saturation(list(days), np.ones(9)), 3 * np.sqrt(2), rtol=0.05)
