import numpy as np
import pytest

from dambench_hub.metrics.place_errors import colour_limit
from dambench_hub.scoring.station_errors import StationErrors


def errors(**changes):
    """A ship at two places, and a station with two reports; one row of another channel."""
    values = {
        "channels": ("t2m", "msl"),
        "station": np.array(["SHIP", "10500", "SHIP", "10500", "10500"]),
        "time": np.array([0, 0, 1, 1, 1]),
        "channel": np.array([0, 0, 0, 0, 1]),
        "latitude": np.array([50.0, 51.0, 50.5, 51.0, 51.0]),
        "longitude": np.array([-5.0, 6.0, -6.0, 6.0, 6.0]),
        "analysis": np.array([1.0, 2.0, -3.0, 4.0, 100.0]),
        "background": np.array([2.0, 1.0, 2.0, 5.0, 200.0]),
        "weight": np.array([1.0, 0.5, 1.0, 0.5, 1.0]),
    }
    return StationErrors(**{**values, **changes})


def test_a_place_has_the_mean_of_its_reports():
    found = errors().at_places("t2m")
    rows = zip(found.station, found.latitude, found.analysis, found.background, strict=True)
    assert sorted(rows) == [("10500", 51, 3, 3), ("SHIP", 50, 1, 2), ("SHIP", 50.5, -3, 2)]
    assert sorted(found.reports) == [1, 1, 2] and found.stations == 2
    assert found.what == "Mean error"


def test_its_rmse_is_the_score_of_the_reports_not_of_the_means():
    found = errors().at_places("t2m").rmse
    squares = 1 + 9 + 0.5 * 4 + 0.5 * 16
    assert found["analysis"] == pytest.approx(np.sqrt(squares / 3))
    assert errors().at_places("msl").what == "Error"


def test_colours_end_where_few_go_beyond_and_never_at_0():
    assert colour_limit([np.r_[np.ones(99), 1000.0], -2 * np.ones(100)]) == 2
    assert colour_limit([np.zeros(3)]) == 1
