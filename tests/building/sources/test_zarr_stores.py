"""Zarr stores open alike from a folder, a bucket and a web server; what goes wrong is explained."""

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import xarray as xr
from fsspec.registry import _registry as registry
from fsspec.spec import AbstractFileSystem

from dambench_hub.building.sources.states import MissingData, read_states
from dambench_hub.building.sources.weatherbench import open_weatherbench
from dambench_hub.building.sources.zarr_stores import Unreachable, open_store
from dambench_hub.coordinates.variables import ERA5_NAMES, VARIABLES
from dambench_hub.errors import BuildError

LAST = np.array(["2023-01-10T18"], "M8[h]")


def last_state(path, channels=("t2m", "t500")):
    ((_, state),) = read_states(open_weatherbench(path), channels, LAST, lambda fields: fields)
    return state


def test_every_variable_has_a_name_in_the_archives():
    assert sorted(ERA5_NAMES) == sorted(VARIABLES)


def test_opening_reads_no_field_and_leaves_the_rest_out(write_weatherbench, chunk_reads):
    path, _ = write_weatherbench()
    dataset = open_store(str(path))
    assert chunk_reads == []
    assert set(dataset.data_vars) == {*VARIABLES, "geopotential_at_surface", "land_sea_mask"}
    assert dataset.t.dims == ("time", "level", "longitude", "latitude")


def test_a_store_without_consolidated_metadata_opens_too(write_weatherbench):
    path, _ = write_weatherbench(names=("2m_temperature", "temperature"))
    before = last_state(str(path))
    (path / ".zmetadata").unlink()
    with pytest.warns(RuntimeWarning, match="consolidated"):
        np.testing.assert_array_equal(last_state(str(path)), before)


def test_a_store_in_the_home_folder(write_weatherbench, monkeypatch):
    path, _ = write_weatherbench(names=("2m_temperature", "temperature"))
    monkeypatch.setenv("HOME", str(path.parent))
    np.testing.assert_array_equal(last_state(f"~/{path.name}"), last_state(str(path)))
    with pytest.raises(BuildError, match="~/absent.zarr does not exist"):
        open_store("~/absent.zarr")


# Addresses


class Bucket(AbstractFileSystem):
    """A folder under gs://, which notes how it was opened and what was asked of it."""

    protocol = "gs"
    cachable = False
    root = None
    options: list[dict] = []
    error = None

    def __init__(self, **options):
        super().__init__(**options)
        Bucket.options.append(options)

    def cat_file(self, path, start=None, end=None, **_):
        if Bucket.error:
            raise Bucket.error
        return (self.root / self._strip_protocol(path)).read_bytes()[start:end]

    def info(self, path, **_):
        found = self.root / self._strip_protocol(path)
        return {"name": path, "size": found.stat().st_size, "type": "file"}

    def ls(self, path, detail=True, **_):
        return []


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    monkeypatch.setitem(registry, "gs", Bucket)
    monkeypatch.setattr(Bucket, "root", tmp_path)
    monkeypatch.setattr(Bucket, "options", [])
    return Bucket


@pytest.fixture
def server(tmp_path):
    """A web server of the folder, as an address; `private/` is refused."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            if self.path.startswith("/private"):
                self.send_error(403)
            else:
                super().do_GET()

        def log_message(self, *_):
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path))
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


def test_a_bucket_gives_what_a_folder_gives_without_an_account(write_weatherbench, bucket):
    path, _ = write_weatherbench(names=("2m_temperature", "temperature"))
    here = last_state(str(path))
    np.testing.assert_array_equal(last_state(f"gs://{path.name}"), here)
    assert bucket.options and all(options["token"] == "anon" for options in bucket.options)


def test_a_web_server_gives_what_a_folder_gives(write_weatherbench, server, drop_chunk):
    path, _ = write_weatherbench(names=("2m_temperature", "temperature"))
    here, address = last_state(str(path)), f"{server}/{path.name}"
    np.testing.assert_array_equal(last_state(address), here)
    drop_chunk(path, "temperature", 93544 // 8 - 1)
    assert isinstance(last_state(address), MissingData)


def test_an_absent_address(server):
    with pytest.raises(BuildError, match="no Zarr store, or an incomplete copy") as caught:
        open_store(f"{server}/nothing.zarr")
    assert not isinstance(caught.value, Unreachable)


def test_a_refused_address(server):
    with pytest.raises(BuildError, match="Access was refused") as caught:
        open_store(f"{server}/private/era5.zarr")
    assert not isinstance(caught.value, Unreachable)


def test_nobody_answers():
    with pytest.raises(Unreachable, match="network, the proxy .* local copy"):
        open_store("http://127.0.0.1:9/era5.zarr")


def test_the_network_is_not_there():
    with pytest.raises(Unreachable, match="network, the proxy .* local copy"):
        open_store("https://192.0.2.1/era5.zarr")


class HttpError(Exception):
    """As gcsfs raises it: of no built-in kind, with a code."""

    def __init__(self, code):
        super().__init__(f"answer {code}")
        self.code = code


HttpError.__module__ = "gcsfs.retry"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (HttpError(401), BuildError, "Access was refused"),
        (HttpError(503), Unreachable, "run this again"),
        (OSError("Forbidden: https://…"), BuildError, "Access was refused"),
        (TimeoutError(), Unreachable, "run this again"),
        (PermissionError("not yours"), BuildError, "Access was refused"),
        (ValueError("Bad Request"), BuildError, "no Zarr store"),
    ],
    ids=repr,
)
def test_what_buckets_answer_is_explained(bucket, monkeypatch, error, kind, message):
    monkeypatch.setattr(bucket, "error", error)
    with pytest.raises(BuildError, match=message) as caught:
        open_store("gs://era5.zarr")
    assert type(caught.value) is kind and "gs://era5.zarr" in str(caught.value)


@pytest.mark.parametrize("library", ["zarr", "gcsfs"])
def test_a_library_that_is_not_installed(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(registry, "gs", raising=False)
    with pytest.raises(BuildError, match=r"pip install 'dambench-hub\[era5\]'"):
        open_store("gs://era5.zarr")


def test_other_schemes():
    with pytest.raises(BuildError, match="begin with gs://, https://"):
        open_store("ftp://example.org/era5.zarr")


# Folders


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(BuildError, match=r"absent\.zarr does not exist"):
        open_store(str(tmp_path / "absent.zarr"))


def test_a_file(tmp_path):
    (tmp_path / "era5.nc").write_bytes(b"\x89HDF")
    with pytest.raises(BuildError, match=r"era5\.nc is a file; wanted is the folder"):
        open_store(str(tmp_path / "era5.nc"))


def test_a_folder_that_is_no_store(tmp_path):
    with pytest.raises(BuildError, match="no Zarr store, or an incomplete copy"):
        open_store(str(tmp_path))


def test_damaged_metadata(write_weatherbench):
    path, _ = write_weatherbench(names=("2m_temperature",))
    text = (path / ".zmetadata").read_text()
    (path / ".zmetadata").write_text(text[: len(text) // 2])
    with pytest.raises(BuildError, match="no Zarr store, or an incomplete copy"):
        open_store(str(path))


def test_a_store_of_something_else(write_weatherbench):
    path, _ = write_weatherbench(names=())
    with pytest.raises(BuildError, match="no variable of a state.*wind_speed"):
        open_store(str(path))


def test_a_store_without_times(write_weatherbench, tmp_path):
    path, _ = write_weatherbench(names=("2m_temperature",))
    one = xr.open_zarr(path, chunks=None).isel(time=-1).load().drop_encoding()
    one.to_zarr(tmp_path / "one.zarr", zarr_format=2)
    with pytest.raises(BuildError, match="has no axis time; it has"):
        open_store(str(tmp_path / "one.zarr"))


# Fill values: what a chunk that is not there reads as


def write_winds(path, fill, zarr_format):
    """Two chunks of u10, of which the second is then lost."""
    times = np.datetime64("2020-01-01", "ns") + np.timedelta64(6, "h") * np.arange(4)
    axes = {
        "time": times,
        "latitude": np.linspace(90, -90, 5),
        "longitude": 45.0 * np.arange(8),
    }
    winds = np.random.default_rng(0).normal(0, 5, (4, 5, 8)).astype("f4")
    dataset = xr.Dataset({"10m_u_component_of_wind": (tuple(axes), winds)}, axes)
    key = "_FillValue" if zarr_format == 2 else "fill_value"
    encoding = {"10m_u_component_of_wind": {"chunks": (2, 5, 8), key: fill}}
    dataset.to_zarr(path, zarr_format=zarr_format, encoding=encoding, consolidated=False)
    lost = "1.0.0" if zarr_format == 2 else "c/1/0/0"
    (path / "10m_u_component_of_wind" / lost).unlink()
    return times.astype("M8[h]"), winds


@pytest.mark.parametrize(("fill", "zarr_format"), [(np.nan, 2), (-32767.0, 2), (np.nan, 3)])
@pytest.mark.filterwarnings("ignore:Failed to open Zarr store with consolidated")
def test_a_lost_chunk_is_missing_data_with_any_declared_fill_value(tmp_path, fill, zarr_format):
    times, winds = write_winds(tmp_path / "a.zarr", fill, zarr_format)
    dataset = open_weatherbench(str(tmp_path / "a.zarr"))
    found = [state for _, state in read_states(dataset, ["u10"], times, lambda fields: fields)]
    np.testing.assert_array_equal(found[0][0], winds[0])
    np.testing.assert_array_equal(found[1][0], winds[1])
    assert isinstance(found[2], MissingData) and isinstance(found[3], MissingData)


@pytest.mark.parametrize(("fill", "zarr_format"), [(None, 2), (0.0, 3)])
@pytest.mark.filterwarnings("ignore:Failed to open Zarr store with consolidated")
def test_a_store_whose_lost_chunks_would_be_calm_is_refused(tmp_path, fill, zarr_format):
    write_winds(tmp_path / "a.zarr", fill, zarr_format)
    with pytest.raises(
        BuildError, match=r"missing chunk of 10m_u_component_of_wind would read as 0"
    ):
        open_weatherbench(str(tmp_path / "a.zarr"))


def test_importing_the_sources_loads_none_of_the_heavy_libraries():
    code = (
        "import sys, dambench_hub.building.sources.weatherbench; "
        "import dambench_hub.building.sources.arco, "
        "dambench_hub.building.sources.hosted_forecasts; "
        "assert not {'zarr', 'gcsfs', 'dask', 'aiohttp'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
