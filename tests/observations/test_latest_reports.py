"""The last report of a station counts."""

import numpy as np

from dambench_hub.observations.latest_reports import latest_reports
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable


def rows(**changes):
    columns = {
        "time": np.datetime64("2018-11-20T10:00") + 60 * np.arange(6).astype("timedelta64[m]"),
        "latitude": 50.0,
        "longitude": 10.0,
        "variable": ["t2m", "t2m", "msl", "t2m", "t2m", "t2m"],
        "value": [280.0, 281.0, 1e5, 282.0, 283.0, 999.0],
        "error_std": 1.0,
        "station": ["a", "a", "a", "b", "a", "a"],
        "report": "synop",
        "quality": [Quality.GOOD] * 5 + [Quality.GROSS],
    }
    return ObservationTable.from_columns(**columns | changes)


def test_of_each_station_and_variable_the_last_good_row_is_left():
    left = latest_reports(rows())
    assert left.value.tolist() == [1e5, 282.0, 283.0, 999.0]  # what is wrong stays to be counted


def test_identifiers_are_of_one_kind_of_report_and_places_tell_what_has_none_apart():
    kinds = rows(variable="t2m", station="a", report=["synop", "ship"] * 3)
    assert latest_reports(kinds).value.tolist() == [282.0, 283.0, 999.0]
    nameless = rows(variable="t2m", station="", latitude=[50.0, 50.0, 51.0, 51.0, 52.0, 52.0])
    assert latest_reports(nameless).value.tolist() == [281.0, 282.0, 283.0, 999.0]


def test_levels_are_rows_of_their_own():
    levels = rows(variable="t", pressure=[1e5, 8e4, 1e5, 1e5, 8e4, 8e4], station="a", report="temp")
    assert latest_reports(levels).value.tolist() == [282.0, 283.0, 999.0]


def test_single_reports_stay():
    single = rows(station=list("abcdef"))
    assert latest_reports(single).value.tolist() == single.value.tolist()
    assert len(latest_reports(ObservationTable.empty())) == 0
