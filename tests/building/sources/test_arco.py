"""ARCO-ERA5: an axis to 2050 of which only the declared days are data."""

from collections import Counter

import numpy as np
import pytest
import zarr

from dambench_hub.building.sources.arco import open_arco
from dambench_hub.building.sources.states import (
    MissingData,
    read_states,
    require_channels,
    require_times,
)
from dambench_hub.coordinates.variables import (
    ERA5_NAMES,
    STANDARD_CHANNELS,
    STANDARD_LEVELS,
    parse_channel,
)
from dambench_hub.errors import BuildError

LEVELS = [1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400]
LEVELS += [450, 500, 550, 600, 650, 700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000]
ORIGIN, STEPS = np.datetime64("1900-01-01T00", "h"), 1323648
VALID = {
    "valid_time_start": "1940-01-01",
    "valid_time_stop": "2023-01-02",
    "valid_time_stop_era5t": "2023-01-04",
    "last_updated": "2023-01-10 01:45:36.622817+00:00",
}
WRITTEN = np.arange("2023-01-01T00", "2023-01-06T00", 6, dtype="M8[h]")
"""Five days: two final, two preliminary, one that is not declared valid."""

CHANNELS = ("t2m", "z500", "q50", "t1000")


@pytest.fixture
def arco(tmp_path, store_writer, plausible):
    """A store with four variables, and what was written to them at `WRITTEN`."""
    writer, grid, sizes = (
        store_writer(tmp_path / "arco.zarr", **VALID),
        ("latitude", "longitude"),
        (9, 16),
    )
    units = {"units": "hours since 1900-01-01", "calendar": "proleptic_gregorian"}
    writer.axis("time", np.arange(STEPS), **units)
    writer.axis("level", np.array(LEVELS))
    writer.axis("latitude", np.linspace(90, -90, 9).astype("f4"))
    writer.axis("longitude", (22.5 * np.arange(16)).astype("f4"))
    raw, rows = {}, (WRITTEN - ORIGIN).astype(int)
    for name in ("2m_temperature", "geopotential", "specific_humidity", "temperature"):
        upper = name != "2m_temperature"
        inner = (37, *sizes) if upper else sizes
        dims = ("time", *(["level"] if upper else []), *grid)
        array = writer.array(name, dims, (STEPS, *inner), (1, *inner))
        raw[name] = plausible(name, (len(rows), *inner), LEVELS if upper else None)
        for row, values in zip(rows, raw[name], strict=True):
            array[row] = values
    fixed = writer.array("land_sea_mask", ("time", *grid), (STEPS, *sizes), (1, *sizes))
    fixed[(np.datetime64("1940-01-01T00", "h") - ORIGIN).astype(int)] = 0.5
    writer.array("geopotential_at_surface", grid, sizes, sizes)[...] = 5000.0
    writer.array("total_precipitation", ("time", *grid), (STEPS, *sizes), (1, *sizes))
    writer.close()
    return tmp_path / "arco.zarr", raw


def states(dataset, times, channels=CHANNELS):
    return dict(read_states(dataset, channels, times, lambda fields: fields))


def test_a_store_of_the_true_levels_has_ours():
    assert len(LEVELS) == 37 and set(STANDARD_LEVELS) <= set(LEVELS)


def test_only_whole_declared_days_are_there(arco):
    path, _ = arco
    dataset = open_arco(str(path))
    first, last = dataset.time.values[[0, -1]].astype("M8[h]")
    assert str(first) == "1940-01-01T00" and str(last) == "2023-01-02T23"
    assert len(dataset.time) == (last - first).astype(int) + 1
    assert dataset.attrs["stage"] == "final" and dataset.attrs["final_until"] == "2023-01-02"
    np.testing.assert_array_equal(dataset.latitude, np.linspace(90, -90, 9))
    np.testing.assert_array_equal(dataset.level, LEVELS)


def test_preliminary_days_are_there_when_asked_for_and_are_called_so(arco):
    path, _ = arco
    dataset = open_arco(str(path), preliminary=True)
    assert str(dataset.time.values[-1].astype("M8[h]")) == "2023-01-04T23"
    assert dataset.attrs["stage"] == "final and preliminary"
    assert dataset.attrs["final_until"] == "2023-01-02"
    assert "final and preliminary" in dataset.attrs["source"]


def test_values_are_those_written(arco):
    path, raw = arco
    found = states(open_arco(str(path), preliminary=True), WRITTEN[:16])
    assert list(found) == list(WRITTEN[:16])
    for row, time in enumerate(WRITTEN[:16]):
        for channel, values in zip(map(parse_channel, CHANNELS), found[time], strict=True):
            written = raw[ERA5_NAMES[channel.variable.name]][row]
            if channel.level is not None:
                written = written[LEVELS.index(channel.level)]
            np.testing.assert_array_equal(values, written)


def test_opening_reads_no_field_and_reading_each_chunk_once(arco, chunk_reads):
    path, _ = arco
    dataset = open_arco(str(path))
    assert chunk_reads == []
    states(dataset, WRITTEN[:8])
    assert set(Counter(chunk_reads).values()) == {1} and len(chunk_reads) == 8 * 4


def test_a_day_that_is_nan_inside_the_range_is_missing_data(arco, drop_chunk):
    path, raw = arco
    row = (WRITTEN[1] - ORIGIN).astype(int)
    drop_chunk(path, "specific_humidity", row)
    found = states(open_arco(str(path)), WRITTEN[:3])
    assert isinstance(found[WRITTEN[1]], MissingData)
    assert str(found[WRITTEN[1]]) == f"q has 144 missing values on 50 hPa at {WRITTEN[1]}"
    for n in (0, 2):
        np.testing.assert_array_equal(found[WRITTEN[n]][0], raw["2m_temperature"][n])


def test_hours_that_were_never_written_are_missing_data(arco):
    path, _ = arco
    time = np.array(["1959-01-01T00"], "M8[h]")
    assert isinstance(states(open_arco(str(path)), time)[time[0]], MissingData)


def test_times_that_are_not_declared_are_refused_with_advice(arco):
    path, _ = arco
    dataset = open_arco(str(path))
    with pytest.raises(BuildError, match=r"from 2023-01-03T00.*to 2023-01-02.*Preliminary values"):
        require_times(dataset, WRITTEN, "ARCO", dataset.attrs["elsewhere"])
    dataset = open_arco(str(path), preliminary=True)
    with pytest.raises(BuildError, match=r"preliminary ones to 2023-01-04"):
        require_times(dataset, WRITTEN, "ARCO", dataset.attrs["elsewhere"])
    early = np.array(["1939-12-31T18"], "M8[h]")
    with pytest.raises(BuildError, match="no ERA5 before 1940"):
        require_times(dataset, early, "ARCO", dataset.attrs["elsewhere"])


def test_missing_variables_are_listed(arco):
    path, _ = arco
    with pytest.raises(BuildError, match="no variable for u10, v10, msl, u50, .*v1000"):
        require_channels(open_arco(str(path)), STANDARD_CHANNELS, "ARCO")


def test_fixed_fields_with_and_without_time_stay(arco):
    path, _ = arco
    dataset = open_arco(str(path))
    assert dataset.land_sea_mask.dims == ("time", "latitude", "longitude")
    assert np.all(dataset.land_sea_mask.isel(time=0) == 0.5)
    assert dataset.geopotential_at_surface.dims == ("latitude", "longitude")
    assert np.all(dataset.geopotential_at_surface == 5000)


def test_sentences(arco):
    path, _ = arco
    attributes = open_arco(str(path)).attrs
    assert "information 1940-2023." in attributes["attribution"]
    assert "Hersbach" in attributes["citation"] and "Carver" in attributes["citation"]
    assert attributes["licence"] == "cc-by-4.0" and attributes["commercial"] is True


@pytest.mark.parametrize("name", ["valid_time_start", "valid_time_stop"])
@pytest.mark.parametrize("value", [None, "", "soon", "NaT", 12])
def test_a_store_that_does_not_say_what_is_valid_is_refused(arco, edit_attributes, name, value):
    path, _ = arco
    edit_attributes(path, **{name: value})
    with pytest.raises(BuildError, match=f"attribute {name} must be a date"):
        open_arco(str(path))


def test_preliminary_days_must_be_declared_only_when_asked_for(arco, edit_attributes):
    path, _ = arco
    edit_attributes(path, valid_time_stop_era5t=None)
    open_arco(str(path))
    with pytest.raises(BuildError, match="attribute valid_time_stop_era5t must be a date"):
        open_arco(str(path), preliminary=True)


def test_hours_in_a_declared_date_change_nothing(arco, edit_attributes):
    path, _ = arco
    edit_attributes(path, valid_time_stop="2023-01-02 00:00:00")
    assert str(open_arco(str(path)).time.values[-1].astype("M8[h]")) == "2023-01-02T23"


def test_forecasts_are_no_analyses(arco):
    path, _ = arco
    array = zarr.open_group(path, mode="r+", use_consolidated=False)["2m_temperature"]
    array.attrs["GRIB_dataType"] = "fc"
    zarr.consolidate_metadata(path, zarr_format=2)
    with pytest.raises(BuildError, match="t2m holds forecasts"):
        open_arco(str(path))


@pytest.mark.parametrize("stop", ["1939-12-31", "1899-12-31"])
def test_no_valid_day_at_all_is_refused(arco, edit_attributes, stop):
    path, _ = arco
    edit_attributes(path, valid_time_stop=stop)
    with pytest.raises(BuildError, match="has no such times: its axis runs from 1900-01-01"):
        open_arco(str(path))


def test_a_retired_axis_from_1959_is_decoded_not_counted(arco, store_writer, tmp_path):
    """Another origin of the axis moves every index, but no time."""
    writer = store_writer(tmp_path / "old.zarr", **{**VALID, "valid_time_start": "1959-01-01"})
    hours = np.arange(24 * 366 * 64)
    writer.axis("time", hours, units="hours since 1959-01-01", calendar="proleptic_gregorian")
    writer.axis("latitude", np.linspace(90, -90, 9))
    writer.axis("longitude", 22.5 * np.arange(16))
    _, raw = arco
    array = writer.array(
        "2m_temperature", ("time", "latitude", "longitude"), (len(hours), 9, 16), (1, 9, 16)
    )
    array[(WRITTEN[0] - np.datetime64("1959-01-01T00", "h")).astype(int)] = raw["2m_temperature"][0]
    writer.close()
    found = states(open_arco(str(tmp_path / "old.zarr")), WRITTEN[:1], ("t2m",))
    np.testing.assert_array_equal(found[WRITTEN[0]][0], raw["2m_temperature"][0])
