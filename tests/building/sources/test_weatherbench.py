"""ERA5 from WeatherBench2: longitude first, south first, two days a chunk, until 2023-01-10."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr
import zarr

from dambench_hub.building.sources.states import (
    MissingData,
    read_states,
    require_channels,
    require_times,
)
from dambench_hub.building.sources.weatherbench import ADDRESS, open_weatherbench
from dambench_hub.coordinates.variables import (
    ERA5_NAMES,
    STANDARD_CHANNELS,
    STANDARD_LEVELS,
    parse_channel,
)
from dambench_hub.errors import BuildError

LAST = np.datetime64("2023-01-10T18", "h")
NAMES = {theirs: ours for ours, theirs in ERA5_NAMES.items()}


def times(count, step=6):
    """The last `count` times of the archive, `step` hours apart."""
    return LAST - step * np.arange(count)[::-1]


def expected(raw, channels, row):
    """A state from the arrays as they were written: (row, level, longitude, latitude)."""
    fields = []
    for channel in map(parse_channel, channels):
        field = raw[ERA5_NAMES[channel.variable.name]][row]
        if channel.level is not None:
            field = field[STANDARD_LEVELS.index(channel.level)]
        fields.append([[field[x, y] for x in range(16)] for y in range(8, -1, -1)])
    return np.array(fields, "f4")


def states(dataset, channels, when):
    return dict(read_states(dataset, channels, when, lambda fields: fields))


def test_axes_and_sentences(write_weatherbench):
    path, _ = write_weatherbench()
    dataset = open_weatherbench(str(path))
    np.testing.assert_array_equal(dataset.latitude, np.linspace(90, -90, 9))
    np.testing.assert_array_equal(dataset.longitude, 22.5 * np.arange(16))
    np.testing.assert_array_equal(dataset.level, STANDARD_LEVELS)
    assert dataset.time.values[[0, -1]].astype("M8[h]").tolist() == [
        np.datetime64("1959-01-01T00").item(),
        LAST.item(),
    ]
    assert dataset.attrs["address"] == str(path) and dataset.attrs["commercial"] is True
    assert "information 1959-2023. Neither the European" in dataset.attrs["attribution"]
    for name in ("title", "source", "licence", "citation"):
        assert dataset.attrs[name]
    assert not set(dataset.data_vars) - {
        *NAMES.values(),
        "geopotential_at_surface",
        "land_sea_mask",
    }
    require_channels(dataset, STANDARD_CHANNELS, "here")


def test_values_are_those_written(write_weatherbench):
    path, raw = write_weatherbench()
    when = times(16)
    found = states(open_weatherbench(str(path)), STANDARD_CHANNELS, when)
    assert list(found) == list(when)
    for row, time in enumerate(when):
        np.testing.assert_array_equal(found[time], expected(raw, STANDARD_CHANNELS, row))


def test_values_of_chosen_channels_and_times(write_weatherbench):
    path, raw = write_weatherbench(chunks=3)
    channels, when = ["t2m", "z500", "z50", "q1000", "u10"], times(6, step=24)
    found = states(open_weatherbench(str(path)), channels, when)
    for row, time in zip(range(3, 24, 4), when, strict=True):
        np.testing.assert_array_equal(found[time], expected(raw, channels, row))


def test_fixed_fields_stay(write_weatherbench):
    path, _ = write_weatherbench()
    dataset = open_weatherbench(str(path))
    for name, value in (("geopotential_at_surface", 5000.0), ("land_sea_mask", 0.25)):
        assert set(dataset[name].dims) == {"latitude", "longitude"}
        np.testing.assert_array_equal(dataset[name], np.full((16, 9), value))


def test_opening_reads_no_field_and_reading_each_chunk_once(write_weatherbench, chunk_reads):
    path, _ = write_weatherbench(chunks=3)
    dataset = open_weatherbench(str(path))
    require_channels(dataset, STANDARD_CHANNELS, "here")
    require_times(dataset, times(24), "here")
    assert chunk_reads == []
    states(dataset, STANDARD_CHANNELS, times(6, step=24))  # every fourth time of three chunks
    assert set(Counter(chunk_reads).values()) == {1} and len(chunk_reads) == 3 * 9


@pytest.mark.parametrize("name", ["geopotential", "2m_temperature"])
def test_a_missing_chunk_is_missing_data_at_its_times_only(write_weatherbench, drop_chunk, name):
    path, raw = write_weatherbench()
    drop_chunk(path, name, 93544 // 8 - 2)
    when = times(16)
    found = states(open_weatherbench(str(path)), STANDARD_CHANNELS, when)
    for time in when[:8]:
        assert isinstance(found[time], MissingData)
        assert NAMES[name] in str(found[time]) and str(time) in str(found[time])
    for row, time in enumerate(when[8:], start=8):
        np.testing.assert_array_equal(found[time], expected(raw, STANDARD_CHANNELS, row))


def test_other_channels_of_an_incomplete_copy_can_be_read(write_weatherbench, drop_chunk):
    path, raw = write_weatherbench()
    drop_chunk(path, "geopotential", 93544 // 8 - 1)
    found = states(open_weatherbench(str(path)), ["t850"], times(1))
    np.testing.assert_array_equal(found[LAST], expected(raw, ["t850"], 15))


def test_years_after_its_end_are_elsewhere(write_weatherbench):
    path, _ = write_weatherbench()
    dataset = open_weatherbench(str(path))
    year = np.arange("2023-01-01", "2024-01-01", dtype="M8[D]").astype("M8[h]")
    with pytest.raises(BuildError, match=r"355 times outside, from 2023-01-11T00.*ARCO-ERA5"):
        require_times(dataset, year, "WeatherBench2", dataset.attrs["elsewhere"])


def test_a_store_with_latitude_first_gives_the_same(write_weatherbench, tmp_path):
    path, _ = write_weatherbench(names=("temperature", "2m_temperature"))
    with xr.open_zarr(path, chunks=None) as theirs:
        other = theirs[["temperature", "2m_temperature"]].isel(time=slice(-16, None))
        other = other.transpose("time", "level", "latitude", "longitude").isel(
            latitude=slice(None, None, -1)
        )
        other = other.load().drop_encoding()
        other = other.assign_coords(latitude=other.latitude.astype("f4"))
        other.to_zarr(tmp_path / "other.zarr", zarr_format=2, consolidated=True)
    channels, when = ["t500", "t2m"], times(16)
    one = states(open_weatherbench(str(path)), channels, when)
    two = states(open_weatherbench(str(tmp_path / "other.zarr")), channels, when)
    for time in when:
        np.testing.assert_array_equal(one[time], two[time])


def test_the_default_is_the_store_with_poles(monkeypatch):
    opened = []

    def refuse(path, **options):
        opened.append((path, options))
        raise OSError("no network here")

    monkeypatch.setattr(xr, "open_zarr", refuse)
    with pytest.raises(BuildError, match="local copy"):
        open_weatherbench()
    ((path, options),) = opened
    assert path == ADDRESS and path.endswith("240x121_equiangular_with_poles_conservative.zarr")
    assert options["storage_options"]["token"] == "anon" and options["chunks"] is None


def test_means_are_no_analyses(write_weatherbench):
    path, _ = write_weatherbench()
    array = zarr.open_group(path, mode="r+", use_consolidated=False)["2m_temperature"]
    array.attrs["cell_methods"] = "time: mean"
    zarr.consolidate_metadata(path, zarr_format=2)
    with pytest.raises(BuildError, match="t2m holds a mean over time"):
        open_weatherbench(str(path))
