"""Requests as the Climate Data Store wants them, and downloads that survive everything."""

import errno
import itertools
import json
import zipfile

import cdsapi
import h5netcdf
import numpy as np
import pytest
import requests as http
from filelock import FileLock

from dambench_hub.building.sources.cds import download as cds
from dambench_hub.building.sources.cds.download import (
    PRESSURE_LEVELS,
    SINGLE_LEVELS,
    download,
    open_cds,
    requests,
)
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import ERA5_NAMES, STANDARD_CHANNELS, STANDARD_LEVELS
from dambench_hub.errors import BuildError, ChannelError, DambenchError

GRID = Grid(121, 240)
SHORT = {name: short for short, name in ERA5_NAMES.items()}
UNITS = {"z": "m**2 s**-2", "q": "kg kg**-1", "t": "K", "t2m": "K", "msl": "Pa"}


def every(hours, first="2024-01-01", stop="2024-03-01"):
    return np.arange(np.datetime64(first, "h"), np.datetime64(stop, "h"), hours)


def test_the_body_is_what_the_interface_wants():
    """Word by word, as the documentation of the data sets shows it."""
    z, single = sorted(
        requests(["t2m", "z500", "msl", "z50"], every(12, stop="2024-01-03"), GRID),
        key=lambda request: request.dataset,
    )
    assert z.dataset == "reanalysis-era5-pressure-levels"
    assert z.body == {
        "product_type": ["reanalysis"],
        "variable": ["geopotential"],
        "pressure_level": ["50", "500"],
        "year": ["2024"],
        "month": ["01"],
        "day": ["01", "02"],
        "time": ["00:00", "12:00"],
        "grid": ["1.5", "1.5"],
        "data_format": "netcdf",
        "download_format": "unarchived",
    }
    assert single.dataset == "reanalysis-era5-single-levels"
    assert single.body["variable"] == ["2m_temperature", "mean_sea_level_pressure"]
    assert "pressure_level" not in single.body
    assert z.channels == ("z50", "z500") and single.channels == ("t2m", "msl")
    json.dumps([z.body, single.body])  # what cdsapi does with it


def test_a_year_of_all_channels_is_asked_for_once_and_in_small_parts():
    times = every(6, "2023-01-01", "2024-01-01")
    asked = requests(STANDARD_CHANNELS, times, GRID)
    assert len(asked) == 12 * 6
    fields = []
    for request in asked:
        assert len(request.channels) * len(request.times) <= cds.MOST_FIELDS
        fields += itertools.product(request.channels, request.times)
    assert sorted(fields) == sorted(itertools.product(STANDARD_CHANNELS, times))
    assert len({request.file for request in asked}) == len(asked)


def test_hourly_fields_are_divided_by_levels():
    asked = requests(STANDARD_CHANNELS, every(1, stop="2024-02-01"), GRID)
    q = [request for request in asked if request.body["variable"] == ["specific_humidity"]]
    assert len(q) == 3
    assert all(len(request.channels) * 744 <= cds.MOST_FIELDS for request in asked)
    levels = [int(level) for request in q for level in request.body["pressure_level"]]
    assert levels == list(STANDARD_LEVELS)


def test_only_the_days_and_hours_that_are_wanted():
    times = np.array(["2024-02-29T18", "2024-01-31T06", "2024-02-03T18", "2024-02-03T18"], "M8[m]")
    january, february = requests(["t2m"], times, GRID)
    assert (january.body["month"], january.body["day"]) == (["01"], ["31"])
    assert (february.body["day"], february.body["time"]) == (["03", "29"], ["18:00"])
    assert february.times.tolist() == times[[2, 0]].astype("M8[h]").tolist()
    assert requests(["t2m"], times[:0], GRID) == []


def test_other_requests_have_other_files():
    ways = [
        requests(["z500"], every(6, stop="2024-01-09"), GRID),
        requests(["z500"], every(12, stop="2024-01-09"), GRID),
        requests(["z850"], every(6, stop="2024-01-09"), GRID),
        requests(["z500"], every(6, stop="2024-01-09"), Grid(61, 120)),
        requests(["z500"], every(6, stop="2024-01-08"), GRID),
    ]
    assert len({request.file for way in ways for request in way}) == len(ways)
    assert ways[0][0].file == requests(["z500"], every(6, stop="2024-01-09"), GRID)[0].file
    assert ways[0][0].file.startswith("era5_z_2024-01_")


@pytest.mark.parametrize(
    ("grid", "steps"),
    [((33, 64), ["5.625", "5.625"]), ((721, 1440), ["0.25", "0.25"]), ((5, 72), ["5", "45"])],
)
def test_steps_are_eastward_then_southward(grid, steps):
    assert requests(["t2m"], every(6), Grid(*grid))[0].body["grid"] == steps


def test_what_cannot_be_asked_for():
    with pytest.raises(BuildError, match="no grid 121x7: .*721x1440"):
        requests(["t2m"], every(6), Grid(121, 7))
    for time in ("2024-01-01T00:30", "1939-12-31T23"):
        with pytest.raises(BuildError, match="every whole hour from 1940"):
            requests(["t2m"], np.array([time], "M8[m]"), GRID)
    with pytest.raises(ChannelError, match="Unknown channel"):
        requests(["tp"], every(6), GRID)


class Store:
    """In place of the client of cdsapi: it writes what is asked for, on a grid of its own."""

    def __init__(self, latest="2100-01-01"):
        self.asked, self.latest = [], np.datetime64(latest)

    def retrieve(self, dataset, body, path):
        self.asked.append((dataset, body))
        days = itertools.product(body["year"], body["month"], body["day"], body["time"])
        times = np.array([f"{y}-{m}-{d}T{t}" for y, m, d, t in days], "M8[s]")
        times = times[times < self.latest]
        levels = sorted(map(float, body.get("pressure_level", [])), reverse=True)
        axes = {"valid_time": times.astype("i8"), "pressure_level": levels}
        axes |= {"latitude": [90.0, 0, -90], "longitude": [0.0, 180]}
        with h5netcdf.File(path, "w") as file:
            for name, values in axes.items():
                if len(values):
                    file.dimensions[name] = len(values)
                    file.create_variable(name, (name,), data=np.asarray(values))
            file["valid_time"].attrs["units"] = "seconds since 1970-01-01"
            for name in body["variable"]:
                values = np.full([len(file.dimensions[d]) for d in file.dimensions], 1, "f4")
                variable = file.create_variable(SHORT[name], tuple(file.dimensions), data=values)
                variable.attrs["units"] = UNITS[SHORT[name]]


class Refusing(Store):
    """Gives some files, then does something else."""

    def __init__(self, then, after=1):
        super().__init__()
        self.then, self.after = then, after

    def retrieve(self, dataset, body, path):
        super().retrieve(dataset, body, path)
        if len(self.asked) > self.after:
            self.then(path)


def refuse(status, reason, title, detail):
    """As the client of the store tells of it."""

    def then(path):
        url = f"https://cds.climate.copernicus.eu/api/retrieve/v1/processes/{PRESSURE_LEVELS}"
        raise http.HTTPError(
            f"{status} Client Error: {reason} for url: {url}/execution\n{title}\n{detail}"
        )

    return then


@pytest.fixture
def wanted():
    return requests(["t2m", "msl", "z500", "z850", "q500"], every(6), GRID)


def left_over(folder):
    return [p for p in folder.iterdir() if p.name != ".lock" and not p.name.startswith("era5_")]


def test_everything_comes_once(tmp_path, wanted):
    store, folder = Store(), tmp_path / "new" / "folder"
    paths = download(folder, wanted, store)
    assert paths == [folder / request.file for request in wanted]
    assert store.asked == [(request.dataset, request.body) for request in wanted]
    assert {dataset for dataset, _ in store.asked} == {PRESSURE_LEVELS, SINGLE_LEVELS}
    before = {path: path.stat().st_mtime_ns for path in paths}
    assert download(folder, wanted, store) == paths
    assert len(store.asked) == len(wanted)
    assert {path: path.stat().st_mtime_ns for path in paths} == before
    assert not left_over(folder)
    dataset = open_cds(paths)
    assert dataset.sizes["time"] == len(every(6)) and dataset.level.values.tolist() == [500, 850]
    assert dataset.q.sel(level=500).notnull().all() and dataset.q.sel(level=850).isnull().all()


def test_no_key_is_needed_when_nothing_is_left(tmp_path, wanted, monkeypatch):
    download(tmp_path, wanted, Store())
    monkeypatch.setattr(cds, "_client", lambda: pytest.fail("a client was made"))
    download(tmp_path, wanted)


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(700)


def interrupt(path):
    cut(path)
    raise KeyboardInterrupt


@pytest.mark.parametrize(("then", "error"), [(cut, BuildError), (interrupt, KeyboardInterrupt)])
def test_what_was_broken_off_is_gone_on_with(tmp_path, wanted, then, error):
    """Neither a short file nor a killed download leaves a file that looks whole."""
    store = Refusing(then, after=2)
    with pytest.raises(error):
        download(tmp_path, wanted, store)
    assert len(store.asked) == 3
    assert {p.name for p in tmp_path.glob("era5*")} == {request.file for request in wanted[:2]}
    (tmp_path / f".{wanted[2].file}.01234567.partial").write_bytes(b"left by a killed process")
    store = Store()
    download(tmp_path, wanted, store)
    assert store.asked == [(request.dataset, request.body) for request in wanted[2:]]
    assert not left_over(tmp_path)


def test_a_damaged_file_is_fetched_again(tmp_path, wanted):
    paths, store = download(tmp_path, wanted, Store()), Store()
    cut(paths[3])
    paths[4].write_text("<html>")
    download(tmp_path, wanted, store)
    assert [body for _, body in store.asked] == [wanted[3].body, wanted[4].body]


def test_times_that_come_later_are_fetched_later(tmp_path, wanted):
    """The file of the running month is kept, and replaced once there is more."""
    paths = download(tmp_path, wanted, Store(latest="2024-02-20"))
    assert open_cds(paths).time[-1] == np.datetime64("2024-02-19T18")
    store = Store()
    download(tmp_path, wanted, store)
    assert {body["month"][0] for _, body in store.asked} == {"02"} and len(store.asked) == 3
    assert open_cds(paths).time[-1] == np.datetime64("2024-02-29T18")


@pytest.mark.parametrize(
    ("then", "words"),
    [
        (
            refuse(
                403,
                "Forbidden",
                "required licences not accepted",
                "Not all the required licences have been accepted",
            ),
            "accept the terms.*datasets/reanalysis-era5-pressure-levels.tab=download",
        ),
        (
            refuse(
                403, "Forbidden", "cost limits exceeded", "Your request is too large, please reduce"
            ),
            "ask for fewer hours, levels or days",
        ),
        (
            refuse(401, "Unauthorized", "authentication failed", ""),
            "cdsapirc:\nurl: https.*\nkey: ",
        ),
        (refuse(429, "Too Many Requests", "", ""), "wait some minutes"),
        (
            refuse(400, "Bad Request", "", "None of the data you have requested is available yet"),
            "five days late",
        ),
        (refuse(404, "Not Found", "", ""), "Run the same command again later"),
        (lambda path: (_ for _ in ()).throw(Exception("Could not connect")), "Could not connect"),
    ],
)
def test_what_the_store_refuses_says_what_to_do(tmp_path, wanted, then, words):
    store = Refusing(then)
    with pytest.raises(BuildError, match=rf"(?s){wanted[1].file}.*{words}") as info:
        download(tmp_path, wanted, store)
    assert ("accept the terms" in str(info.value)) == ("licences" in str(info.value))
    assert "kept" in str(info.value)
    assert [p.name for p in tmp_path.glob("era5*")] == [wanted[0].file]
    assert not left_over(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>Bad gateway</html>", r"begins with b'<html>Ba'"),
        (None, "sent nothing"),
        (b"PK\x03\x04 and no more", "damaged ZIP archive"),
    ],
)
def test_what_is_sent_must_be_data(tmp_path, wanted, content, words):
    def then(path):
        cds.Path(path).unlink()
        if content:
            cds.Path(path).write_bytes(content)

    with pytest.raises(BuildError, match=words):
        download(tmp_path, wanted, Refusing(then, after=0))
    assert not list(tmp_path.glob("era5*")) and not left_over(tmp_path)


def test_other_variables_than_asked_for_are_refused(tmp_path, wanted):
    def then(path):
        with h5netcdf.File(path, "a") as file:
            for name in ("t2m", "msl"):
                file._h5file.move(name, f"other_{name}")

    with pytest.raises(BuildError, match="sent none of u10"):
        download(tmp_path, wanted, Refusing(then, after=0))


def test_an_archive_is_taken(tmp_path, wanted):
    """As comes, under any name, when the store thinks that one file does not do."""

    def then(path):
        inner = cds.Path(path).rename(tmp_path / "data.nc")
        with zipfile.ZipFile(path, "w") as file:
            file.write(inner, "data_stream-oper_stepType-instant.nc")
        inner.unlink()

    store = Refusing(then, after=0)
    paths = download(tmp_path, wanted, store)
    download(tmp_path, wanted, store)
    assert len(store.asked) == len(wanted)
    assert open_cds(paths).sizes["time"] == open_cds(tmp_path).sizes["time"] == len(every(6))


def test_a_full_disk(tmp_path, wanted):
    def then(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DambenchError, match="The disk is full"):
        download(tmp_path, wanted, Refusing(then))
    assert not left_over(tmp_path)


def test_one_process_at_a_time(tmp_path, wanted):
    with FileLock(tmp_path / ".lock"), pytest.raises(BuildError, match="Another process"):
        download(tmp_path, wanted, Store())
    download(tmp_path, wanted, Store())
    download(tmp_path, wanted, Store())  # the lock was given back


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Where cdsapi looks for the key."""
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "cdsapirc"
    monkeypatch.setenv("CDSAPI_RC", str(path))
    return path


def test_without_a_key(tmp_path, wanted, settings):
    with pytest.raises(BuildError, match=r"cdsapirc\.") as info:
        download(tmp_path, wanted)
    assert "url: https://cds.climate.copernicus.eu/api\nkey: " in str(info.value)
    settings.write_text("url: https://cds.climate.copernicus.eu/api\n")
    with pytest.raises(BuildError, match="No key for the Climate Data Store"):
        download(tmp_path, wanted)


def test_a_key_of_old(tmp_path, wanted, settings):
    settings.write_text("url: https://cds.climate.copernicus.eu/api/v2\nkey: 1234:abcd-ef\n")
    with pytest.raises(BuildError, match="before September 2024") as info:
        download(tmp_path, wanted)
    assert "abcd-ef" not in str(info.value)


def test_the_client_of_cdsapi_gets_the_key(tmp_path, wanted, settings, monkeypatch):
    settings.write_text("url: https://cds.climate.copernicus.eu/api\nkey: a-made-up-token\n")
    store = Store()
    given = []
    monkeypatch.setattr(cdsapi, "Client", lambda **options: given.append(options) or store)
    download(tmp_path / "data", wanted)
    assert len(store.asked) == len(wanted)
    assert [options["retry_max"] for options in given] == [cds.RETRIES]


def test_without_network(tmp_path, wanted, settings, monkeypatch):
    settings.write_text("url: https://cds.climate.copernicus.eu/api\nkey: a-made-up-token\n")

    def unreachable(**options):
        raise http.ConnectionError("Failed to resolve 'cds.climate.copernicus.eu'")

    monkeypatch.setattr(cdsapi, "Client", unreachable)
    with pytest.raises(BuildError, match="cannot be reached: Failed to resolve.*again later"):
        download(tmp_path, wanted)


def test_without_cdsapi(tmp_path, wanted, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cdsapi", None)
    with pytest.raises(BuildError, match=r"pip install 'dambench-hub\[era5\]'"):
        download(tmp_path, wanted)
