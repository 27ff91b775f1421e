"""R is what the spread leaves of the departures' variance, and gaps have no say."""

import numpy as np
import pytest

from dambench_hub.models.seen_departures import see_departures


@pytest.fixture
def equivalents():
    """20 members of two modalities on 3×40, spread 1 and 2."""
    noise = np.random.default_rng(0).normal(size=(20, 2, 3, 40))
    return np.array([1.0, 2.0])[:, None, None] * noise


MEASURED = np.ones((2, 3, 40))
VARIANCE = np.array([[3.0, 9.0, 1.0], [8.0, 10.0, np.nan]])


def test_the_error_is_what_the_spread_leaves_and_half_at_least(equivalents):
    seen = see_departures(MEASURED, equivalents, VARIANCE, 1.0)
    rows = seen.points.index // 40
    for field, row, wanted in (0, 0, 2), (0, 1, 8), (0, 2, 0.5), (1, 0, 4), (1, 1, 6):
        came = seen.variance[(seen.points.field == field) & (rows == row)]
        assert len(came) == 40
        np.testing.assert_allclose(came, wanted, rtol=0.15)
    twice = see_departures(MEASURED, equivalents, VARIANCE, 2.0)
    np.testing.assert_allclose(twice.variance, 4 * seen.variance)


def test_only_what_is_known_throughout_is_seen(equivalents):
    measured = MEASURED.copy()
    measured[0, 0] = np.nan
    equivalents[3, 1, 0, :10] = np.nan
    seen = see_departures(measured, equivalents, VARIANCE, 1.0)
    rows, columns = np.divmod(seen.points.index, 40)
    assert not np.any((seen.points.field == 0) & (rows == 0))
    assert not np.any((seen.points.field == 1) & (rows == 2))  # no training there
    assert columns[(seen.points.field == 1) & (rows == 0)].tolist() == list(range(10, 40))
    assert np.isfinite(seen.observed).all() and np.isfinite(seen.variance).all()
    assert seen.observed.shape == (20, 40 + 40 + 30 + 40)


def test_each_modality_is_in_units_of_its_error(equivalents):
    seen = see_departures(MEASURED, equivalents, VARIANCE, 1.0)
    innovation = (seen.values - seen.observed.mean(axis=0))[None]
    first, second = seen.further(innovation, seen.points.index)
    assert first.place.tolist() == list(range(120)) and second.place.tolist() == list(range(80))
    std = np.sqrt(seen.variance[120:])
    np.testing.assert_allclose(second.innovations[0] * std, innovation[0, 120:])
    np.testing.assert_allclose(second.anomalies.mean(axis=0), 0, atol=1e-12)
