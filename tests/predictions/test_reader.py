"""The reader: files of other writers are read, and nothing but plain data ever is."""

import pickle
import zlib

import h5py
import numpy as np
import pytest
import xarray as xr

from dambench_hub.data.batch import Analysis
from dambench_hub.errors import PredictionError
from dambench_hub.predictions.reader import open_prediction
from dambench_hub.predictions.sandbox.parent import open_sandboxed
from dambench_hub.predictions.writer import write_predictions


def write(path, data):
    analyses = (Analysis(batch.background) for batch in data.batches("multimodal"))
    write_predictions(path, analyses, task="multimodal", data=data, model_name="background")
    return path


@pytest.fixture
def file(tiny_data, tmp_path):
    return write(tmp_path / "background.nc", tiny_data)


def as_strings(dataset):
    return dataset.assign_coords(channel=dataset.channel.values.astype("S"))


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
@pytest.mark.parametrize(
    ("change", "encoding", "unlimited"),
    [
        (None, {"analysis": {}}, []),
        (None, {"analysis": {"zlib": True, "complevel": 9, "shuffle": True}}, []),
        (None, {"analysis": {"zlib": True, "shuffle": False}}, []),
        (None, {"analysis": {"zlib": True, "chunksizes": (3, 2, 4, 7)}}, []),
        (None, {"time": {"units": "days since 2024-1-1 06:00", "dtype": "f8"}}, []),
        (None, {"time": {"units": "seconds since 2000-01-01T00:00:00 UTC"}}, ["time"]),
        (None, {"latitude": {"dtype": "f4"}, "longitude": {"dtype": "f4"}}, ["time"]),
        (as_strings, {}, []),
    ],
)
def test_files_of_xarray_are_read(tiny_data, file, tmp_path, engine, change, encoding, unlimited):
    path = tmp_path / "other.nc"
    with xr.open_dataset(file, engine="h5netcdf") as dataset:
        changed = (change or (lambda same: same))(dataset.load().drop_encoding())
        changed.to_netcdf(path, engine=engine, encoding=encoding, unlimited_dims=unlimited)
    with open_prediction(path) as prediction, open_prediction(file) as original:
        assert prediction.header.channels == original.header.channels
        assert np.array_equal(prediction.header.time, original.header.time)
        for ours, theirs in zip(original, prediction, strict=True):
            assert np.array_equal(ours, theirs)


# What nobody should read ------------------------------------------------------------------------


def replace(file, **creation):
    """Store the analysis again in another way."""
    with h5py.File(file, "a") as root:
        values = root["analysis"][...]
        del root["analysis"]
        root.create_dataset("analysis", data=values, **creation)


def link(file, target):
    with h5py.File(file, "a") as root:
        del root["analysis"]
        root["analysis"] = target


def external_storage(file):
    secret = file.with_name("secret.bin")
    secret.write_bytes(bytes(5 * 5 * 9 * 16 * 4))
    with h5py.File(file, "a") as root:
        del root["analysis"]
        root.create_dataset(
            "analysis", (5, 5, 9, 16), "<f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
        )


def virtual(file):
    layout = h5py.VirtualLayout((5, 5, 9, 16), "<f4")
    layout[...] = h5py.VirtualSource(file.with_name("truth.nc"), "analysis", (5, 5, 9, 16))
    with h5py.File(file, "a") as root:
        del root["analysis"]
        root.create_virtual_dataset("analysis", layout)


def two_deflates(file):
    replace(file, chunks=(1, 5, 9, 16))
    with h5py.File(file, "a") as root:
        values = root["analysis"][...]
        del root["analysis"]
        storage = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        storage.set_chunk((1, 5, 9, 16))
        storage.set_deflate(1)
        storage.set_deflate(1)
        space = h5py.h5s.create_simple(values.shape)
        dataset = h5py.h5d.create(root.id, b"analysis", h5py.h5t.IEEE_F32LE, space, storage)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


def never_written(file):
    with h5py.File(file, "a") as root:
        del root["analysis"]
        dataset = root.create_dataset("analysis", (5, 5, 9, 16), "<f4", chunks=(1, 5, 9, 16))
        dataset[0] = 1


def attribute(name, value):
    def change(file):
        with h5py.File(file, "a") as root:
            root["analysis"].attrs[name] = value

    return change


def drop_coordinates(file):
    with h5py.File(file, "a") as root:
        del root["latitude"], root["channel"]


def bad_time(file):
    with h5py.File(file, "a") as root:
        root["time"].attrs["units"] = "fortnights since\x1b[31m Easter"


def truncate(file):
    file.write_bytes(file.read_bytes()[:-5000])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: link(f, h5py.ExternalLink("truth.nc", "reference")), "'analysis' is a link"),
        (lambda f: link(f, h5py.SoftLink("/latitude")), "'analysis' is a link"),
        (external_storage, "analysis lies in an external file"),
        (virtual, "analysis is a virtual dataset"),
        (lambda f: replace(f, compression="lzf"), "other filters"),
        (lambda f: replace(f, compression="gzip", fletcher32=True), "other filters"),
        (lambda f: replace(f, scaleoffset=2), "other filters"),
        (two_deflates, "other filters"),
        (attribute("scale_factor", 2.0), "attribute scale_factor"),
        (attribute("add_offset", 1.0), "attribute add_offset"),
        (attribute("missing_value", 1.0), "attribute missing_value"),
        (attribute("_FillValue", np.float32(1e20)), "_FillValue that is not NaN"),
        (never_written, "never written"),
        (drop_coordinates, "channel, latitude missing"),
        (bad_time, r"units 'fortnights since\\x1b"),
        (truncate, "damaged or truncated"),
    ],
)
def test_only_plain_data_is_read(file, change, words):
    change(file)
    with pytest.raises(PredictionError, match=words) as error:
        open_prediction(file)
    assert all(line.startswith("background.nc: ") for line in str(error.value).split("\n"))


@pytest.mark.parametrize("opener", [open_prediction, open_sandboxed])
def test_a_single_number_has_no_times(file, opener):
    with h5py.File(file, "a") as root:
        del root["analysis"]
        root["analysis"] = np.float32(1)
    with opener(file) as prediction:
        assert prediction.header.shape == ()
        assert len(prediction) == 0 and list(prediction) == []


def test_a_fill_value_of_nan_is_what_xarray_writes(file):
    with open_prediction(file) as prediction:
        before = list(prediction)
    attribute("_FillValue", np.float32(np.nan))(file)
    with open_prediction(file) as prediction:
        np.testing.assert_array_equal(list(prediction), before)


@pytest.mark.parametrize(
    "raw",
    [
        zlib.compress(bytes(5 * 9 * 16 * 4 - 4)),
        zlib.compress(bytes(5 * 9 * 16 * 4 + 4)),
        zlib.compress(bytes(64 << 20), 9)[:2000],
        zlib.compress(bytes(5 * 9 * 16 * 4)) + b"more",
        b"garbage",
    ],
    ids=["short", "long", "cut", "trailing", "garbage"],
)
def test_a_hostile_chunk_is_an_error(file, raw):
    """HDF5's own deflate would crash on some of these, or hand out old memory."""
    with h5py.File(file, "a") as root:
        del root["analysis"]
        dataset = root.create_dataset(
            "analysis", (5, 5, 9, 16), "<f4", chunks=(1, 5, 9, 16), compression="gzip"
        )
        for time in range(5):
            dataset.id.write_direct_chunk((time, 0, 0, 0), raw)
    with open_prediction(file) as prediction, pytest.raises(PredictionError, match="damaged"):
        prediction[0]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.nc", b"", "content is nothing"),
        ("x.nc", b"CDF\x01 and more", "NetCDF-3"),
        ("x.nc", b"PK\x03\x04 and more", "zip archive"),
        ("x.nc", b"\x93NUMPY and more", "a numpy file"),
        ("x.nc", pickle.dumps({"analysis": 1}), "a pickle. Pickles run code"),
        ("x.safetensors", pickle.dumps({"analysis": 1}), "a pickle"),
        ("x.nc", b"not a file of ours", "something else"),
        ("x.nc", b"\x89HDF\r\n\x1a\n", "damaged or truncated"),
        ("x.safetensors", b"\x10\0\0\0\0\0\0\0{}", "damaged or truncated"),
        ("x.safetensors", (2).to_bytes(8, "little") + b"{}", "header is damaged"),
        ("x.safetensors", (1 << 60).to_bytes(8, "little") + b"{}", "damaged or truncated"),
    ],
)
def test_foreign_files_are_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PredictionError, match=words):
        open_prediction(tmp_path / name)


def test_name_and_content_must_agree(tiny_data, tmp_path):
    write(tmp_path / "x.nc", tiny_data).rename(tmp_path / "y.safetensors")
    with pytest.raises(PredictionError, match="says safetensors, the content is NetCDF-4"):
        open_prediction(tmp_path / "y.safetensors")
    with pytest.raises(PredictionError, match="There is no file"):
        open_prediction(tmp_path / "none.nc")
    with pytest.raises(PredictionError, match="ends in"):
        open_prediction(tmp_path / "x.zarr")


@pytest.mark.parametrize("cut", [1, 1000])
def test_a_truncated_safetensors_file_is_refused(tiny_data, tmp_path, cut):
    path = write(tmp_path / "x.safetensors", tiny_data)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(PredictionError, match="truncated"):
        open_prediction(path)


def test_a_tensor_named_twice_is_refused(tiny_data, tmp_path):
    path = write(tmp_path / "x.safetensors", tiny_data)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = raw[8 : 8 + length].rstrip()[:-1]
    header += b',"analysis":{"dtype":"F32","shape":[1,1,1,1],"data_offsets":[0,4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + raw[8 + length :])
    with pytest.raises(PredictionError, match="twice"):
        open_prediction(path)
