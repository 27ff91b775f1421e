import numpy as np
import pytest
from report_tables import table_of

from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.quality_control import (
    blacklisted,
    check_reports,
    counts_by_reason,
    far_from_background,
    gross_errors,
    mark,
    whole_winds,
)
from dambench_hub.observations.table import ObservationTable


@pytest.mark.parametrize("variable", OBSERVED_VARIABLES.values(), ids=lambda v: v.name)
def test_the_values_that_nature_has_pass_and_those_beyond_do_not(variable):
    low, high = variable.possible
    margin = (high - low) / 1000
    values = [low - margin, low + margin, high - margin, high + margin]
    pressure = 50_000.0 if variable.on_levels else np.nan
    table = table_of(variable=variable.name, value=values, pressure=pressure, station=list("abcd"))
    assert gross_errors(table).tolist() == [True, False, False, True]


def test_celsius_taken_for_kelvin_is_a_gross_error():
    assert gross_errors(table_of(value=[15.0, 288.15])).tolist() == [True, False]


def test_of_a_wrong_wind_both_components_fail():
    station, variable = ["a", "b", "a", "b"], ["u10", "u10", "v10", "v10"]
    table = table_of(station=station, variable=variable, value=[349.0, 3.0, 0.5, 0.5])
    assert gross_errors(table).tolist() == [True, False, True, False]


def test_winds_are_whole_at_their_own_level_only():
    variable = ["u", "u", "v", "v", "t"]
    pressure = [50_000.0, 85_000.0, 50_000.0, 85_000.0, 50_000.0]
    table = table_of(variable=variable, pressure=pressure, report="temp")
    failed = whole_winds(table, np.array([True, False, False, False, True]))
    assert failed.tolist() == [True, False, True, False, True]


def test_a_wrong_wind_does_not_spoil_its_correction():
    table = table_of(variable=["u10", "u10", "v10", "v10"], value=[349.0, 3.0, 0.5, 0.6])
    assert gross_errors(table).tolist() == [True, False, True, False]
    checked = check_reports(table)
    assert checked.quality.tolist() == [Quality.GROSS, Quality.GOOD] * 2


def test_only_stations_of_the_blacklist_fail():
    table = table_of(station=["a", "b", "a"])
    assert blacklisted(table, {"a", "nowhere"}).tolist() == [True, False, True]


def test_the_first_reason_stays():
    table = mark(table_of(value=[280.0, 281.0]), np.array([True, False]), Quality.GROSS)
    table = mark(table, np.array([True, True]), Quality.DUPLICATE)
    assert table.quality.tolist() == [Quality.GROSS, Quality.DUPLICATE]
    assert counts_by_reason(table) == {"gross": 1, "duplicate": 1}


def test_the_background_check_bounds_the_departure_by_both_errors():
    table = table_of(value=[280.0] * 4, error_std=3.0, station=list("abcd"))
    bound = 2.0 * 5.0  # k √(3² + 4²)
    innovation = np.array([bound * 0.999, -bound * 1.001, bound * 1.001, np.nan])
    failed = far_from_background(table, innovation, np.full(4, 4.0), factor=2.0)
    assert failed.tolist() == [False, True, True, False]


def test_the_background_never_judges_what_is_withheld():
    variable = ["u10", "v10"] * 2
    table = table_of(variable=variable, station=["a", "a", "b", "b"], value=1.0)
    table = table.replace(withheld=np.array([False, False, True, True]))
    failed = far_from_background(table, np.array([99.0, 0.0, 99.0, 99.0]), 1.0)
    assert failed.tolist() == [True, True, False, False]


def test_a_correction_takes_the_place_of_what_it_corrects():
    checked = check_reports(table_of(value=[999.0, 280.0, 280.0]))
    assert checked.quality.tolist() == [Quality.GROSS, Quality.GOOD, Quality.DUPLICATE]


def test_all_checks_leave_the_values_as_they_were():
    table = table_of(
        value=[999.0, 280.0, 281.0, 282.0],
        station=["gross", "black", "good", "good"],
        longitude=[8.0, 9.0, 10.0, 10.0],
    )
    checked = check_reports(table, blacklist=["black"])
    assert counts_by_reason(checked) == {"good": 1, "gross": 1, "duplicate": 1, "blacklisted": 1}
    assert checked.value.tolist() == table.value.tolist()


def test_a_table_of_no_rows_passes():
    assert counts_by_reason(check_reports(ObservationTable.empty(), ["a"])) == {}
