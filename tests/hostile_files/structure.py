"""Variables of other kinds, types and shapes, and values that are not there."""

import h5py
import numpy as np

from .cases import CHUNK, CHUNK_BYTES, SHAPE, case, hdf5, low_level, replace

for name in ("analysis", "time", "channel"):

    @hdf5(f"group: {name}", "reject", f"{name} is a group")
    def _(root, example, name=name):
        del root[name]
        root.create_group(name)


@hdf5("a type for a variable", "reject", "analysis is a group or a type")
def _(root, example):
    del root["analysis"]
    root["analysis"] = np.dtype("<f4")


@hdf5("nothing inside", "reject", "analysis, time, channel, latitude, longitude missing")
def _(root, example):
    for name in list(root):
        del root[name]


for dtype in (
    *("<f8", ">f4", "<f2", "<i4", "u1", "c8", "S4", "?", "V4"),
    np.dtype([("real", "<f4"), ("more", "<i4")]),
):

    @hdf5(f"type: {dtype}", "reject", "stored as|damaged|never written")
    def _(root, example, dtype=dtype):
        del root["analysis"]
        root.create_dataset("analysis", SHAPE, dtype)[0, 0, 0, 0] = np.zeros((), dtype)


for name, dtype in {
    "texts": h5py.string_dtype(),
    "lists": h5py.vlen_dtype("f4"),
    "choices": h5py.enum_dtype({"a": 0, "b": 1}),
    "references": h5py.ref_dtype,
    "regions": h5py.regionref_dtype,
    "rows": np.dtype("(16,)f4"),
}.items():

    @hdf5(f"type: {name}", "reject", "stored as|damaged|never written")
    def _(root, example, dtype=dtype):
        del root["analysis"]
        root.create_dataset("analysis", SHAPE, dtype, chunks=CHUNK)

    @hdf5(f"type of time: {name}", "reject", "time")
    def _(root, example, dtype=dtype):
        units = dict(root["time"].attrs)
        del root["time"]
        root.create_dataset("time", (5,), dtype).attrs["units"] = units["units"]


for name, shape in {
    "one number": (),
    "one axis": (3600,),
    "three axes": (5, 5, 144),
    "many axes": (1,) * 31 + (3600,),
    "transposed": (5, 9, 16, 5),
    "one time less": (4, 5, 9, 16),
}.items():

    @hdf5(f"shape: {name}", "reject", "analysis has shape")
    def _(root, example, shape=shape):
        replace(root, data=np.zeros(shape, "f4"))


for name, shape in {
    "empty": (5, 0, 9, 16),
    "huge": (5, 5, 1 << 30, 1 << 25),
    "beyond all numbers": (1 << 32, 1 << 32, 1 << 32, 1 << 32),
    "long": (1 << 50, 5, 9, 16),
}.items():

    @hdf5(f"shape: {name}", "reject", "is empty|never written|chunks of shape|damaged")
    def _(root, example, shape=shape):
        del root["analysis"]
        space = h5py.h5s.create_simple(shape)
        h5py.h5d.create(root.id, b"analysis", h5py.h5t.IEEE_F32LE, space)


@hdf5("shape: none", "reject", "is empty")
def _(root, example):
    del root["analysis"]
    root["analysis"] = h5py.Empty("f4")


@hdf5("shape: huge chunks", "reject", "chunks of shape|never written")
def _(root, example):
    limits = (h5py.h5s.UNLIMITED,) * 4
    low_level(root, lambda s: s.set_chunk((1 << 20, 5, 9, 16)), limits=limits)


@hdf5("shape: two hundred thousand chunks", "reject", "chunks of shape|never written")
def _(root, example):
    low_level(root, lambda s: s.set_chunk((1, 1, 1, 1)), shape=(1 << 20, 5, 9, 16))


@hdf5("chunks: all missing", "reject", "never written")
def _(root, example):
    low_level(root, lambda s: s.set_chunk(CHUNK))


@hdf5("chunks: one missing", "reject", "never written")
def _(root, example):
    low_level(root, lambda s: s.set_chunk(CHUNK))
    for index in range(4):
        root["analysis"].id.write_direct_chunk((index, 0, 0, 0), bytes(CHUNK_BYTES))


@hdf5("values: never written", "reject", "never written")
def _(root, example):
    low_level(root, lambda s: None)


@case("values: fewer than said", "reject", "damaged", unsafe=True)
def _(path, example):
    path.write_bytes(example.netcdf)
    with h5py.File(path, "a") as root:
        replace(root)
        place = root["analysis"].id.get_offset()
    path.write_bytes(path.read_bytes()[: place + 100])


for value in (np.nan, np.inf, -np.inf):

    @hdf5(f"values: {value}", "reject", "NaN or infinite")
    def _(root, example, value=value):
        root["analysis"][2, 1, 4, 5] = value


@case("user block", "reject", "something else")
def _(path, example):
    with h5py.File(path, "w", userblock_size=512) as root:
        root["analysis"] = 1


@case("family member", "reject", "damaged|missing")
def _(path, example):
    with h5py.File(str(path.with_suffix("")) + "%d.nc", "w", driver="family") as root:
        root["analysis"] = 1
    path.with_name(path.stem + "0.nc").rename(path)


@hdf5("five thousand variables", "accept")
def _(root, example):
    for index in range(5000):
        root.create_group(f"more {index}")
