"""Chunks that are not what they should be, and filters that nobody should run."""

import gzip
import zlib

import h5py

from .cases import CHUNK, CHUNK_BYTES, SHAPE, hdf5, low_level, replace


def with_chunks(root, content, mask=0, chunk=CHUNK, **creation):
    """Store these bytes as every chunk."""
    del root["analysis"]
    creation = {"compression": "gzip", **creation}
    dataset = root.create_dataset(
        "analysis", SHAPE, "<f4", chunks=chunk, maxshape=(None, *SHAPE[1:]), **creation
    )
    for start in range(0, SHAPE[0], chunk[0]):
        dataset.id.write_direct_chunk((start, 0, 0, 0), content, mask)


for name, content in {
    "short": zlib.compress(bytes(CHUNK_BYTES - 4)),
    "long": zlib.compress(bytes(CHUNK_BYTES + 4)),
    "many times": zlib.compress(bytes(3 << 20), 9),
    "cut": zlib.compress(bytes(CHUNK_BYTES))[:-6],
    "followed by more": zlib.compress(bytes(CHUNK_BYTES)) + b"more",
    "garbage": b"garbage",
    "empty": b"\0",
    "gzip": gzip.compress(bytes(CHUNK_BYTES)),
    "deflated twice": zlib.compress(zlib.compress(bytes(CHUNK_BYTES))),
    "not deflated": bytes(CHUNK_BYTES),
}.items():
    hdf5(f"chunk: {name}", "reject", "damaged", unsafe=True)(
        lambda root, e, content=content: with_chunks(root, content)
    )


@hdf5("chunk: inflates to 128 mebibytes", "reject", "damaged", unsafe=True)
def _(root, example):
    inflate = zlib.compressobj(9)
    content = b"".join(inflate.compress(bytes(1 << 24)) for _ in range(8)) + inflate.flush()
    with_chunks(root, content, chunk=(500, *SHAPE[1:]))


@hdf5("filter mask: skipped and plain", "accept")
def _(root, example):
    rows = root["analysis"][...]
    with_chunks(root, b"some", mask=1)
    for index, row in enumerate(rows):
        root["analysis"].id.write_direct_chunk((index, 0, 0, 0), row.tobytes(), 1)


@hdf5("filter mask: skipped and deflated", "reject", "damaged", unsafe=True)
def _(root, example):
    with_chunks(root, zlib.compress(bytes(CHUNK_BYTES)), mask=1)


for name, creation in {
    "lzf": {"compression": "lzf"},
    "checksum": {"fletcher32": True},
    "checksum and gzip": {"fletcher32": True, "compression": "gzip"},
    "scale and offset": {"scaleoffset": 2},
}.items():
    hdf5(f"filter: {name}", "reject", "other filters")(
        lambda root, e, creation=creation: replace(root, chunks=CHUNK, **creation)
    )


def filters(*numbers):
    def change(root, example):
        def set_up(storage):
            storage.set_chunk(CHUNK)
            for number in numbers:
                storage.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1,))

        dataset = low_level(root, set_up)
        for index in range(SHAPE[0]):
            dataset.write_direct_chunk((index, 0, 0, 0), bytes(CHUNK_BYTES), 0xFF)

    return change


DEFLATE, SHUFFLE = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE
for name, numbers in {
    "unknown": (32015,),
    "gzip twice": (DEFLATE, DEFLATE),
    "gzip, then shuffle": (DEFLATE, SHUFFLE),
    "ten of them": (DEFLATE,) * 10,
}.items():
    hdf5(f"filter: {name}", "reject", "other filters")(filters(*numbers))
