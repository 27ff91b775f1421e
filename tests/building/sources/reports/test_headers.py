import numpy as np
import pytest

from dambench_hub.building.sources.reports.bufr import Subset
from dambench_hub.building.sources.reports.headers import headers, station_of, time_of

NOON = [(4001, 2018.0), (4002, 11.0), (4003, 20.0), (4004, 12.0)]


@pytest.mark.parametrize(
    ("elements", "texts", "name"),
    [
        ([(1001, 6.0), (1002, 7.0)], {1011: "DBBH"}, "06007"),
        ([(1001, 6.0), (1002, np.nan)], {1011: "DBBH"}, "DBBH"),
        ([], {1011: "SHIP"}, ""),
        ([(1005, 62_001.0)], {}, "62001"),
        ([(1087, 6_200_001.0)], {}, "6200001"),
        ([(1125, 0.0), (1126, 20_000.0), (1127, 0.0)], {1128: "10393"}, "0-20000-0-10393"),
        ([(1125, 0.0), (1126, np.nan), (1127, 0.0)], {1128: "10393"}, ""),
        ([], {}, ""),
    ],
)
def test_a_station_goes_by_the_best_of_its_names(elements, texts, name):
    assert station_of(Subset(0, elements, texts)) == name


@pytest.mark.parametrize(
    ("minutes", "time"),
    [
        ([], "2018-11-20T12:00:00"),
        ([(4005, np.nan)], "2018-11-20T12:00:00"),
        ([(4005, 35.0)], "2018-11-20T12:35:00"),
        ([(4005, 35.0), (4006, 7.0)], "2018-11-20T12:35:07"),
        ([(4005, 60.0)], "NaT"),
    ],
)
def test_minutes_may_be_absent_and_must_be_possible(minutes, time):
    got = time_of(Subset(0, NOON + minutes, {}))
    np.testing.assert_array_equal(got, np.datetime64(time, "ms"))


@pytest.mark.parametrize("left_out", range(4))
def test_date_and_hour_must_be_there(left_out):
    known = [element for n, element in enumerate(NOON) if n != left_out]
    assert np.isnat(time_of(Subset(0, known, {})))


def test_no_subsets_have_empty_columns():
    header = headers([])
    assert len(header.time) == len(header.station) == len(header.latitude) == 0
