import numpy as np
import pytest
from bufr_files import TIME, message

from dambench_hub.building.sources.reports.aircraft import read_aircraft
from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.coordinates.standard_atmosphere import pressure_at

AMDAR = 4
FLIGHT = TIME | {
    "aircraftRegistrationNumberOrOtherIdentification": "EU1234",
    "latitude": 50.0,
    "longitude": -30.0,
    "flightLevel": 10_000.0,
    "airTemperature": 223.15,
    "windDirection": 270.0,
    "windSpeed": 40.0,
}


@pytest.fixture
def read(tmp_path):
    def read_messages(*messages):
        path = tmp_path / "amdar.bufr"
        path.write_bytes(b"".join(messages))
        return read_aircraft(path)

    return read_messages


def test_a_flight_level_is_a_pressure_of_the_standard_atmosphere(read):
    table = read(message([311005], FLIGHT, category=AMDAR)).table
    got = dict(zip(table.labels("variable"), table.value, strict=True))
    assert got == pytest.approx({"t": 223.15, "u": 40.0, "v": 0.0}, abs=1e-5)
    np.testing.assert_allclose(table.pressure, pressure_at(10_000.0), rtol=1e-6)
    assert set(table.longitude) == {330.0} and np.isnan(table.elevation).all()
    assert table.names("station") == ["EU1234"] and table.names("report") == ["aircraft"]


@pytest.mark.parametrize("compressed", [False, True])
def test_flights_of_one_message(read, compressed):
    several = FLIGHT | {"latitude": [50.0, 51.0], "airTemperature": [220.0, None]}
    table = read(message([311005], several, category=AMDAR, subsets=2, compressed=compressed)).table
    assert table.latitude[table.is_of("variable", "t")].tolist() == [50.0]
    assert sorted(table.latitude[table.is_of("variable", "u")]) == [50.0, 51.0]


def test_a_pressure_that_is_given_goes_before_an_altitude(read):
    elements = (1008, 301011, 301012, 301021, 7010, 7004, 12101)
    values = {k: v for k, v in FLIGHT.items() if not k.startswith("wind")}
    table = read(message(elements, values | {"pressure": 30_000.0}, category=AMDAR)).table
    assert table.pressure.tolist() == [30_000.0]


def test_a_profile_is_a_row_each_level(read):
    values = {k: v for k, v in FLIGHT.items() if k not in ("flightLevel", "airTemperature")}
    for rank, (height, kelvin) in enumerate([(500.0, 285.0), (1000.0, 282.0)], 1):
        values |= {f"#{rank}#flightLevel": height, f"#{rank}#airTemperature": kelvin}
    table = read(message([311008], values, category=AMDAR, factors=[2])).table
    t = table.where(table.is_of("variable", "t"))
    np.testing.assert_allclose(t.pressure, pressure_at(np.array([500.0, 1000.0])), rtol=1e-6)
    np.testing.assert_allclose(t.value, [285.0, 282.0])


def test_without_a_level_there_is_no_row(read):
    nowhere = {k: v for k, v in FLIGHT.items() if k != "flightLevel"}
    reading = read(message([311005], nowhere, category=AMDAR))
    assert reading.refused == {Refusal.PRESSURE.value: 1} and len(reading.table) == 0


def test_the_newest_template_is_read(read):
    table = read(message([311010], FLIGHT, category=AMDAR, factors=[0] * 9)).table
    assert sorted(table.labels("variable")) == ["t", "u", "v"]
