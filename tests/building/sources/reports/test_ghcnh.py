import numpy as np
import pandas as pd
import pytest

from dambench_hub.building.sources.reports.ghcnh import read_ghcnh
from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.errors import BuildError
from dambench_hub.observations.quality import Quality

ROW = {
    "STATION": "GMW00035032",
    "Station_name": "RAMSTEIN",
    "DATE": "2024-01-01T06:55:00",
    "LATITUDE": "49.4333",
    "LONGITUDE": "-7.6",
    "ELEVATION": "237.7",
    "temperature": "4.5",
    "temperature_Measurement_Code": "",
    "temperature_Quality_Code": "1",
    "temperature_Report_Type": "FM15",
    "temperature_Source_Code": "335",
    "temperature_Source_Station_ID": "ICAO-ETAR",
    "station_level_pressure": "985.2",
    "station_level_pressure_Quality_Code": "",
    "sea_level_pressure": "1013.9",
    "sea_level_pressure_Quality_Code": "5",
    "wind_direction": "270",
    "wind_direction_Quality_Code": "1",
    "wind_speed": "5.1",
    "wind_speed_Quality_Code": "1",
    "precipitation": "0.3",
    "precipitation_24_hour": "12.4",
    "precipitation_24_hour_Quality_Code": "",
    "remarks": "METAR ETAR 010655Z",
}


@pytest.fixture
def write(tmp_path):
    def write_rows(*rows, names=None):
        path = tmp_path / "GHCNh_GMW00035032_2024.psv"
        names = names or list(ROW)
        lines = ["|".join(row.get(name, "") for name in names) for row in rows]
        path.write_text("\n".join(["|".join(names), *lines]) + "\n")
        return path

    return write_rows


def values(table):
    return dict(zip(table.labels("variable").tolist(), table.value.tolist(), strict=True))


def test_units_are_brought_to_kelvin_and_pascal(write):
    reading = read_ghcnh(write(ROW))
    table = reading.table
    assert reading.refused == {}
    assert values(table) == pytest.approx(
        {"t2m": 277.65, "ps": 98_520.0, "msl": 101_390.0, "u10": 5.1, "v10": 0.0}
        | {"precipitation": 12.4},
        abs=1e-5,
    )
    assert set(table.longitude) == {352.4} and set(table.latitude) == {49.4333}
    assert set(table.time) == {np.datetime64("2024-01-01T06:55", "ms")}
    assert table.names("station") == ["GMW00035032"]
    np.testing.assert_allclose(table.elevation, 237.7, rtol=1e-6)


@pytest.mark.parametrize(
    ("code", "quality"),
    [("", "GOOD"), ("0", "GOOD"), ("5", "GOOD"), ("9", "GOOD"), ("3", "PROVIDER")]
    + [("7", "PROVIDER"), ("o", "PROVIDER"), ("S", "PROVIDER")],
)
def test_quality_codes_are_those_of_their_value(write, code, quality):
    table = read_ghcnh(write(ROW | {"temperature_Quality_Code": code})).table
    got = dict(zip(table.labels("variable"), table.quality, strict=True))
    assert got.pop("t2m") == Quality[quality]
    assert set(got.values()) == {Quality.GOOD}


def test_a_wind_is_wrong_if_its_direction_is_unless_it_is_calm(write):
    for speed, quality in (("3.0", Quality.PROVIDER), ("0.0", Quality.GOOD)):
        row = ROW | {"wind_speed": speed, "wind_direction_Quality_Code": "3"}
        table = read_ghcnh(write(row, names=list(row))).table
        got = dict(zip(table.labels("variable"), table.quality, strict=True))
        assert (got["u10"], got["v10"], got["t2m"]) == (quality, quality, Quality.GOOD)


def test_the_form_of_a_stations_whole_period_is_the_same(write):
    by_year = read_ghcnh(write(ROW)).table
    moved = {"STATION": "Station_ID", "LATITUDE": "Latitude", "LONGITUDE": "Longitude"}
    moved |= {"ELEVATION": "Elevation"}
    row = {moved.get(name, name): value for name, value in ROW.items() if name != "DATE"}
    row |= {"Year": "2024", "Month": "1", "Day": "1", "Hour": "6", "Minute": "55"}
    whole = read_ghcnh(write(row, names=list(row))).table
    pd.testing.assert_frame_equal(whole.to_pandas(), by_year.to_pandas())


def test_parquet_is_read_the_same_as_text_or_as_numbers(write, tmp_path):
    text = read_ghcnh(write(ROW, ROW | {"temperature": "", "DATE": "2024-01-01T07:55:00"})).table
    frame = pd.read_csv(tmp_path / "GHCNh_GMW00035032_2024.psv", sep="|")
    path = tmp_path / "GHCNh_GMW00035032_2024.parquet"
    for kind in (frame, frame.astype(str).replace("nan", None)):
        kind.to_parquet(path)
        pd.testing.assert_frame_equal(read_ghcnh(path).table.to_pandas(), text.to_pandas())


def test_a_calm_has_no_direction_and_999_is_none(write):
    calm = {"wind_direction": "", "wind_speed": "0.0"}
    assert values(read_ghcnh(write(ROW | calm)).table)["u10"] == 0
    varying = {"wind_direction": "999", "wind_speed": "2.0"}
    assert "u10" not in values(read_ghcnh(write(ROW | varying)).table)


@pytest.mark.parametrize("elevation", ["-999.9", "9999", ""])
def test_an_unknown_elevation_is_no_height(write, elevation):
    table = read_ghcnh(write(ROW | {"ELEVATION": elevation})).table
    assert len(table) == 6 and np.isnan(table.elevation).all()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"DATE": "2024-02-30T00:00:00"}, Refusal.TIME),
        ({"DATE": ""}, Refusal.TIME),
        ({"LATITUDE": "-99.9"}, Refusal.POSITION),
        ({"LATITUDE": "0.0", "LONGITUDE": "0.0"}, Refusal.POSITION),
        ({"ELEVATION": "12000"}, Refusal.HEIGHT),
        ({name: "" for name in ROW if name.islower()}, Refusal.NO_VALUE),
    ],
)
def test_what_cannot_be_a_row_is_counted(write, wrong, reason):
    reading = read_ghcnh(write(ROW | wrong, ROW))
    assert reading.refused == {reason.value: 1}
    assert len(reading.table) == 6


def test_fahrenheit_is_a_gross_error_and_words_are_nothing(write):
    table = read_ghcnh(write(ROW | {"temperature": "71.2", "sea_level_pressure": "M"})).table
    marked = table.where(table.quality == Quality.GROSS)
    assert marked.labels("variable").tolist() == ["t2m"]
    assert "msl" not in values(table)


def test_a_file_without_reports_is_an_empty_table(write):
    assert len(read_ghcnh(write()).table) == 0


def test_another_archive_is_refused(write, tmp_path):
    with pytest.raises(BuildError, match="no column of latitude, longitude"):
        read_ghcnh(write(ROW, names=["STATION", "DATE", "temperature"]))
    with pytest.raises(BuildError, match="no column of the time"):
        read_ghcnh(write(ROW, names=["STATION", "LATITUDE", "LONGITUDE", "temperature"]))
    with pytest.raises(BuildError, match="cannot be read"):
        read_ghcnh(tmp_path / "absent.psv")
