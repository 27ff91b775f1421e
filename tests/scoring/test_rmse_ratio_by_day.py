"""A ratio of errors as a mean over days: its mean and its slope."""

import numpy as np
import pytest

from dambench_hub.errors import ScoreError
from dambench_hub.scoring.rmse_ratio_by_day import rmse_ratio_by_day


def test_its_mean_is_the_ratio_of_pooled_errors(rng):
    one, other = rng.gamma(2, size=(2, 50))
    found = rmse_ratio_by_day(one, other)
    assert found.mean() == pytest.approx(np.sqrt(one.mean() / other.mean()))


def test_a_day_counts_as_much_as_leaving_it_out_says(rng):
    one, other = rng.gamma(2, size=(2, 4000))
    found = rmse_ratio_by_day(one, other)
    keep = np.arange(4000) != 7
    without = np.sqrt(one[keep].mean() / other[keep].mean())
    moved = found.mean() - without
    assert moved == pytest.approx((found[7] - found.mean()) / 4000, rel=0.01)


def test_what_both_share_cancels(rng):
    weather = rng.gamma(2, size=50)
    np.testing.assert_allclose(rmse_ratio_by_day(0.25 * weather, weather), 0.5)


def test_what_has_no_error_has_no_ratio():
    with pytest.raises(ScoreError, match="no ratio to what has no error"):
        rmse_ratio_by_day(np.ones(3), np.zeros(3))
    with pytest.raises(ScoreError, match=r"\(3,\) and \(2,\)"):
        rmse_ratio_by_day(np.ones(3), np.ones(2))
    with pytest.raises(ScoreError, match="above 0, got nan"):
        rmse_ratio_by_day(np.array([1.0, np.nan]), np.ones(2))
