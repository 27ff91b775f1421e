"""A prediction out of a safetensors file that nobody vouches for.

The format is a header of JSON and then the values. It cannot name the axes of a tensor: their order
is (time, [member,] channel, latitude, longitude).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.predictions.header import (
    ATTRIBUTES,
    COORDINATES,
    STD,
    TRUNCATED,
    Header,
    StoredField,
    list_of,
)
from dambench_hub.predictions.safe_hdf5 import plain_text

MAX_HEADER = 1 << 20
"""Bytes at the start of the file."""
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d(:\d\d){0,2}Z?")
WANTED = (
    f"Wanted the tensor analysis, perhaps std beside it, and {', '.join(COORDINATES)} as JSON "
    "lists in the metadata. Write it with write_predictions."
)
WRONG = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What is raised by values of other kinds than they should be."""


def read_tensors(
    file: BinaryIO,
) -> tuple[Header, Callable[[int], tuple[int, np.ndarray, np.ndarray | None]]]:
    """The header of a file, and the way to analysis and std (None without it) of one time.

    Raises:
        PredictionError: When the file is truncated or the header is wrong; each line of the message
            is one problem.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > min(MAX_HEADER, size - 8):
        raise PredictionError(TRUNCATED)
    try:
        content = dict(json.loads(file.read(length).decode(), object_pairs_hook=_each_once))
    except WRONG as error:
        raise PredictionError(f"the header is damaged. {WANTED}") from error
    header, spans = _header(content)
    values = 8 + length
    fields = [StoredField(header.shape, header.dtype), *([header.std] if header.std else [])]
    for field, (start, stop) in zip(fields, spans, strict=True):
        whole = field.dtype != "<f4" or stop - start == 4 * math.prod(field.shape)
        if min(field.shape, default=0) < 1 or not whole:
            raise PredictionError(TRUNCATED)
    end = 0
    for start, stop in sorted(spans):  # one after the other, without holes
        if start != end:
            raise PredictionError(TRUNCATED)
        end = stop
    if values + end != size:
        raise PredictionError(TRUNCATED)
    row = math.prod(header.shape[1:]) * 4

    def rows(index: int) -> tuple[int, np.ndarray, np.ndarray | None]:
        found = []
        for start, _ in spans:
            file.seek(values + start + index * row)
            found.append(np.frombuffer(file.read(row), "<f4").reshape(1, *header.shape[1:]))
        return index, found[0], found[1] if found[1:] else None

    return header, rows


def _header(content: dict[str, Any]) -> tuple[Header, list[list[int]]]:
    """The header, and first and last byte of analysis and std, once all of it is right."""
    problems = []
    missing = [name for name in ("analysis", "__metadata__") if name not in content]
    tensors = {name: content.pop(name) for name in ("analysis", STD) if name in content}
    metadata = content.pop("__metadata__", None)
    if content:
        problems.append("it holds further tensors; drop everything but analysis and std.")

    def part(name: str, whole: Any, wanted: str, read: Callable[[Any], Any]) -> Any:
        """What is called `name` in the tensor's description or the metadata, read."""
        try:
            return read(whole[name])
        except WRONG:
            if whole is not None and (not isinstance(whole, dict) or name in whole):
                problems.append(f"the header is damaged: {name} must be {wanted}.")
            elif whole is not None:
                missing.append(name)
        return None

    whole_numbers = "a list of whole numbers"
    fields, spans = {}, []
    for name, tensor in tensors.items():
        shape = part("shape", tensor, whole_numbers, lambda values: tuple(list_of(values, int)))
        spans.append(part("data_offsets", tensor, whole_numbers, _two))
        dtype = part("dtype", tensor, "a text", _text)
        fields[name] = StoredField(shape, "<f4" if dtype == "F32" else dtype)
    parts = {
        "time": part("time", metadata, "a JSON list of times like 2024-01-01T00, UTC", _times),
        "channels": part("channel", metadata, "a JSON list of names", _names),
        "latitude": part("latitude", metadata, "a JSON list of numbers", _numbers),
        "longitude": part("longitude", metadata, "a JSON list of numbers", _numbers),
        "attributes": {
            name: part(name, metadata, "a text", _text)
            for name in ATTRIBUTES
            if isinstance(metadata, dict) and name in metadata
        },
    }
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        named = f"{', '.join(missing)} {verb} missing"
        problems.append(f"the header is damaged or incomplete, {named}. {WANTED}")
    if problems:
        raise PredictionError("\n".join(problems))
    analysis = fields["analysis"]
    return Header(analysis.shape, analysis.dtype, **parts, std=fields.get(STD)), spans


def _text(value: Any) -> str:
    (text,) = list_of([value], str)
    return plain_text(text)


def _two(values: Any) -> list[int]:
    start, stop = list_of(values, int)
    return [start, stop]


def _times(text: Any) -> np.ndarray:
    times = list_of(json.loads(text), str)
    if not all(ISO_TIME.fullmatch(time) for time in times):
        raise ValueError
    return np.array([time.removesuffix("Z") for time in times], "datetime64[ms]")


def _names(text: Any) -> tuple[str, ...]:
    return tuple(plain_text(name) for name in list_of(json.loads(text), str))


def _numbers(text: Any) -> np.ndarray:
    return np.array(list_of(json.loads(text), int, float), np.float64)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise PredictionError("a name stands twice in the header; write it once.")
    return content
