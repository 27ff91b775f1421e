import numpy as np
from report_tables import HOUR, NOON, table_of

from dambench_hub.observations.duplicates import duplicates
from dambench_hub.observations.table import ObservationTable


def test_the_later_row_of_a_station_is_the_duplicate():
    table = table_of(value=[280.0, 281.0, 282.0], latitude=[50.0, 50.3, 50.0])
    assert duplicates(table).tolist() == [False, True, True]


def test_the_same_place_counts_under_any_name_and_across_the_date_line():
    east = [179.999, -179.999, 180.1]
    table = table_of(station=["a", "b", "c"], longitude=east, latitude=60.0)
    assert duplicates(table).tolist() == [False, True, False]


def test_identifiers_are_of_one_kind_of_report_and_none_is_nobody():
    apart = {"latitude": [21.7, 33.9], "longitude": [39.2, 281.5]}
    assert not duplicates(table_of(station="41024", report=["synop", "ship"], **apart)).any()
    assert not duplicates(table_of(station="", **apart)).any()
    assert duplicates(table_of(station="", latitude=[50.0, 50.0])).tolist() == [False, True]


def test_another_time_variable_or_level_is_another_measurement():
    time = [NOON, NOON, NOON + HOUR, NOON + HOUR]
    assert not duplicates(table_of(time=time, variable=["t2m", "msl", "t2m", "msl"])).any()
    levels = table_of(variable="t", pressure=[85_000.0, 50_000.0], report="temp")
    assert not duplicates(levels).any()


def test_the_distance_is_what_was_asked_for():
    table = table_of(station=["a", "b"], latitude=[50.0, 50.0 + 3 / 111.2])
    assert duplicates(table, distance_km=2.5).tolist() == [False, False]
    assert duplicates(table, distance_km=3.5).tolist() == [False, True]


def test_rows_that_are_not_good_are_left_out():
    table = table_of(value=[280.0, 281.0]).replace(quality=np.array([1, 0], np.uint8))
    assert not duplicates(table).any()


def test_what_is_left_has_no_duplicates():
    rng = np.random.default_rng(0)
    table = table_of(
        time=NOON + rng.integers(0, 2, 300) * HOUR,
        latitude=rng.choice([50.0, 50.004, 51.0], 300),
        station=rng.choice(list("abcdef"), 300),
        variable=rng.choice(["t2m", "msl"], 300),
    )
    twice = duplicates(table)
    assert 0 < twice.sum() < 300
    assert not duplicates(table.where(~twice)).any()


def test_no_rows_have_no_duplicates():
    assert duplicates(ObservationTable.empty()).tolist() == []
