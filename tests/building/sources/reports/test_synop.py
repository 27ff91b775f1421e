from pathlib import Path

import numpy as np
import pytest
from bufr_files import TIME, message

from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.building.sources.reports.synop import read_synop
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.quality_control import check_reports, counts_by_reason

SYNOP_FILE = Path(__file__).parents[4] / "builders" / "synop" / "synop_europe_20181120.bufr"

SYNOP = (301001, 301011, 301012, 301021, 7030, 10004, 7032, 12101, 7032, 11001, 11002)
FRANKFURT = TIME | {
    "blockNumber": 10,
    "stationNumber": 637,
    "latitude": 50.05,
    "longitude": 8.6,
    "heightOfStationGroundAboveMeanSeaLevel": 112.0,
    "nonCoordinatePressure": 100_450.0,
    "airTemperature": 278.15,
    "windDirection": 240.0,
    "windSpeed": 4.0,
}


@pytest.fixture
def read(tmp_path):
    def read_messages(*messages):
        path = tmp_path / "synop.bufr"
        path.write_bytes(b"".join(messages))
        return read_synop(path)

    return read_messages


def value(table, variable):
    [found] = table.value[table.is_of("variable", variable)]
    return float(found)


def test_a_report_is_a_row_each_value(read):
    reading = read(message(SYNOP, FRANKFURT))
    table = reading.table
    assert reading.refused == {}
    assert sorted(table.labels("variable")) == ["ps", "t2m", "u10", "v10"]
    assert value(table, "t2m") == pytest.approx(278.15)
    assert value(table, "ps") == pytest.approx(100_450.0)
    assert set(table.time) == {np.datetime64("2018-11-20T12:00", "ms")}
    assert set(table.latitude) == {50.05} and set(table.longitude) == {8.6}
    assert set(table.elevation) == {112.0} and set(table.labels("station")) == {"10637"}
    assert set(table.labels("report")) == {"synop"} and np.isnan(table.pressure).all()


@pytest.mark.parametrize(
    ("direction", "components"),
    [(360, (0, -4)), (90, (-4, 0)), (180, (0, 4)), (270, (4, 0)), (0, (0, -4))],
)
def test_the_wind_blows_from_its_direction(read, direction, components):
    table = read(message(SYNOP, FRANKFURT | {"windDirection": direction})).table
    got = value(table, "u10"), value(table, "v10")
    np.testing.assert_allclose(got, components, atol=1e-6)


@pytest.mark.parametrize("compressed", [False, True])
def test_subsets_are_read_the_same_compressed_or_not(read, compressed):
    values = FRANKFURT | {
        "stationNumber": [637, 638, 639],
        "latitude": [50.0, 51.0, -52.0],
        "longitude": [8.0, -170.25, 179.0],
        "airTemperature": [280.0, None, 282.0],
    }
    table = read(message(SYNOP, values, subsets=3, compressed=compressed)).table
    temperature = table.where(table.is_of("variable", "t2m"))
    assert temperature.labels("station").tolist() == ["10637", "10639"]
    np.testing.assert_allclose(temperature.value, [280.0, 282.0])
    np.testing.assert_allclose(temperature.latitude, [50.0, -52.0])
    pressure = table.where(table.is_of("variable", "ps"))
    np.testing.assert_allclose(pressure.longitude, [8.0, 189.75, 179.0])


def test_all_messages_of_a_file_are_read(read):
    reading = read(
        b"GTS HEADER\r\r\n",
        message(SYNOP, FRANKFURT),
        b"\r\r\n0000",
        message(SYNOP, FRANKFURT | {"stationNumber": 638}),
    )
    assert reading.table.names("station") == ["10637", "10638"]


def test_a_file_without_reports_is_an_empty_table(read):
    reading = read(b"")
    assert len(reading.table) == 0 and reading.refused == {}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"latitude": 90.5}, Refusal.POSITION),
        ({"latitude": None}, Refusal.POSITION),
        ({"longitude": 400.0}, Refusal.POSITION),
        ({"latitude": 0.0, "longitude": 0.0}, Refusal.POSITION),
        ({"heightOfStationGroundAboveMeanSeaLevel": 9_500.0}, Refusal.HEIGHT),
        ({"month": 2, "day": 30}, Refusal.TIME),
        ({"hour": 24}, Refusal.TIME),
        ({"hour": None}, Refusal.TIME),
        (
            {"airTemperature": None, "nonCoordinatePressure": None, "windSpeed": None},
            Refusal.NO_VALUE,
        ),
    ],
)
def test_what_cannot_be_a_row_is_counted(read, wrong, reason):
    reading = read(message(SYNOP, FRANKFURT | wrong), message(SYNOP, FRANKFURT))
    assert reading.refused == {reason.value: 1}
    assert len(reading.table) == 4


def test_a_ship_may_be_where_no_station_is(read):
    ship = (1011, *SYNOP[1:])
    values = FRANKFURT | {"latitude": 0.0, "longitude": 0.0}
    values |= {"shipOrMobileLandStationIdentifier": "DBBH"}
    table = read(message(ship, _without(values, "blockNumber", "stationNumber"), category=1)).table
    assert table.names("report") == ["ship"] and table.names("station") == ["DBBH"]


@pytest.mark.parametrize("compressed", [False, True])
def test_call_signs_belong_to_their_subsets(read, compressed):
    values = _without(FRANKFURT, "blockNumber", "stationNumber") | {"latitude": [50.0, 51.0]}
    signs = {} if compressed else {"shipOrMobileLandStationIdentifier": ["DBBH", "DBFP"]}
    shared = {"shipOrMobileLandStationIdentifier": "DBBH"} if compressed else {}
    table = read(
        message(
            (1011, *SYNOP[1:]),
            values | signs | shared,
            category=1,
            subsets=2,
            compressed=compressed,
        )
    ).table
    got = dict(zip(table.latitude, table.labels("station"), strict=True))
    assert got == {50.0: "DBBH", 51.0: "DBBH" if compressed else "DBFP"}


def test_what_has_no_name_is_named_after_its_place(read):
    table = read(message(SYNOP, _without(FRANKFURT, "blockNumber", "stationNumber"))).table
    assert table.names("station") == ["50.05N8.60E"]


def test_an_unknown_height_is_no_reason_to_refuse(read):
    table = read(
        message(SYNOP, _without(FRANKFURT, "heightOfStationGroundAboveMeanSeaLevel"))
    ).table
    assert len(table) == 4 and np.isnan(table.elevation).all()


def test_a_report_without_minutes_is_of_the_full_hour(read):
    table = read(message(SYNOP, _without(FRANKFURT, "minute"))).table
    assert set(table.time) == {np.datetime64("2018-11-20T12:00", "ms")}


def test_impossible_values_are_rows_and_marked(read):
    celsius = FRANKFURT | {"airTemperature": 5.0, "windSpeed": 349.0, "windDirection": 90.0}
    table = read(message(SYNOP, celsius)).table
    good = dict(zip(table.labels("variable"), table.quality == Quality.GOOD, strict=True))
    assert good == {"ps": True, "t2m": False, "u10": False, "v10": False}


def test_values_from_masts_are_neither_at_2_nor_at_10_m(read):
    mast = FRANKFURT | {"#1#heightOfSensorAboveLocalGroundOrDeckOfMarinePlatform": 2.0}
    mast |= {"#2#heightOfSensorAboveLocalGroundOrDeckOfMarinePlatform": 80.0}
    reading = read(message(SYNOP, mast))
    assert reading.refused == {Refusal.SENSOR.value: 2}  # direction and speed
    assert sorted(reading.table.labels("variable")) == ["ps", "t2m"]


def test_the_pressure_is_that_at_the_barometer(read):
    height = {"heightOfBarometerAboveMeanSeaLevel": 120.0}
    table = read(message((*SYNOP[:5], 7031, *SYNOP[5:]), FRANKFURT | height)).table
    elevation = dict(zip(table.labels("variable"), table.elevation, strict=True))
    assert elevation == {"ps": 120.0, "t2m": 112.0, "u10": 112.0, "v10": 112.0}


@pytest.mark.parametrize(("hours", "rain"), [(-24, [3.0]), (-6, []), (-1, [])])
def test_rain_counts_where_it_is_a_total_of_a_day(read, hours, rain):
    values = FRANKFURT | {"timePeriod": hours, "totalPrecipitationOrTotalWaterEquivalent": 3.0}
    table = read(message((*SYNOP, 4024, 13011), values)).table
    np.testing.assert_allclose(table.value[table.is_of("variable", "precipitation")], rain)


def test_a_period_in_minutes_is_none_in_hours(read):
    values = FRANKFURT | {"timePeriod": -24, "totalPrecipitationOrTotalWaterEquivalent": 3.0}
    table = read(message((*SYNOP, 4025, 13011), values)).table
    assert "precipitation" not in table.names("variable")


def test_a_trace_of_rain_is_none(read):
    values = FRANKFURT | {"totalPrecipitationPast24Hours": -0.1}
    assert value(read(message((*SYNOP, 13023), values)).table, "precipitation") == 0.0


def test_the_regular_template_is_read(read):
    values = FRANKFURT | {"pressureReducedToMeanSeaLevel": 101_800.0}
    table = read(message([307080], values, factors=[1, 0])).table
    assert sorted(table.labels("variable")) == ["msl", "ps", "t2m", "u10", "v10"]
    np.testing.assert_allclose(value(table, "t2m"), 278.15, rtol=1e-6)


def test_another_kind_of_message_is_refused(read):
    reading = read(message(SYNOP, FRANKFURT, category=2, subsets=3), message(SYNOP, FRANKFURT))
    assert reading.refused == {Refusal.TEMPLATE.value: 3} and len(reading.table) == 4


def test_an_element_that_no_table_has_is_refused(read):
    unknown = message(SYNOP, FRANKFURT, subsets=2).replace(b"\x0c\x65", b"\x3f\xfa")  # 0 12 101
    reading = read(unknown, message(SYNOP, FRANKFURT))
    assert reading.refused == {Refusal.TEMPLATE.value: 2} and len(reading.table) == 4


def test_a_truncated_file_keeps_what_came_before(read):
    reading = read(message(SYNOP, FRANKFURT), message(SYNOP, FRANKFURT)[:-20])
    assert reading.refused == {Refusal.DAMAGED.value: 1} and len(reading.table) == 4


def test_duplicates_are_read_and_left_to_the_quality_control(read):
    assert len(read(*[message(SYNOP, FRANKFURT)] * 2).table) == 8


def _without(values, *names):
    return {name: value for name, value in values.items() if name not in names}


@pytest.fixture(scope="module")
def real():
    return read_synop(SYNOP_FILE)


def test_the_reports_of_a_real_hour_over_europe(real):
    """1,507 messages of 2018-11-20 12 UTC; the counts are those of ECMWF's own reader."""
    table = real.table
    counts = {name: int(table.is_of("variable", name).sum()) for name in table.names("variable")}
    assert counts == {"t2m": 1471, "u10": 1471, "v10": 1471, "ps": 1348, "msl": 1201}
    assert real.refused == {Refusal.NO_VALUE.value: 28}
    assert table.latitude.min() > 30 and table.latitude.max() < 71
    checked = check_reports(table)
    assert counts_by_reason(checked) == {"good": 6961, "gross": 1}
    [gross] = checked.where(checked.quality == Quality.GROSS).value
    assert gross == 15_600.0  # Pa at 308 m


def test_pressure_at_the_station_and_at_sea_level_fit_its_height(real):
    table = real.table
    at_sea, here = (
        table.where(table.is_of("variable", name) & (table.quality == Quality.GOOD))
        for name in ("msl", "ps")
    )
    msl = dict(zip(at_sea.labels("station"), at_sea.value, strict=True))
    known = np.isin(here.labels("station"), list(msl)) & ~np.isnan(here.elevation)
    here = here.where(known)
    ratio = here.value / [msl[name] for name in here.labels("station")]
    height = -8_000 * np.log(ratio)
    assert np.median(np.abs(height - here.elevation)) < 20
