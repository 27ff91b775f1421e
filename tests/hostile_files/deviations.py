"""Standard deviations beside an analysis, right and wrong, in both containers."""

import h5py
import numpy as np

from .cases import CHUNK, SHAPE, hdf5, tensors

SIZE = 4 * int(np.prod(SHAPE))


def stored(**creation):
    """Store a std of 2 beside the analysis."""

    def change(root, example):
        data = creation.pop("data", np.full(SHAPE, 2, "f4"))
        root.create_dataset("std", data=data, **creation)

    return change


hdf5("std: as written", "accept")(stored(chunks=CHUNK, compression="gzip", shuffle=True))
hdf5("std: contiguous", "accept")(stored())
hdf5("std: two times at once", "reject", "chunked by 2 times, analysis by 1")(
    stored(chunks=(2, *SHAPE[1:]))
)
hdf5("std: chunks across", "accept")(stored(chunks=(1, 2, 4, 7), compression="gzip"))
hdf5("std: other filter", "reject", "std uses other filters")(stored(compression="lzf"))
hdf5("std: group", "reject", "std is a group")(lambda root, e: root.create_group("std"))
for name, values, words in (
    ("zeros", np.zeros(SHAPE, "f4"), "above 0"),
    ("NaN", np.full(SHAPE, np.nan, "f4"), "above 0"),
    ("float64", np.ones(SHAPE), "std is stored as '<f8'"),
    ("text", np.array(["x"], "S"), "std is stored as"),
    ("one number", np.float32(1), r"std has shape \(\)"),
    ("fewer times", np.ones((4, *SHAPE[1:]), "f4"), "std has shape"),
    ("more times", np.ones((6, *SHAPE[1:]), "f4"), "std has shape"),
    ("many axes", np.ones((1,) * 31 + (5,), "f4"), "std has shape"),
    ("empty", np.ones((0, 5), "f4"), "std has shape .*empty"),
):
    hdf5(f"std: {name}", "reject", words)(stored(data=values))


@hdf5("std: link to the secret", "reject", "'std' is a link")
def _(root, example):
    root["std"] = h5py.ExternalLink(str(example.secrets / "secret.nc"), "analysis")


@hdf5("std: link to the analysis", "reject", "'std' is a link")
def _(root, example):
    root["std"] = h5py.SoftLink("/analysis")


@hdf5("std: external storage", "reject", "std lies in an external file")
def _(root, example):
    place = (str(example.secrets / "secret.bin"), 0, h5py.h5f.UNLIMITED)
    root.create_dataset("std", SHAPE, "<f4", external=[place])


@hdf5("std: never written", "reject", "std has values that were never written")
def _(root, example):
    root.create_dataset("std", SHAPE, "<f4", chunks=CHUNK)


@hdf5("std: huge", "reject", "std .*(never written|chunks of shape)")
def _(root, example):
    space = h5py.h5s.create_simple((5, 1 << 20, 1 << 20, 16))
    h5py.h5d.create(root.id, b"std", h5py.h5t.IEEE_F32LE, space)


@hdf5("std: damaged chunk", "reject", "values of std at position 2 are damaged", unsafe=True)
def _(root, example):
    stored(chunks=CHUNK, compression="gzip")(root, example)
    root["std"].id.write_direct_chunk((2, 0, 0, 0), b"garbage")


@hdf5("std: with members", "reject", "members and std")
def _(root, example):
    members = np.repeat(root["analysis"][...][:, None], 3, axis=1)
    del root["analysis"]
    root.create_dataset("analysis", data=members)
    stored()(root, example)


def beside(header, start=SIZE, stop=2 * SIZE, **changes):
    """Add a tensor of standard deviations to a header."""
    span = {"dtype": "F32", "shape": list(SHAPE), "data_offsets": [start, stop]}
    header["std"] = span | changes
    return header


def values(number=2.0):
    return bytes(SIZE) + np.full(SHAPE, number, "<f4").tobytes()


@tensors("std without values", "reject", "truncated")
def _(header):
    return beside(header)


for name, span in {
    "overlap": (0, SIZE),
    "a hole": (SIZE + 4, 2 * SIZE + 4),
    "too short": (SIZE, 2 * SIZE - 4),
    "negative": (-SIZE, 0),
    "beyond all": (SIZE, 1 << 63),
}.items():

    @tensors(f"std: {name}", "reject", "truncated")
    def _(header, span=span):
        return beside(header, *span), values()


for name, changes, words in (
    ("a number", {"shape": []}, "truncated"),
    ("no size", {"shape": [5, 5, 0, 16]}, "truncated"),
    ("a text for a shape", {"shape": "5"}, "header is damaged"),
    ("another shape", {"shape": [5, 5, 16, 9]}, "std has shape"),
    ("another type", {"dtype": "F64"}, "std is stored as 'F64'"),
    ("no type", {"dtype": None}, "header is damaged"),
):

    @tensors(f"std: {name}", "reject", words)
    def _(header, changes=changes):
        return beside(header, **changes), values()


@tensors("std: zeros", "reject", "above 0")
def _(header):
    return beside(header), values(0.0)


@tensors("std: nothing", "reject", "damaged|truncated")
def _(header):
    header["std"] = None


@tensors("std without an analysis", "reject", "analysis is missing")
def _(header):
    header["std"] = header.pop("analysis")
