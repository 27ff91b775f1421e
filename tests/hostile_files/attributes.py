"""Attributes of odd kinds and sizes, and those that change what values mean."""

import h5py
import numpy as np

from .cases import hdf5

for name in ("scale_factor", "add_offset", "missing_value"):

    @hdf5(f"packing: {name}", "reject", f"attribute {name}")
    def _(root, example, name=name):
        root["analysis"].attrs[name] = 2.0


@hdf5("packing: of a coordinate", "reject", "latitude has the attribute scale_factor")
def _(root, example):
    root["latitude"].attrs["scale_factor"] = -1.0


for value in (np.float32(1e20), "NaN", np.array([np.nan, 1.0]), h5py.Empty("f4")):

    @hdf5(f"fill value: {value!r}"[:40], "reject", "_FillValue that is not NaN")
    def _(root, example, value=value):
        root["analysis"].attrs["_FillValue"] = value


for name, value in {
    "a list": ["a", "b"],
    "numbers": np.arange(1000),
    "nothing": h5py.Empty("S1"),
    "compound": np.zeros((), [("a", "f4")]),
    "opaque": np.void(b"\0\1\2"),
    "reference": "reference",
}.items():

    @hdf5(
        f"model_name: {name}", "reject", "model_name is missing|damaged|cannot stand in model_name"
    )
    def _(root, example, value=value):
        del root.attrs["model_name"]
        if isinstance(value, str):
            root.attrs.create("model_name", root["time"].ref, dtype=h5py.ref_dtype)
        else:
            root.attrs["model_name"] = value


for name, value, verdict, words in (
    ("very long", "x" * 60_000, "reject", "1 to 80 characters"),
    ("bytes that are no text", np.bytes_(b"caf\xe9 \xff"), "reject", "cannot stand in model_name"),
    ("a null in the middle", np.bytes_(b"a\0b"), "either", ""),
    ("no width", "F\u200bNP", "reject", "ZERO WIDTH SPACE"),
    ("a variation selector", "FNP\ufe0f", "reject", "cannot stand in model_name"),
    ("piled accents", "FNP" + "\u0301" * 4, "reject", "cannot stand in model_name"),
    ("two lines", "FNP\n1. FNP", "reject", "cannot stand in model_name"),
    ("an escape sequence", "\x1b]0;title\x07", "reject", "cannot stand in model_name"),
    ("right to left", "\u202egnp.exe", "reject", "cannot stand in model_name"),
    ("a number", 1.5, "either", ""),
):

    @hdf5(f"model_name: {name}", verdict, words)
    def _(root, example, value=value):
        root.attrs["model_name"] = value


@hdf5("attributes: long texts", "reject", "coordinates and attributes take")
def _(root, example):
    for name in ("authors", "parameters", "training_data", "paper_url", "model_url"):
        root.attrs[name] = "https://" + "\u00e9" * 10_000


@hdf5("attributes: thousands", "accept")
def _(root, example):
    for index in range(3000):
        root.attrs[f"more {index}"] = index


@hdf5("attributes: other task", "reject", "for the task '../../etc/passwd'")
def _(root, example):
    root.attrs["task"] = "../../etc/passwd"


for address in ("javascript:alert(1)", "file:///etc/passwd", "https://a b"):

    @hdf5(f"address: {address}", "reject", "model_url is")
    def _(root, example, address=address):
        root.attrs["model_url"] = address
