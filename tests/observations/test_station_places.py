import numpy as np
from report_tables import HOUR, NOON, table_of

from dambench_hub.observations.station_places import station_places
from dambench_hub.observations.table import ObservationTable


def test_each_station_has_the_place_that_most_of_its_rows_give():
    table = table_of(
        time=NOON + np.arange(6) * HOUR,
        latitude=[48.0, 50.0, 10.0, 50.0, 10.0, 11.0],
        longitude=[1.0, 2.0, 3.0, 2.0, 4.0, 3.0],
        station=["b", "b", "a", "b", "a", "a"],
    )
    places = station_places(table, ("synop",))
    assert places.names.tolist() == ["a", "b"]
    assert places.latitude.tolist() == [10.0, 50.0]
    assert places.longitude.tolist() == [3.0, 2.0]  # of a: three places, the earliest leads
    assert places.station.tolist() == [1, 1, 0, 1, 0, 0]


def test_rows_of_other_reports_are_of_no_station():
    table = table_of(report=["ship", "synop"], latitude=[10.0, 50.0])
    places = station_places(table, ("synop", "gauge"))
    assert places.latitude.tolist() == [50.0]
    assert places.station.tolist() == [-1, 0]


def test_no_rows_have_no_places():
    assert station_places(ObservationTable.empty(), ("synop",)).names.tolist() == []
