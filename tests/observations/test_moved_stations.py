import numpy as np
from report_tables import HOUR, NOON, table_of

from dambench_hub.observations.moved_stations import moved_stations


def reports_at(latitude, **columns):
    return table_of(time=NOON + np.arange(len(latitude)) * HOUR, latitude=latitude, **columns)


def test_the_place_of_most_rows_is_the_place_of_the_station():
    table = reports_at([50.0, 48.0, 50.0, 50.0, 50.01])
    assert moved_stations(table).tolist() == [False, True, False, False, False]


def test_of_two_places_the_earlier_one_is_taken():
    assert moved_stations(reports_at([50.0, 48.0])).tolist() == [False, True]


def test_a_station_on_the_date_line_stays():
    table = reports_at([-16.8] * 3, longitude=[179.999, -180.0, -179.999])
    assert not moved_stations(table).any()


def test_stations_are_judged_apart():
    table = reports_at([50.0, 48.0, 50.0, 48.0], station=["a", "b", "a", "b"])
    assert not moved_stations(table).any()


def test_ships_and_balloons_may_move():
    for report in ("ship", "temp", "aircraft"):
        assert not moved_stations(reports_at([50.0, 48.0], report=report)).any()
