from pathlib import Path

import numpy as np
import pytest
from bufr_files import TIME, message

from dambench_hub.building.sources.reports.humidity import specific_humidity
from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.building.sources.reports.temp import read_temp
from dambench_hub.coordinates.constants import GAS_CONSTANT, GRAVITY
from dambench_hub.observations.quality_control import check_reports, counts_by_reason

TEMP_FILE = Path(__file__).parents[4] / "builders" / "synop" / "temp_20081208.bufr"

TEMP = 2
LINDENBERG = TIME | {
    "blockNumber": 10,
    "stationNumber": 393,
    "latitude": 52.2,
    "longitude": 14.1,
    "heightOfStationGroundAboveMeanSeaLevel": 112.0,
}
LEVEL = {
    "pressure": 50_000.0,
    "nonCoordinateGeopotentialHeight": 5_400.0,
    "airTemperature": 250.0,
    "dewpointTemperature": 240.0,
    "windDirection": 180.0,
    "windSpeed": 20.0,
}


def sounding(*several, station=LINDENBERG):
    """A message of the template 3 09 052 with these levels."""
    values = dict(station)
    for rank, level in enumerate(several, 1):
        values |= {f"#{rank}#{name}": value for name, value in level.items()}
    return message([309052], values, category=TEMP, factors=[0], extended=[len(several)])


@pytest.fixture
def read(tmp_path):
    def read_messages(*messages):
        path = tmp_path / "temp.bufr"
        path.write_bytes(b"".join(messages))
        return read_temp(path)

    return read_messages


def profile(table, variable):
    rows = table.where(table.is_of("variable", variable))
    return dict(zip(rows.pressure.tolist(), rows.value.tolist(), strict=True))


def test_each_level_is_a_row_each_value(read):
    table = read(sounding(LEVEL, LEVEL | {"pressure": 30_000.0, "airTemperature": 230.0})).table
    assert profile(table, "t") == {50_000.0: 250.0, 30_000.0: 230.0}
    assert profile(table, "v") == pytest.approx({50_000.0: 20.0, 30_000.0: 20.0})
    assert profile(table, "z")[50_000.0] == pytest.approx(GRAVITY * 5_400.0, rel=1e-6)
    q = specific_humidity(np.array(240.0), np.array(50_000.0))
    assert profile(table, "q")[50_000.0] == pytest.approx(float(q), rel=1e-6)
    assert table.names("station") == ["10393"] and table.names("report") == ["temp"]


def test_levels_do_not_lend_one_another_values(read):
    bare = {"pressure": 40_000.0, "windDirection": 90.0, "windSpeed": 5.0}
    table = read(sounding(LEVEL, bare, LEVEL | {"pressure": 30_000.0})).table
    assert list(profile(table, "t")) == [50_000.0, 30_000.0]
    assert list(profile(table, "u")) == [50_000.0, 40_000.0, 30_000.0]


def test_a_balloon_drifts_across_the_date_line(read):
    near = LINDENBERG | {"longitude": -179.9}
    drifted = {"timePeriod": 3_600, "latitudeDisplacement": 0.0, "longitudeDisplacement": -0.4}
    reading = read(sounding(LEVEL, LEVEL | {"pressure": 10_000.0} | drifted, station=near))
    assert reading.refused == {}
    assert sorted(set(reading.table.longitude.round(3))) == [179.7, 180.1]
    lost = read(sounding(LEVEL, station=LINDENBERG | {"longitude": 400.0}))
    assert len(lost.table) == 0 and lost.refused == {Refusal.POSITION.value: 1}


def test_a_balloon_drifts(read):
    drifted = {"timePeriod": 3_600, "latitudeDisplacement": 0.5, "longitudeDisplacement": -14.2}
    table = read(sounding(LEVEL, LEVEL | {"pressure": 10_000.0} | drifted)).table
    at = table.where(table.pressure == 10_000.0)
    assert set(at.time) == {np.datetime64("2018-11-20T13:00", "ms")}
    assert set(at.latitude) == {52.7} and set(at.longitude) == {359.9}
    launch = table.where(table.pressure == 50_000.0)
    assert set(launch.time) == {np.datetime64("2018-11-20T12:00", "ms")}


def test_heights_below_the_ground_were_not_measured(read):
    mountain = LINDENBERG | {"heightOfStationGroundAboveMeanSeaLevel": 2_000.0}
    table = read(
        sounding(
            {"pressure": 100_000.0, "nonCoordinateGeopotentialHeight": 100.0},
            {"pressure": 79_500.0, "nonCoordinateGeopotentialHeight": 2_000.0},
            station=mountain,
        )
    ).table
    assert list(profile(table, "z")) == [79_500.0]


def test_a_level_without_pressure_is_refused(read):
    reading = read(sounding(LEVEL, {"airTemperature": 220.0}))
    assert reading.refused == {Refusal.PRESSURE.value: 1}
    assert len(reading.table) == 5


def test_a_level_without_values_is_refused(read):
    reading = read(sounding(LEVEL, {"pressure": 20_000.0}))
    assert reading.refused == {Refusal.NO_VALUE.value: 1}


def test_a_wrong_place_refuses_all_levels(read):
    reading = read(sounding(LEVEL, LEVEL, station=LINDENBERG | {"latitude": 95.0}))
    assert reading.refused == {Refusal.POSITION.value: 2}
    assert len(reading.table) == 0


def test_humidity_errs_by_what_the_air_could_hold(read):
    warm = LEVEL | {"pressure": 85_000.0, "airTemperature": 285.0}
    table = read(sounding(LEVEL, warm)).table
    q = table.where(table.is_of("variable", "q"))
    kelvin = np.where(q.pressure == 85_000.0, 285.0, 250.0)
    expected = 0.17 * specific_humidity(kelvin, q.pressure)
    np.testing.assert_allclose(q.error_std, expected, rtol=1e-5)


def test_surface_reports_are_of_another_kind(read):
    synop = message([301001, 301011, 301012, 301021, 7030, 12101], LINDENBERG, category=0)
    reading = read(synop)
    assert reading.refused == {Refusal.TEMPLATE.value: 1}


@pytest.fixture(scope="module")
def real():
    return read_temp(TEMP_FILE)


def test_the_soundings_of_a_real_noon(real):
    """420 messages of 2008-12-08 12 UTC; the counts are those of ECMWF's own reader.

    But for z, of which that reader also gives 219 heights below the station.
    """
    table = real.table
    counts = {name: int(table.is_of("variable", name).sum()) for name in table.names("variable")}
    assert counts == {"t": 18742, "u": 13758, "v": 13758, "z": 16453 - 219, "q": 16094 - 1}
    assert real.refused == {Refusal.NO_VALUE.value: 436}
    assert len(table.names("station")) == 420
    assert counts_by_reason(check_reports(table)) == {"good": 78584, "gross": 1}


def test_real_profiles_are_hydrostatic(real):
    """Thickness between neighbouring mandatory levels is that of their mean temperature."""
    table = real.table
    lower, upper = 70_000.0, 50_000.0
    z, t = ({level: _by_station(table, name, level) for level in (lower, upper)} for name in "zt")
    both = set.intersection(*(set(of) for of in (*z.values(), *t.values())))
    thickness = np.array([z[upper][s] - z[lower][s] for s in both])
    mean = np.array([(t[upper][s] + t[lower][s]) / 2 for s in both])
    expected = GAS_CONSTANT * mean * np.log(lower / upper)
    assert len(both) > 300
    assert np.median(np.abs(thickness / expected - 1)) < 0.01


def _by_station(table, variable, pressure):
    rows = table.where(table.is_of("variable", variable) & (table.pressure == pressure))
    return dict(zip(rows.labels("station"), rows.value, strict=True))
