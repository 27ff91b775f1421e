from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dambench_hub.building.sources.reports.nnja import read_nnja
from dambench_hub.building.sources.reports.reading import Refusal
from dambench_hub.errors import BuildError
from dambench_hub.observations.quality import Quality

NOON = datetime(2021, 1, 1, 12, tzinfo=UTC)

HEADER = {"OBS_TIMESTAMP": [NOON] * 3, "LAT": [45.42, 8.08, -60.0], "LON": [12.38, -80.95, 179.5]}
SYNOP = HEADER | {
    "SELV": [6.0, 88.0, None],
    "RPID": ["16101", "78795 ", "89055"],
    "WNDSQ1.WDIR": [350.0, 0.0, None],
    "WNDSQ1.WSPD": [1.0, 0.0, 5.0],
    "WNDSQ1.QMWN": [None, None, None],
    "TMPSQ1.TMDB": [278.25, 301.15, 1e11],
    "TMPSQ1.QMAT": [2, 14, None],
    "PRSSQ1.PRES": [101_300.0, None, None],
    "PRSSQ1.PMSL": [101_370.0, 101_000.0, None],
    "PRSSQ1.QMPR": [None, None, None],
    "PCPSQ1.PCPSQ2.TP24": [None, 4.2, -0.1],
    "TOCC": [None, 88.0, 100.0],
}
"""Columns of conv-adpsfc-NC000001, with the first rows that the archive's examples show."""
TEXTS = {"RPID", "UASID.RPID"}


@pytest.fixture
def write(tmp_path):
    def write_columns(columns, name="file.parquet"):
        def kind(column):
            if column == "OBS_TIMESTAMP":
                return pa.timestamp("ns", tz="UTC")
            return pa.string() if column in TEXTS else pa.float64()

        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        arrays = {key: pa.array(values, kind(key)) for key, values in columns.items()}
        pq.write_table(pa.table(arrays), path)
        return path

    return write_columns


def rows(table, variable):
    chosen = table.where(table.is_of("variable", variable))
    return dict(zip(chosen.labels("station").tolist(), chosen.value.tolist(), strict=True))


def test_surface_reports(write):
    reading = read_nnja(write(SYNOP))
    table = reading.table
    assert reading.refused == {}
    assert rows(table, "t2m") == pytest.approx({"16101": 278.25, "78795": 301.15})
    assert rows(table, "ps") == pytest.approx({"16101": 101_300.0})
    assert rows(table, "msl") == pytest.approx({"16101": 101_370.0, "78795": 101_000.0})
    assert rows(table, "precipitation") == pytest.approx({"78795": 4.2, "89055": 0.0})
    assert rows(table, "v10") == pytest.approx(
        {"16101": -np.cos(np.deg2rad(350)), "78795": 0.0}, abs=1e-6
    )
    assert set(table.longitude) == {12.38, 279.05, 179.5}
    assert set(table.time) == {np.datetime64("2021-01-01T12:00", "ms")}
    assert table.names("report") == ["synop"]


def test_marks_beyond_suspect_are_of_the_provider(write):
    table = read_nnja(write(SYNOP)).table
    marked = table.where(table.quality == Quality.PROVIDER)
    assert marked.labels("variable").tolist() == ["t2m"]
    assert marked.labels("station").tolist() == ["78795"]


@pytest.mark.parametrize(
    ("names", "report"),
    [
        ({"temperature": "MTRTMP.TMDB", "wind": "MTRWND"}, "metar"),
        ({"temperature": "TEMHUMDA.TMDB", "wind": "BSYWND1"}, "synop"),
    ],
)
def test_other_messages_have_other_columns(names, report, write):
    columns = HEADER | {
        "RPID": ["a", "b", "c"],
        names["temperature"]: [280.0, 281.0, 282.0],
        f"{names['wind']}.WDIR": [270.0] * 3,
        f"{names['wind']}.WSPD": [3.0] * 3,
    }
    table = read_nnja(write(columns)).table
    assert table.names("report") == [report]
    assert rows(table, "t2m") == {"a": 280.0, "b": 281.0, "c": 282.0}
    assert rows(table, "u10") == pytest.approx({"a": 3.0, "b": 3.0, "c": 3.0})


SOUNDING = HEADER | {
    "WMOB": [16.0, 78.0, None],
    "WMOS": [80.0, 73.0, None],
    "UASID.RPID": [None, "78073", "PLANE"],
    "UASID.SELV": [103.0, 1_000.0, 5.0],
    "TMDB_PRLC50000": [250.0, 260.0, None],
    "TMDP_PRLC50000": [240.0, None, None],
    "WDIR_PRLC50000": [90.0, 90.0, None],
    "WSPD_PRLC50000": [10.0, 20.0, None],
    "GP10_PRLC50000": [54_000.0, None, None],
    "QMAT_PRLC50000": [1.0, 14.0, None],
    "QMWN_PRLC50000": [14.0, 1.0, None],
    "TMDB_PRLC100000": [None, None, 285.0],
    "GP10_PRLC100000": [500.0, 900.0, None],
}
"""Columns of conv-adpupa-NC002001, whose numbers are pressures in Pa."""


def test_mandatory_levels_are_reports(write):
    reading = read_nnja(write(SOUNDING))
    table = reading.table
    assert table.names("report") == ["temp"]
    assert rows(table, "t") == {"16080": 250.0, "78073": 260.0, "PLANE": 285.0}
    t = table.where(table.is_of("variable", "t"))
    assert sorted(t.pressure) == [50_000.0, 50_000.0, 100_000.0]
    assert rows(table, "u") == pytest.approx({"16080": -10.0, "78073": -20.0})
    assert list(rows(table, "q")) == ["16080"]
    z = table.where(table.is_of("variable", "z"))
    assert z.value.tolist() == [54_000.0]  # 1000 hPa lies below the stations
    assert reading.refused == {Refusal.NO_VALUE.value: 2}


def test_marks_of_levels_are_of_their_variable(write):
    table = read_nnja(write(SOUNDING)).table
    marked = table.where(table.quality == Quality.PROVIDER)
    got = set(zip(marked.labels("variable"), marked.labels("station"), strict=True))
    assert got == {("t", "78073"), ("u", "16080"), ("v", "16080")}


def test_a_folder_is_read_with_its_partitions(write, tmp_path):
    for day in (1, 2):
        write(SYNOP, f"NC000001/OBS_DATE=2021-01-0{day}/part.parquet")
    one = read_nnja(write(SYNOP))
    assert len(read_nnja(tmp_path / "NC000001").table) == 2 * len(one.table)


def test_reports_that_cannot_be_rows_are_counted(write):
    columns = SYNOP | {"OBS_TIMESTAMP": [None, NOON, NOON], "LAT": [45.0, 95.0, None]}
    reading = read_nnja(write(columns))
    assert reading.refused == {Refusal.TIME.value: 1, Refusal.POSITION.value: 2}
    assert len(reading.table) == 0


def test_a_file_without_rows_is_an_empty_table(write):
    assert len(read_nnja(write({name: [] for name in SYNOP})).table) == 0


def test_another_archive_is_refused(write, tmp_path):
    with pytest.raises(BuildError, match="no column OBS_TIMESTAMP, LON"):
        read_nnja(write({"LAT": [1.0], "TMDB": [280.0]}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match="holds no Parquet files"):
        read_nnja(tmp_path / "empty")
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(BuildError, match="cannot be read as Parquet"):
        read_nnja(tmp_path / "text.parquet")
