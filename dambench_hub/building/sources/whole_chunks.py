"""Chunks of Zarr stores that are decoded only when they are whole, and are named when they are not.

Codecs notice when their input ends early, but one: Blosc, which ERA5 is stored with, states in its
header how long a chunk is, and numcodecs does not look (its issue 228). A cut chunk is decoded past
its end, so that whatever lies in memory there becomes weather.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import zarr
from numcodecs.blosc import Blosc
from zarr.codecs import BloscCodec
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.registry import register_pipeline

from dambench_hub.building.sources.states import MissingData

BLOSC_HEADER, BLOSC_LENGTH = 16, slice(12, 16)
"""Bytes of the header, and where in it the length of the whole stands, little endian."""


class WholeChunks(BatchedCodecPipeline):
    """zarr's way from bytes to arrays, for reading: chunk by chunk, each of them whole."""

    @classmethod
    def from_codecs(cls, codecs: Iterable[Any], *, batch_size: int | None = None) -> WholeChunks:
        """One chunk at a time, so that the one that fails is known."""
        return super().from_codecs(codecs, batch_size=1)

    async def decode_batch(self, chunk_bytes_and_specs: Iterable[Any]) -> Iterable[Any]:
        """The arrays of chunks, None where there is none.

        Raises:
            MissingData: When it cannot be decoded, whatever the codec says of it.
        """
        chunks = list(chunk_bytes_and_specs)
        try:
            for content, _ in chunks:
                if content is not None and self._ends_with_blosc:
                    _require_whole(content.as_numpy_array())
            return await super().decode_batch(chunks)
        except Exception as error:  # the codecs share no narrower class
            raise MissingData(str(error) or type(error).__name__) from error

    async def read_batch(self, batch_info: Iterable[Any], out: Any, drop_axes: Any = ()) -> None:
        """Read a chunk; again if it is damaged, as a far store may have sent but a part of it."""
        (chunk,) = batch_info
        try:
            await super().read_batch([chunk], out, drop_axes)
        except MissingData:
            try:
                await super().read_batch([chunk], out, drop_axes)
            except MissingData as error:
                raise MissingData(
                    f"the chunk {_place(chunk[0])} is damaged: {error}. Copy it again from the "
                    "store that it came from, and have gaps read again"
                ) from error

    @property
    def _ends_with_blosc(self) -> bool:
        """Whether the last codec that made the bytes is Blosc; any other checks them itself."""
        if self.bytes_bytes_codecs:
            last = self.bytes_bytes_codecs[-1]
            return isinstance(last, BloscCodec) or isinstance(getattr(last, "_codec", None), Blosc)
        filters = getattr(self.array_bytes_codec, "filters", None) or (None,)
        return isinstance(getattr(self.array_bytes_codec, "compressor", None) or filters[-1], Blosc)


register_pipeline(WholeChunks)


def only_whole_chunks() -> AbstractContextManager[Any]:
    """A context: stores that are opened in it give whole chunks only, whenever they are read."""
    return zarr.config.set({"codec_pipeline.path": f"{__name__}.{WholeChunks.__qualname__}"})


def _place(chunk: Any) -> str:
    """Where a chunk lies: zarr's stores of folders have a root, those of addresses a path."""
    store = getattr(chunk, "store", None)
    root = getattr(store, "root", None) or getattr(store, "path", "")
    return f"{root}/{getattr(chunk, 'path', chunk)}"


def _require_whole(content: np.ndarray) -> None:
    stated = int.from_bytes(content[BLOSC_LENGTH].tobytes(), "little")
    if len(content) < max(stated, BLOSC_HEADER):
        raise ValueError(f"it has {len(content)} of {max(stated, BLOSC_HEADER)} bytes")
