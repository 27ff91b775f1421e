"""Samples of whole numbers in few bytes: what is alike lies side by side before it is compressed.

The samples of one number follow one another, so that neighbours are of one size. Each is written in
digits d_i of base 256 that are balanced, −128 ≤ d_i ≤ 127,

    r = Σ_i d_i 256^i,

and first come the lowest digits of all, then the next. A small number of either sign has zeros for
its high digits. Here this takes 2 to 3 % more than the entropy of Gaussian numbers that are drawn
one by one.
"""

from __future__ import annotations

import lzma

import numpy as np

FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]
"""Bytes are coded with no regard to the byte before (lc) or the position (lp, pb)."""

DTYPES = {1: np.int8, 2: np.int16, 3: np.int32}


def pack(samples: np.ndarray) -> bytes:
    """Samples of whole numbers, (n, *), as bytes.

    Raises:
        ValueError: When a number is too large for three digits.
    """
    rest = np.moveaxis(samples, 0, -1).astype(np.int64)
    digits = next((d for d in DTYPES if np.abs(rest).max(initial=0) <= _largest(d)), None)
    if digits is None:
        raise ValueError(f"Numbers up to {_largest(3)} can be packed, got {np.abs(rest).max()}.")
    planes = []
    for _ in range(digits):
        lowest = ((rest + 128) & 255) - 128
        planes.append(lowest.astype(np.int8).tobytes())
        rest = (rest - lowest) >> 8
    return lzma.compress(b"".join(planes), format=lzma.FORMAT_RAW, filters=FILTERS)


def unpack(packed: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The samples that `pack` was given, of shape (n, *), as integers of the smallest size.

    Raises:
        ValueError: When the bytes are not those of that many numbers.
    """
    try:
        raw = lzma.decompress(packed, format=lzma.FORMAT_RAW, filters=FILTERS)
        planes = np.frombuffer(raw, np.int8).reshape(-1, *shape[1:], shape[0])
    except lzma.LZMAError as error:
        raise ValueError(f"These are not packed numbers ({error}).") from error
    if len(planes) not in DTYPES:
        raise ValueError(f"Numbers of 1 to 3 digits are wanted, got {len(planes)}.")
    dtype = DTYPES[len(planes)]
    numbers = planes[-1].astype(dtype)
    for plane in planes[-2::-1]:
        numbers = numbers * dtype(256) + plane
    return np.ascontiguousarray(np.moveaxis(numbers, -1, 0))


def _largest(digits: int) -> int:
    """The largest number of either sign that has so many balanced digits: 127, 32639, …."""
    return 127 * (256**digits - 1) // 255
