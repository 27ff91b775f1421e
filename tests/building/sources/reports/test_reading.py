from dataclasses import replace

import numpy as np
import pytest

from dambench_hub.building.sources.reports.reading import (
    Header,
    Reading,
    Refusal,
    Reports,
    join,
    read_reports,
)
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable

NOON = np.datetime64("2018-11-20T12:00", "ms")


def reports(n=3, *, report="synop", values=None, header=(), **more):
    columns = {
        "station": np.array([f"s{i}" for i in range(n)]),
        "time": np.full(n, NOON),
        "latitude": np.linspace(10, 50, n),
        "longitude": np.linspace(-100, 100, n),
        "elevation": np.full(n, 100.0),
    } | dict(header)
    return Reports(report, Header(**columns), values or {"t2m": np.full(n, 280.0)}, **more)


def test_rows_and_refused_reports_are_all_there_are():
    rng = np.random.default_rng(0)
    n = 400
    header = {
        "time": np.where(rng.random(n) < 0.1, np.datetime64("NaT"), NOON),
        "latitude": rng.uniform(-100, 100, n),
        "longitude": rng.uniform(-200, 400, n),
        "elevation": np.where(rng.random(n) < 0.2, np.nan, rng.uniform(-2_000, 12_000, n)),
    }
    values = {"t2m": np.where(rng.random(n) < 0.1, np.nan, 280.0)}
    reading = read_reports(reports(n, header=header, values=values), {Refusal.DAMAGED: 2})
    assert len(reading.table) + sum(reading.refused.values()) == n + 2
    assert set(reading.refused) == {reason.value for reason in Refusal} - {
        Refusal.TEMPLATE.value,
        Refusal.PRESSURE.value,
        Refusal.SENSOR.value,
    }


def test_a_report_with_several_faults_is_counted_once_by_the_first():
    nowhere = np.full(1, np.nan)
    header = {"time": np.full(1, np.datetime64("NaT")), "latitude": nowhere}
    assert read_reports(reports(1, header=header)).refused == {Refusal.TIME.value: 1}


def test_longitudes_are_brought_to_0_to_360_and_noise_of_decoding_is_rounded():
    header = {
        "latitude": np.array([-90.00000000000001, 30.110000000000003, 0.0]),
        "longitude": np.array([-180.0, 360.0, -1e-12]),
    }
    table = read_reports(reports(header=header, report="ship")).table
    assert table.latitude.tolist() == [-90.0, 30.11, 0.0]
    assert table.longitude.tolist() == [180.0, 0.0, 0.0]


@pytest.mark.parametrize(("report", "rows"), [("synop", 0), ("gauge", 0), ("ship", 1)])
def test_nobody_lives_at_0_0_but_ships_pass_there(report, rows):
    header = {"latitude": np.zeros(1), "longitude": np.zeros(1)}
    values = {"precipitation": np.ones(1)}
    reading = read_reports(reports(1, header=header, report=report, values=values))
    assert len(reading.table) == rows


def test_levels_need_a_pressure():
    pressure = np.array([50_000.0, np.nan, 0.5, 130_000.0])
    values = {"t": np.full(4, 250.0)}
    reading = read_reports(reports(4, report="temp", values=values, pressure=pressure))
    assert reading.table.pressure.tolist() == [50_000.0]
    assert reading.refused == {Refusal.PRESSURE.value: 3}


def test_impossible_values_are_rows_and_those_of_the_provider_are_marked_so():
    values = {"t2m": np.array([280.0, 12.0, 281.0])}
    suspect = {"t2m": np.array([False, True, True])}
    table = read_reports(reports(values=values, suspect=suspect)).table
    assert table.quality.tolist() == [Quality.GOOD, Quality.PROVIDER, Quality.PROVIDER]
    table = read_reports(reports(values=values)).table
    assert table.quality.tolist() == [Quality.GOOD, Quality.GROSS, Quality.GOOD]


def test_what_no_table_can_hold_is_no_value():
    values = {"t2m": np.array([1e300, -np.inf, 3e38])}
    reading = read_reports(reports(values=values))
    assert reading.table.quality.tolist() == [Quality.GROSS]
    assert reading.refused == {Refusal.NO_VALUE.value: 2}


def test_unnamed_reports_of_one_place_have_one_name():
    header = {"station": np.array(["", "", "a"]), "latitude": np.full(3, 50.0)}
    header["longitude"] = np.full(3, -8.0)
    table = read_reports(reports(header=header)).table
    assert table.labels("station").tolist() == ["50.00N352.00E"] * 2 + ["a"]
    moving = read_reports(replace(reports(header=header), report="ship")).table
    assert moving.labels("station").tolist() == ["", "", "a"]


def test_readings_are_joined_with_their_counts():
    one = Reading(read_reports(reports()).table, {Refusal.TIME.value: 1, Refusal.HEIGHT.value: 2})
    both = join([one, one], {Refusal.TIME: 3})
    assert len(both.table) == 6
    assert both.refused == {Refusal.TIME.value: 5, Refusal.HEIGHT.value: 4}
    nothing = join([])
    assert len(nothing.table) == 0 and isinstance(nothing.table, ObservationTable)
