"""Errors by time and channel in few bytes: float32, its bytes sorted by place, zlib."""

from __future__ import annotations

import zlib

import numpy as np

SIZE = np.dtype("<u4")
VALUE = np.dtype("<f4")


def packed(errors: np.ndarray) -> bytes:
    """Bytes of (N, C) numbers, with 7 digits of each.

    The first bytes of all values stand together, then the second ones, since exponents of
    neighbours are alike.
    """
    values = np.ascontiguousarray(errors, VALUE)
    sizes = np.array(values.shape, SIZE).tobytes()
    planes = np.frombuffer(values.tobytes(), np.uint8).reshape(-1, VALUE.itemsize).T
    return sizes + zlib.compress(planes.tobytes(), 9)


def unpacked(content: bytes) -> np.ndarray:
    """The (N, C) numbers of `packed`, float64."""
    shape = np.frombuffer(content, SIZE, 2)
    planes = np.frombuffer(zlib.decompress(content[2 * SIZE.itemsize :]), np.uint8)
    values = planes.reshape(VALUE.itemsize, -1).T.tobytes()
    return np.frombuffer(values, VALUE).reshape(shape).astype(np.float64)
