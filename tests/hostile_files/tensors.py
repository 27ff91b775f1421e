"""safetensors files with headers that lie."""

import json

import numpy as np

from .cases import SHAPE, raw, tensors


def lengths(value):
    return lambda e: value.to_bytes(8, "little") + e.safetensors[8:]


for name, value in {"none": 0, "one": 1, "all": (1 << 64) - 1, "sign": 1 << 63}.items():
    raw(f"safetensors: length of the header: {name}", "reject", suffix=".safetensors")(
        lengths(value)
    )


@tensors("spaces and another order", "accept")
def _(header):
    return json.dumps(dict(reversed(header.items())), indent=1).encode() + b"    "


@tensors("nested too deeply", "reject", "header is damaged")
def _(header):
    return b'{"analysis":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@tensors("a list for a header", "reject", "something else")
def _(header):
    return b"[]"


@tensors("UTF-16", "reject", "header is damaged")
def _(header):
    return json.dumps(header).encode("utf-16-le")


@tensors("not UTF-8", "reject", "header is damaged")
def _(header):
    return json.dumps(header).encode().replace(b"background", b"\xff\xfe")


@tensors("a header of two megabytes", "reject", "truncated")
def _(header):
    return json.dumps(header).encode() + b" " * (2 << 20)


for name in ("analysis", "__metadata__"):

    @tensors(f"{name} twice", "reject", "twice")
    def _(header, name=name):
        more = json.dumps({name: header[name]}).encode()
        return json.dumps(header).encode()[:-1] + b"," + more[1:]

    @tensors(f"{name} missing", "reject", f"header is damaged or incomplete, {name} is missing")
    def _(header, name=name):
        del header[name]


@tensors("further tensors", "reject", "further tensors")
def _(header):
    header["more"] = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@tensors("a hole after the values", "reject", "truncated")
def _(header):
    return header, bytes(4 * int(np.prod(SHAPE)) + 100)


SIZE = 4 * int(np.prod(SHAPE))
for offsets in (
    *([4, SIZE], [0, SIZE + 4], [0, SIZE - 4], [-4, SIZE - 4], [0, 1 << 63], [SIZE, 0]),
    *(["0", SIZE], [0.0, SIZE], [0], [0, SIZE, SIZE], {}, None, [True, SIZE]),
):

    @tensors(f"offsets {offsets}", "reject", "truncated|header is damaged")
    def _(header, offsets=offsets):
        header["analysis"]["data_offsets"] = offsets


for shape in (
    *([], [5, 5, 9], [0, 5, 9, 16], [-5, 5, 9, -16], [5.0, 5, 9, 16], [1 << 70, 5, 9, 16]),
    *(["5", 5, 9, 16], [[5], 5, 9, 16], "5599", None, [5, 5, 16, 9]),
):

    @tensors(f"shape {shape}", "reject", "truncated|header is damaged|has shape|bytes at one time")
    def _(header, shape=shape):
        header["analysis"]["shape"] = shape


for dtype in ("F64", "BF16", "I32", "", None, ["F32"], "F32" * 5000):

    @tensors(f"type {dtype}"[:40], "reject", "truncated|header is damaged|stored as|take")
    def _(header, dtype=dtype):
        header["analysis"]["dtype"] = dtype


for name, text, words in (
    ("time", "[]", "missing|coordinates have"),
    ("time", "null", "header is damaged"),
    ("time", '["2024-02-27T00", 5]', "header is damaged"),
    ("time", '["2024-02-30T00"]', "header is damaged"),
    ("time", '["tomorrow"]', "list of times"),
    ("time", '["NaT"]', "list of times"),
    ("channel", '"t2m"', "header is damaged"),
    ("channel", '["\\ud800", "\\u0000", "b", "c", "d"]', "Unknown channel"),
    ("channel", json.dumps(["x"] * 30_000), "take|coordinates have"),
    ("latitude", "[NaN, 1, 2, 3, 4, 5, 6, 7, 8]", "latitude"),
    ("latitude", "[1e999, 1, 2, 3, 4, 5, 6, 7, 8]", "latitude"),
    ("latitude", "[" + "9" * 400 + "]", "header is damaged"),
    ("latitude", "[" + "9" * 5000 + "]", "header is damaged"),
    ("latitude", "[[90], [-90]]", "header is damaged"),
    ("latitude", '["90"]', "header is damaged"),
    ("longitude", "{}", "header is damaged"),
    ("longitude", "[" * 2000, "header is damaged"),
):

    @tensors(f"{name} {text[:40]}, {len(text)} long", "reject", words)
    def _(header, name=name, text=text):
        header["__metadata__"][name] = text


for name, value, words in (
    ("model_name", 5, "header is damaged"),
    ("model_name", {"a": 1}, "header is damaged"),
    ("model_name", "\ud800", "cannot stand in model_name"),
    ("model_name", "a\0b", "cannot stand in model_name"),
    ("parameters", "x" * 60_000, ""),
):

    @tensors(f"{name} {value!r}"[:40], "reject" if words else "either", words)
    def _(header, name=name, value=value):
        header["__metadata__"][name] = value


@tensors("NaN in the values", "reject", "NaN or infinite")
def _(header):
    return header, b"\xff" * SIZE
