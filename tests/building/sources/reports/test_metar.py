import sys

import numpy as np
import pytest

from dambench_hub.building.sources.reports.metar import Aerodrome, read_metar
from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.coordinates.standard_atmosphere import station_pressure
from dambench_hub.errors import BuildError

AERODROMES = {
    "EDDF": Aerodrome(50.05, 8.6, 111.0),
    "KJFK": Aerodrome(40.64, -73.78, 4.0),
    "UUEE": Aerodrome(55.97, 37.41, 190.0),
    "SLLP": Aerodrome(-16.51, -68.19, 4_061.0),
}
REFERENCE = np.datetime64("2018-11-20T12:00")
KNOT = 0.514444


@pytest.fixture
def read(tmp_path):
    def read_text(text, reference=REFERENCE):
        path = tmp_path / "metar.txt"
        path.write_text(text)
        return read_metar(path, AERODROMES, reference)

    return read_text


def values(table):
    return dict(zip(table.labels("variable").tolist(), table.value.tolist(), strict=True))


def test_groups_of_a_report(read):
    reading = read("METAR EDDF 201220Z 27012G25KT 320V050 9999 FEW020 M02/M05 Q1023 NOSIG")
    table = reading.table
    assert reading.refused == {}
    expected = station_pressure(102_350.0, 111.0)  # QNH is rounded down
    assert values(table) == pytest.approx(
        {"t2m": 271.15, "u10": 12 * KNOT, "v10": 0.0, "ps": float(expected)}, abs=1e-2
    )
    assert set(table.time) == {np.datetime64("2018-11-20T12:20", "ms")}
    assert table.names("station") == ["EDDF"] and table.names("report") == ["metar"]
    assert set(table.latitude) == {50.05} and set(table.elevation) == {111.0}


@pytest.mark.parametrize(
    ("group", "components"),
    [
        ("24003MPS", (3 * np.sin(np.pi / 3), 3 * np.cos(np.pi / 3))),
        ("18010KT", (0.0, 10 * KNOT)),
        ("00000KT", (0.0, 0.0)),
        ("VRB03KT", None),
        ("/////KT", None),
    ],
)
def test_winds_in_knots_and_metres_calm_and_variable(read, group, components):
    got = values(read(f"UUEE 201200Z {group} CAVOK 05/04 Q0998").table)
    if components is None:
        assert "u10" not in got and "v10" not in got
    else:
        assert (got["u10"], got["v10"]) == pytest.approx(components, abs=1e-4)


def test_tenths_and_sea_level_pressure_are_in_the_remarks(read):
    report = "METAR KJFK 201151Z 31010KT 10SM FEW250 02/M08 A2992 RMK AO2 SLP132 T00221083"
    got = values(read(report).table)
    assert got["t2m"] == pytest.approx(275.35)
    assert got["msl"] == pytest.approx(101_320.0)
    assert got["ps"] == pytest.approx(float(station_pressure(101_321.0, 4.0)), abs=2)


def test_at_a_high_aerodrome_qnh_is_far_from_the_pressure(read):
    got = values(read("SLLP 201200Z 00000KT 9999 10/02 Q1035").table)
    assert 62_000 < got["ps"] < 64_500


@pytest.mark.parametrize(
    ("reference", "day", "time"),
    [
        ("2018-11-20T12", "20", "2018-11-20T06:00"),
        ("2018-12-01T00", "30", "2018-11-30T06:00"),
        ("2018-12-31T23", "01", "2019-01-01T06:00"),
        ("2019-01-01T01", "31", "2018-12-31T06:00"),
        ("2020-03-01T00", "29", "2020-02-29T06:00"),
    ],
)
def test_the_month_is_the_nearest_that_has_the_day(read, reference, day, time):
    table = read(f"EDDF {day}0600Z 27012KT 9999 10/05 Q1013", np.datetime64(reference)).table
    assert set(table.time) == {np.datetime64(time, "ms")}


def test_bulletins_end_their_reports_by_a_sign_and_have_headers(read):
    table = read(
        "SADL31 EDZW 201200\nMETAR EDDF 201220Z AUTO 27012KT\n     9999 10/05 Q1013=\n"
        "SPECI UUEE 201225Z 27003MPS CAVOK 05/04 Q0998="
    ).table
    assert set(table.labels("station")) == {"EDDF", "UUEE"}


def test_a_report_ends_where_the_next_begins_though_it_lacks_the_sign(read):
    lines = [
        "EDDF 201220Z 27012KT 9999 10/05 Q1013",
        "UUEE 201220Z 27003MPS CAVOK 05/04 Q0998=",
        "EDDF 201250Z 27012KT",
        "9999 11/05 Q1012=",
    ]
    table = read("\n".join(lines)).table
    warm = table.where(table.is_of("variable", "t2m"))
    found = zip(warm.labels("station").tolist(), (warm.value - 273).round().tolist(), strict=True)
    assert sorted(found) == [("EDDF", 10.0), ("EDDF", 11.0), ("UUEE", 5.0)]
    ps = table.where(table.is_of("variable", "ps") & table.is_of("station", "EDDF"))
    assert ps.value.tolist() == pytest.approx(
        [float(station_pressure(qnh + 50.0, 111.0)) for qnh in (101_300.0, 101_200.0)]
    )


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ("METAR EDDF 322500Z 27012KT 9999 10/05 Q1013", Refusal.TIME),
        ("METAR XXXX 201220Z 27012KT 9999 10/05 Q1013", Refusal.POSITION),
        ("METAR EDDF 201220Z NIL", Refusal.NO_VALUE),
        ("METAR EDDF 201220Z /////KT //// ///// Q////", Refusal.NO_VALUE),
        ("TAF EDDF 2012/2118 27012KT 9999", Refusal.TEMPLATE),
        ("TAF EDDF 201100Z 27012KT 9999", Refusal.TEMPLATE),
        ("EDDF 201100Z 2012/2118 27012KT 9999", Refusal.TEMPLATE),
    ],
)
def test_what_cannot_be_a_row_is_counted(read, report, reason):
    reading = read(f"{report}\n\nMETAR EDDF 201220Z 27012KT 9999 10/05 Q1013\n")
    assert reading.refused == {reason.value: 1}
    assert len(reading.table) == 4


def test_illegible_groups_do_not_cost_the_others(read):
    got = values(read("EDDF 201220Z 27012KT 99?9 FOO 10/05 Q1013").table)
    assert set(got) == {"t2m", "u10", "v10", "ps"}


def test_an_empty_file_is_an_empty_table(read):
    assert len(read("").table) == 0


def test_what_is_needed_is_said(tmp_path, monkeypatch):
    with pytest.raises(BuildError, match="No such file"):
        read_metar(tmp_path / "absent.txt", AERODROMES, REFERENCE)
    monkeypatch.setitem(sys.modules, "metar.Metar", None)
    with pytest.raises(BuildError, match=r"dambench-hub\[observations\]"):
        read_metar(tmp_path / "absent.txt", AERODROMES, REFERENCE)
