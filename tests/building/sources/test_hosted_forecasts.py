"""Hosted forecasts are read by their valid time, and carry their terms."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr

from dambench_hub.building.sources import hosted_forecasts as forecasts
from dambench_hub.building.sources.hosted_forecasts import BUCKET, MODELS, STORES, open_forecasts
from dambench_hub.building.sources.states import (
    MissingData,
    read_states,
    require_channels,
    require_times,
)
from dambench_hub.building.sources.weatherbench import open_weatherbench
from dambench_hub.coordinates.variables import (
    ERA5_NAMES,
    STANDARD_CHANNELS,
    STANDARD_LEVELS,
    parse_channel,
)
from dambench_hub.errors import BuildError

NAMES = tuple(ERA5_NAMES.values())
STARTS = np.arange("2022-12-25T00", "2023-01-01T00", 12, dtype="M8[h]")
LEADS = 6 * np.arange(1, 9)
LEVELS = np.array(STANDARD_LEVELS[::-1])
HOURS = {"units": "hours"}
PANGU = "pangu/2018-2022_0012_240x121_equiangular_with_poles_conservative.zarr"


@pytest.fixture
def hosted(tmp_path, store_writer, plausible):
    """Writes forecasts as WeatherBench2 does: levels descend, longitude comes first."""

    def write(folder=PANGU, lead=HOURS, leads=LEADS, names=NAMES, axes=()):
        path = tmp_path / folder
        writer, sizes = store_writer(path), (16, 9)
        called = {"longitude": "longitude", "latitude": "latitude", **dict(axes)}
        grid = tuple(called.values())
        hours = (STARTS - np.datetime64("2018-01-01T00", "h")).astype("i8")
        writer.axis("time", hours, units="hours since 2018-01-01")
        writer.axis("prediction_timedelta", leads, **lead)
        writer.axis("level", LEVELS)
        writer.axis(called["latitude"], np.linspace(-90, 90, 9))
        writer.axis(called["longitude"], 22.5 * np.arange(16))
        raw = {}
        for name in names:
            upper = not name.startswith(("10m", "2m", "mean"))
            inner = (13, *sizes) if upper else sizes
            dims = ("time", "prediction_timedelta", *(["level"] if upper else []), *grid)
            shape = (len(STARTS), len(leads), *inner)
            raw[name] = plausible(name, shape, LEVELS if upper else None, level_axis=2)
            writer.array(name, dims, shape, (4, 2, *inner))[...] = raw[name]
        writer.close()
        return str(path), raw

    return write


def states(dataset, times, channels=STANDARD_CHANNELS):
    return dict(read_states(dataset, channels, times, lambda fields: fields))


def expected(raw, channels, start, lead):
    fields = []
    for channel in map(parse_channel, channels):
        field = raw[ERA5_NAMES[channel.variable.name]][start, list(LEADS).index(lead)]
        if channel.level is not None:
            field = field[12 - STANDARD_LEVELS.index(channel.level)]
        fields.append([[field[x, y] for x in range(16)] for y in range(8, -1, -1)])
    return np.array(fields, "f4")


@pytest.mark.parametrize("lead", [6, 24, 48])
def test_values_are_those_of_the_start_a_lead_earlier(hosted, lead):
    path, raw = hosted()
    dataset, valid = open_forecasts(path, lead), STARTS + lead
    np.testing.assert_array_equal(dataset.time.values.astype("M8[h]"), valid)
    require_channels(dataset, STANDARD_CHANNELS, path)
    found = states(dataset, valid)
    for start, time in enumerate(valid):
        np.testing.assert_array_equal(found[time], expected(raw, STANDARD_CHANNELS, start, lead))
    assert dataset.attrs["lead_hours"] == lead
    assert dataset.attrs["title"].startswith(f"{lead}-hour forecasts")


@pytest.mark.parametrize(
    ("lead", "leads"),
    [
        (HOURS, LEADS),
        ({}, LEADS),
        ({}, LEADS.astype("f8")),
        ({"units": "days"}, LEADS / 24),
        ({"units": "hours", "dtype": "timedelta64[ns]"}, LEADS),
        ({"units": "seconds"}, 3600 * LEADS),
    ],
    ids=str,
)
def test_leads_are_understood_however_they_are_written(hosted, lead, leads):
    path, raw = hosted(lead=lead, leads=leads, names=("2m_temperature",))
    found = states(open_forecasts(path), STARTS[:1] + 24, ("t2m",))
    np.testing.assert_array_equal(found[STARTS[0] + 24], expected(raw, ("t2m",), 0, 24))


def test_other_names_of_the_axes(hosted):
    names = ("temperature",)
    axes = {"longitude": "lon", "latitude": "lat"}
    path, raw = hosted(names=names, axes=axes)
    found = states(open_forecasts(path), STARTS[:1] + 24, ("t850",))
    np.testing.assert_array_equal(found[STARTS[0] + 24], expected(raw, ("t850",), 0, 24))


def test_a_copy_of_one_lead_is_read_too(hosted, tmp_path):
    path, raw = hosted(names=("2m_temperature",))
    whole = xr.open_zarr(path, chunks=None, decode_timedelta=True)
    one = whole.sel(prediction_timedelta=np.timedelta64(24, "h")).load().drop_encoding()
    one = one.assign_coords(valid_time=one.time + one.prediction_timedelta)
    one.to_zarr(tmp_path / "one.zarr", zarr_format=2)
    found = states(open_forecasts(str(tmp_path / "one.zarr")), STARTS[:1] + 24, ("t2m",))
    np.testing.assert_array_equal(found[STARTS[0] + 24], expected(raw, ("t2m",), 0, 24))
    with pytest.raises(BuildError, match=r"no lead of 48 hours; it has 24\."):
        open_forecasts(str(tmp_path / "one.zarr"), 48)


def test_opening_reads_no_field_and_reading_each_chunk_once(hosted, chunk_reads):
    path, _ = hosted()
    dataset = open_forecasts(path)
    assert chunk_reads == []
    states(dataset, STARTS + 24)
    count = -(-len(STARTS) // 4) * len(NAMES)
    assert set(Counter(chunk_reads).values()) == {1} and len(chunk_reads) == count


@pytest.mark.parametrize("lead", [0, 7, 54, -24])
def test_an_absent_lead_is_refused_with_the_list(hosted, lead):
    path, _ = hosted(names=("2m_temperature",))
    has = "6, 12, 18, 24, 30, 36, 42, 48"
    with pytest.raises(BuildError, match=rf"no lead of {lead} hours; it has {has}\."):
        open_forecasts(path, lead)


def test_valid_times_between_the_starts_are_missing_data(hosted):
    path, _ = hosted(names=("2m_temperature",))
    found = states(open_forecasts(path), STARTS[:2] + 30, ("t2m",))
    assert [isinstance(state, MissingData) for state in found.values()] == [True, True]


def test_times_after_the_end_are_refused_as_no_other_has_them(hosted):
    path, _ = hosted(names=("2m_temperature",))
    dataset = open_forecasts(path)
    year = np.arange("2023-01-01", "2024-01-01", dtype="M8[D]").astype("M8[h]")
    with pytest.raises(BuildError, match="pangu .2018 to 2022.*none covers 2023 or later.*FengWu"):
        require_times(dataset, year, path, dataset.attrs["elsewhere"])


def test_what_a_store_lacks_is_listed(hosted):
    path, _ = hosted(names=[name for name in NAMES if name != "specific_humidity"])
    with pytest.raises(BuildError, match="no variable for q50, q100, .*q1000"):
        require_channels(open_forecasts(path), STANDARD_CHANNELS, path)


def test_analyses_are_no_forecasts(write_weatherbench):
    path, _ = write_weatherbench()
    with pytest.raises(BuildError, match="no coordinate prediction_timedelta.*persistence"):
        open_forecasts(str(path))


def test_forecasts_are_no_analyses(hosted):
    path, _ = hosted()
    with pytest.raises(BuildError, match=r"u10 holds forecasts \(prediction_timedelta is 6 hours"):
        open_weatherbench(path)


def test_members_of_an_ensemble_are_refused(hosted, tmp_path):
    path, _ = hosted(names=("2m_temperature",))
    whole = xr.open_zarr(path, chunks=None, decode_timedelta=True).load().drop_encoding()
    whole.expand_dims(number=3).to_zarr(tmp_path / "ensemble.zarr", zarr_format=2)
    with pytest.raises(BuildError, match="dimension number, as ensembles have"):
        open_forecasts(str(tmp_path / "ensemble.zarr"))


# Names and terms


def test_a_name_stands_for_an_address(hosted, monkeypatch, tmp_path):
    hosted(names=("2m_temperature",))
    monkeypatch.setattr(forecasts, "BUCKET", f"{tmp_path}/")
    dataset = open_forecasts("pangu")
    assert dataset.attrs["address"] == str(tmp_path / PANGU)
    assert "Pangu-Weather" in dataset.attrs["title"]


def test_unknown_names_are_refused_with_the_closest():
    with pytest.raises(BuildError, match="panguu is neither.*Did you mean 'pangu'"):
        open_forecasts("panguu")


@pytest.mark.parametrize(
    ("folder", "said", "start"),
    [
        (PANGU, "CC BY-NC-SA 4.0", "from ERA5"),
        ("pangu_hres_init/2020.zarr", "CC BY-NC-SA 4.0", "from operational analyses"),
        ("graphcast.zarr", "CC BY-NC-SA 4.0", "from ERA5"),
        ("hres/2016-2022.zarr", "LICENSE file", "from operational analyses"),
        ("mine.zarr", "LICENSE file", "from unknown analyses"),
    ],
)
def test_terms_are_recognised_in_copies_and_closed_unless_known(hosted, folder, said, start):
    path, _ = hosted(folder, names=("2m_temperature",))
    attributes = open_forecasts(path).attrs
    assert attributes["commercial"] is False
    assert said in attributes["licence"] and start in attributes["source"]
    assert ("Copernicus" in attributes["attribution"]) == (start == "from ERA5")
    for name in ("title", "source", "attribution", "citation"):
        assert attributes[name]


def test_the_table_is_complete():
    for name, store in STORES.items():
        assert store.address.startswith(BUCKET) and store.address.endswith(".zarr")
        assert store.path.split("/")[0] in MODELS, name
        assert 2016 <= store.first <= store.last <= 2022
    assert {store.path.split("/")[0] for store in STORES.values()} == set(MODELS)
    assert len({store.path for store in STORES.values()}) == len(STORES)
    whole = {store.path.split("/")[0] for store in STORES.values() if not store.lacks}
    assert whole == {"pangu", "pangu_hres_init", "graphcast", "graphcast_hres_init"}
