"""Files that are right in odd ways, as other programs may write them."""

import h5py
import numpy as np
import xarray as xr

from .cases import CHUNK, SHAPE, case, hdf5, raw, replace

raw("as written", "accept")(lambda e: e.netcdf)
raw("as written, .h5", "accept", suffix=".h5")(lambda e: e.netcdf)
raw("as written, safetensors", "accept", suffix=".safetensors")(lambda e: e.safetensors)
raw("bytes after the end", "either")(lambda e: e.netcdf + b"more")

for name, creation in {
    "contiguous": {},
    "gzip 9, shuffle": {"compression": "gzip", "compression_opts": 9, "shuffle": True},
    "gzip without shuffle": {"compression": "gzip", "chunks": CHUNK},
    "shuffle only": {"shuffle": True, "chunks": CHUNK},
    "chunks across": {"chunks": (3, 2, 4, 7), "compression": "gzip", "shuffle": True},
    "one chunk": {"chunks": SHAPE, "compression": "gzip"},
    "unlimited times": {"chunks": (7, 5, 9, 16), "maxshape": (None, *SHAPE[1:])},
}.items():
    hdf5(f"storage: {name}", "accept")(lambda root, e, creation=creation: replace(root, **creation))

for units, per_hour, dtype in (
    ("days since 1970-1-1", 1 / 24, "f8"),
    ("minutes since 1970-01-01T00:00:00 UTC", 60, "i8"),
    ("seconds since 1970-01-01 00:00:00+00:00", 3600, ">i8"),
    ("milliseconds since 1970-01-01", 3_600_000, "u8"),
):

    @hdf5(f"time: {units}", "accept")
    def _(root, example, units=units, per_hour=per_hour, dtype=dtype):
        time = replace(root, "time", data=(root["time"][...] * per_hour).astype(dtype))
        time.attrs["units"] = units


for engine in ("h5netcdf", "netcdf4"):
    for name, analysis in {"plain": {}, "gzip": {"zlib": True, "shuffle": True}}.items():

        @case(f"xarray: {engine}, {name}", "accept")
        def _(path, example, engine=engine, analysis=analysis):
            with xr.open_dataset(example.path, engine="h5netcdf") as dataset:
                dataset = dataset.load().drop_encoding()
            dataset.to_netcdf(path, engine=engine, encoding={"analysis": analysis})


@case("the newest form of HDF5", "accept")
def _(path, example):
    with h5py.File(example.path) as old, h5py.File(path, "w", libver="latest") as new:
        new.attrs.update(old.attrs)
        for name in old:
            old.copy(name, new)


@hdf5("members", "accept")
def _(root, example):
    members = np.repeat(root["analysis"][...][:, None], 3, axis=1)
    replace(root, data=members, chunks=(1, *members.shape[1:]), compression="gzip")


@hdf5("latitude as float32, big endian", "accept")
def _(root, example):
    replace(root, "latitude", data=root["latitude"][...].astype(">f4"))
    replace(root, "longitude", data=root["longitude"][...].astype("f4"))


@hdf5("names of fixed length", "accept")
def _(root, example):
    replace(root, "channel", data=np.array(list(root["channel"].asstr()[...]), "S"))


@hdf5("names as characters", "accept")
def _(root, example):
    names = np.array(list(root["channel"].asstr()[...]), "S8")
    replace(root, "channel", data=names.view("S1").reshape(5, 8))


@hdf5("other variables beside", "accept")
def _(root, example):
    root.create_dataset("notes", data=np.arange(100), compression="lzf")
    root.create_group("more").create_dataset("x", data=[1])
    root["again"] = root["analysis"]


@hdf5("fill value of NaN", "accept")
def _(root, example):
    root["analysis"].attrs["_FillValue"] = np.float32(np.nan)


@hdf5("names of people in all scripts", "accept")
def _(root, example):
    root.attrs["authors"] = "Ångström, 伊藤, Жуковский, 🌍\tand others"


@hdf5("markup is text", "accept")
def _(root, example):
    root.attrs["model_name"] = "<script>alert(1)</script>"
