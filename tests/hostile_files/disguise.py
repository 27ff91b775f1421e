"""Something else under the name of a prediction file."""

import gzip
import pickle

from .cases import raw


class Exploit:
    """What a pickle can do to those who open it."""

    def __reduce__(self):
        return (print, ("the pickle was opened",))


for name, content, words in (
    ("nothing", b"", "content is nothing"),
    ("a pickle", pickle.dumps(Exploit()), "a pickle"),
    ("an old pickle", pickle.dumps(Exploit(), 0), "something else"),
    ("zip", b"PK\x03\x04" + bytes(100), "a zip archive"),
    ("numpy", b"\x93NUMPY\x01\x00" + bytes(100), "a numpy file"),
    ("gzip", gzip.compress(b"\x89HDF\r\n\x1a\n"), "a gzip archive"),
    ("NetCDF-3", b"CDF\x01" + bytes(100), "NetCDF-3"),
    ("NetCDF-3, large", b"CDF\x05" + bytes(9), "NetCDF-3"),
    ("HDF4", b"\x0e\x03\x13\x01" + bytes(100), "something else"),
    ("Parquet", b"PAR1" + bytes(100), "Parquet"),
    ("GRIB", b"GRIB" + bytes(100), "GRIB"),
    ("a program", b"\x7fELF\x02\x01\x01" + bytes(100), "something else"),
    ("a page", b"<!DOCTYPE html><script>alert(1)</script>", "something else"),
    ("an address", b"https://127.0.0.1/secret.nc#mode=bytes", "something else"),
    ("a signature", b"\x89HDF\r\n\x1a\n", "damaged"),
    ("a signature and noise", b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 8, "damaged"),
):
    raw(f"disguise: {name}", "reject", words)(lambda e, content=content: content)
    raw(f"safetensors disguise: {name}", "reject", "", suffix=".safetensors")(
        lambda e, content=content: content
    )

raw("disguise: safetensors", "reject", "content is safetensors")(lambda e: e.safetensors)
raw("safetensors disguise: NetCDF", "reject", "content is NetCDF-4", suffix=".safetensors")(
    lambda e: e.netcdf
)
raw("another name", "reject", "ends in", suffix=".pkl")(lambda e: e.netcdf)
