"""Everything in a prediction file but its values, and the plain form in which it travels."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.runtime.honest_text import dishonest_character, named, quoted

COORDINATES = ("time", "channel", "latitude", "longitude")
STD = "std"
"""The variable that a file may have beside `analysis`."""
REQUIRED_ATTRIBUTES = ("dambench_format", "task", "dataset_revision", "model_name")
OPTIONAL_ATTRIBUTES = ("model_url", "paper_url", "authors", "parameters", "training_data")
ATTRIBUTES = REQUIRED_ATTRIBUTES + OPTIONAL_ATTRIBUTES

TRUNCATED = "the file is damaged or truncated. Copy or write it again."
MAX_NAME = 80
MAX_ATTRIBUTE = 2000
"""Characters of what a file says of its model; a long list of authors fits."""
SPACES = "\t\n\r\u00a0"
"""Characters that attributes may have, but for the name."""

MAX_TIME_BYTES = 1 << 30
"""Of the values of one time, which are held in memory at once."""
MAX_JSON = 48 << 10
"""A quarter-degree grid with a year of six-hourly times takes a half of it."""
MAX_INSTANT = 1 << 53
"""Milliseconds before and after 1970."""


@dataclass(frozen=True)
class StoredField:
    """How a variable lies in a file, beside `analysis`.

    Attributes:
        shape: That of `analysis` in a valid file.
        dtype: `<f4` in a valid file.
        axes: As those of a header.
    """

    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Header:
    """Everything in a prediction file but the values, not yet compared with any data set.

    Attributes:
        shape: Of `analysis`: (N, C, Y, X), or (N, M, C, Y, X) with members.
        dtype: Of `analysis`; `<f4` in a valid file.
        time: Valid times, datetime64[ms], (N,).
        channels: Channel names, (C,).
        latitude: Degrees, float64, (Y,).
        longitude: Degrees, float64, (X,).
        attributes: Those of `ATTRIBUTES` that the file has, as text.
        axes: The coordinate of each axis of `analysis`, "" where the file does not say; empty if it
            says nothing at all.
        std: Standard deviation of the analysis's error, as the method predicts it; None for a file
            without.
    """

    shape: tuple[int, ...]
    dtype: str
    time: np.ndarray
    channels: tuple[str, ...]
    latitude: np.ndarray
    longitude: np.ndarray
    attributes: Mapping[str, str]
    axes: tuple[str, ...] = ()
    std: StoredField | None = None

    @property
    def members(self) -> int | None:
        """M, or None for a file without the dimension `member`."""
        return self.shape[1] if len(self.shape) == 5 else None

    @property
    def has_values(self) -> bool:
        """Whether the values are float32, with one of `std`, if there is any, for each."""
        alike = self.std is None or (self.std.shape, self.std.dtype) == (self.shape, self.dtype)
        return self.dtype == "<f4" and alike

    def require_bounded(self) -> None:
        """Refuse what no analysis of an atmosphere needs, before memory is spent on it.

        Raises:
            PredictionError: When one time, or all coordinates and attributes, are too large.
        """
        shapes = [self.shape] if self.std is None else [self.shape, self.std.shape]
        size = sum(4 * math.prod(shape[1:]) for shape in shapes)
        if size > MAX_TIME_BYTES:
            named = "analysis has" if self.std is None else "analysis and std have"
            raise PredictionError(
                f"{named} {size} bytes at one time (shape {', '.join(map(str, shapes))}), at most "
                f"{MAX_TIME_BYTES} are read. The order is (time, channel, latitude, longitude)."
            )
        size = len(json.dumps(self.to_dict(), separators=(",", ":")))
        if size > MAX_JSON:
            raise PredictionError(
                f"its coordinates and attributes take {size} bytes as text, at most {MAX_JSON} "
                "are read. Shorten the attributes, and keep one value per time, channel, "
                "latitude and longitude."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, also as JSON, from which `from_dict` makes the same header, bit by bit."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype,
            "time": self.time.astype("datetime64[ms]").astype(np.int64).tolist(),
            "channels": list(self.channels),
            "latitude": self.latitude.tolist(),
            "longitude": self.longitude.tolist(),
            "attributes": dict(self.attributes),
            "axes": list(self.axes),
            "std": self.std
            and {
                "shape": list(self.std.shape),
                "dtype": self.std.dtype,
                "axes": list(self.std.axes),
            },
        }

    @classmethod
    def from_dict(cls, content: Any) -> Header:
        """The header that `to_dict` took apart, from values of which nothing is believed.

        Raises:
            ValueError: When it is no header.
            PredictionError: When it is larger than `require_bounded` allows.
        """
        try:
            attributes = content["attributes"]
            list_of([content["dtype"], *attributes, *attributes.values()], str)
            header = cls(
                shape=tuple(list_of(content["shape"], int)),
                dtype=content["dtype"],
                time=np.array(list_of(content["time"], int), "datetime64[ms]"),
                channels=tuple(list_of(content["channels"], str)),
                latitude=np.array(list_of(content["latitude"], int, float), np.float64),
                longitude=np.array(list_of(content["longitude"], int, float), np.float64),
                attributes=attributes,
                axes=tuple(list_of(content["axes"], str)),
                std=None if content["std"] is None else _stored_field(content["std"]),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError("this is no header") from error
        instants = header.time.astype(np.int64)
        if (
            min((*header.shape, *(header.std.shape if header.std else ())), default=1) < 1
            or not set(attributes) <= set(ATTRIBUTES)
            or np.any((instants < -MAX_INSTANT) | (instants > MAX_INSTANT))
        ):
            raise ValueError("this is no header")
        header.require_bounded()
        return header


def _stored_field(content: Any) -> StoredField:
    (dtype,) = list_of([content["dtype"]], str)
    shape, axes = list_of(content["shape"], int), list_of(content["axes"], str)
    return StoredField(tuple(shape), dtype, tuple(axes))


def text_problems(attributes: Mapping[str, str]) -> list[str]:
    """What is wrong with the texts that describe the model, whatever the task."""
    problems = []
    name = attributes.get("model_name", "?")
    if not name.strip() or len(name) > MAX_NAME:
        problems.append(f"model_name must have 1 to {MAX_NAME} characters, got {len(name)}.")
    for attribute, text in attributes.items():
        allowed = "" if attribute == "model_name" else SPACES
        if odd := dishonest_character(unicodedata.normalize("NFC", text), allowed):
            problems.append(f"The character {named(odd)} cannot stand in {attribute}; remove it.")
    for attribute in OPTIONAL_ATTRIBUTES:
        if (length := len(attributes.get(attribute, ""))) > MAX_ATTRIBUTE:
            problems.append(
                f"{attribute} has {length} characters, at most {MAX_ATTRIBUTE} are kept; "
                "shorten it."
            )
    for attribute in ("model_url", "paper_url"):
        url = attributes.get(attribute, "https://none")
        if not re.fullmatch(r"https://\S{1,500}", url):
            problems.append(f"{attribute} is {quoted(url)}; wanted an address like https://….")
    return problems


def list_of(values: Any, *types: type) -> list[Any]:
    """The values, once they are a list of exactly these types (a bool is no int).

    Raises:
        ValueError: When they are something else.
    """
    if type(values) is not list or any(type(value) not in types for value in values):
        raise ValueError(f"wanted a list of {' or '.join(kind.__name__ for kind in types)}")
    return values
