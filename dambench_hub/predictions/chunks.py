"""The chunks of a variable in an HDF5 file that nobody vouches for: where they lie, what they hold.

HDF5 looks a chunk's size up by going through all of them, so they are all asked for at once. Its
filters trust their input, so chunks are taken raw and inflated here, to exactly the size they must
have.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from dambench_hub.errors import PredictionError

MAX_CHUNK = 256 << 20
MAX_CHUNKS = 200_000
MAX_BLOCK = 1 << 30
DEFLATE, SHUFFLE = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE
FILTERS: tuple[list[int], ...] = ([], [DEFLATE], [SHUFFLE], [SHUFFLE, DEFLATE])
NEVER_WRITTEN = "has values that were never written; write all of them."


@dataclass(frozen=True, eq=False)
class Chunks:
    """The chunks of a variable, all of them stored.

    Attributes:
        variable: Chunked, with filters that `plain_filters` accepts.
        stored: Bytes of each chunk in the file, int64, one for each place in the grid of chunks.
        shape: Of a chunk.
        dtype: Of a value.
        codes: Of its filters, in the order of writing.
    """

    variable: h5py.Dataset
    stored: np.ndarray
    shape: tuple[int, ...]
    dtype: np.dtype
    codes: list[int]

    @classmethod
    def of(cls, variable: h5py.Dataset) -> Chunks:
        """Find all chunks, in one pass.

        Raises:
            PredictionError: When they are too large or too many, or one is not there.
        """
        shape, chunk = variable.shape, variable.chunks
        row = math.prod(shape[1:]) * variable.dtype.itemsize
        places = tuple(-(-n // c) for n, c in zip(shape, chunk, strict=True))
        large = math.prod(chunk) * variable.dtype.itemsize > MAX_CHUNK
        many = math.prod(places) > MAX_CHUNKS
        if large or many or (chunk[0] > 1 and min(chunk[0], shape[0]) * row > MAX_BLOCK):
            raise PredictionError(f"has chunks of shape {chunk}; chunk it by one time.")
        stored = np.zeros(places, np.int64)
        left = 2 * MAX_CHUNKS  # an index may lead in circles

        def note(found: Any) -> bool | None:
            nonlocal left
            left -= 1
            place = tuple(o // c for o, c in zip(found.chunk_offset, chunk, strict=True))
            if all(p < count for p, count in zip(place, places, strict=True)):
                stored[place] = found.size
            return None if left else True

        variable.id.chunk_iter(note)
        if not stored.all():
            raise PredictionError(NEVER_WRITTEN)
        return cls(variable, stored, chunk, variable.dtype, filters(variable))

    def rows(self, index: int) -> tuple[int, np.ndarray]:
        """All rows (along the first axis) of the chunks that hold row `index`.

        Returns:
            The number of the first of them, and their values.

        Raises:
            ValueError: When a chunk is not what it should be.
            zlib.error: Likewise.
        """
        depth, *sides = self.shape
        number = index // depth
        start = number * depth
        count, *rest = self.variable.shape
        rows = np.empty((min(depth, count - start), *rest), self.dtype)
        for place in np.ndindex(*self.stored.shape[1:]):
            corner = tuple(p * side for p, side in zip(place, sides, strict=True))
            target = rows[:, *(slice(o, o + side) for o, side in zip(corner, sides, strict=True))]
            values = self._inflated((number, *place), (start, *corner))
            target[...] = values[tuple(map(slice, target.shape))]
        return start, rows

    def _inflated(self, place: tuple[int, ...], offset: tuple[int, ...]) -> np.ndarray:
        itemsize = self.dtype.itemsize
        size = math.prod(self.shape) * itemsize
        if self.stored[place] > size + size // 100 + 1024:
            raise ValueError("the chunk is larger than its values")
        skipped, raw = self.variable.id.read_direct_chunk(offset)
        used = [code for bit, code in enumerate(self.codes) if not skipped >> bit & 1]
        if DEFLATE in used:
            inflate = zlib.decompressobj()
            raw = inflate.decompress(raw, size + 1)
            if not inflate.eof or inflate.unused_data:
                raise ValueError("the chunk does not end where it should")
        if len(raw) != size:
            raise ValueError("the chunk has the wrong size")
        values = np.frombuffer(raw, np.uint8)
        if SHUFFLE in used:
            together = np.empty((size // itemsize, itemsize), np.uint8)
            for number, plane in enumerate(values.reshape(itemsize, -1)):
                together[:, number] = plane  # three times as fast as a transposed copy
            values = together.ravel()
        return values.view(self.dtype).reshape(self.shape)


def filters(variable: h5py.Dataset) -> list[int]:
    """The codes of a variable's filters, in the order of writing."""
    storage = variable.id.get_create_plist()
    return [storage.get_filter(number)[0] for number in range(storage.get_nfilters())]


def plain_filters(variable: h5py.Dataset) -> bool:
    """Are there no filters but those undone here, with the parameters that are assumed?"""
    storage = variable.id.get_create_plist()
    parameters = [storage.get_filter(number)[2] for number in range(storage.get_nfilters())]
    codes, itemsize = filters(variable), variable.dtype.itemsize
    return codes in FILTERS and all(
        values[:1] in ((), (itemsize,))
        for code, values in zip(codes, parameters, strict=True)
        if code == SHUFFLE
    )
