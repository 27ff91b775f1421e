"""The two containers of a prediction file, written one time after the other."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import parse_channels
from dambench_hub.predictions.header import STD, Header

Append = Callable[..., object]
"""Adds the next time, float32: the analysis, (C, Y, X) or (M, C, Y, X), and its std if any."""

LONG_NAMES = {
    "analysis": "analysed state of the atmosphere, units in channel_units",
    STD: "standard deviation of the error of analysis as the method predicts it, same units",
}


class _PatientFile(io.FileIO):
    """A file whose errors HDF5 does not see: it may crash the process when the disk is full."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = self.error or error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def raise_error(self) -> None:
        if self.error:
            raise self.error


@contextmanager
def create_netcdf(path: Path, header: Header) -> Iterator[Append]:
    """A new NetCDF-4 file; what is appended has the header's shapes.

    Raises:
        OSError: When the disk is full; HDF5 has no part in it.
    """
    with _PatientFile(path, "w+") as raw:
        with h5netcdf.File(raw, "w") as file:
            variables = _define(file, header)
            rows = iter(range(header.shape[0]))

            def append(*fields: np.ndarray) -> None:
                row = next(rows)
                for variable, values in zip(variables, fields, strict=True):
                    variable[row] = values
                raw.raise_error()

            yield append
        raw.raise_error()


def _define(file: h5netcdf.File, header: Header) -> list[h5netcdf.Variable]:
    """Dimensions, coordinates and attributes; `analysis`, and `std` if wanted, still empty."""
    members = () if header.members is None else ("member",)
    dimensions = ("time", *members, "channel", "latitude", "longitude")
    file.dimensions = dict(zip(dimensions, header.shape, strict=True))
    file.attrs.update({"Conventions": "CF-1.11", "title": "DAMBench prediction"})
    file.attrs.update(header.attributes)
    for name, (dimension, values, attributes) in _coordinates(header).items():
        dtype = h5py.string_dtype() if values.dtype == object else values.dtype
        file.create_variable(name, (dimension,), dtype, data=values).attrs.update(attributes)
    if members:
        realization = file.create_variable("member", members, data=np.arange(header.shape[1]))
        realization.attrs["standard_name"] = "realization"
    variables = []
    for name in ("analysis",) if header.std is None else ("analysis", STD):
        variable = file.create_variable(
            name,
            dimensions,
            np.dtype("<f4"),
            chunks=(1, *header.shape[1:]),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        variable.attrs["long_name"] = LONG_NAMES[name]
        variable.attrs["coordinates"] = "channel_long_name channel_units"
        variables.append(variable)
    if header.std is not None:
        variables[0].attrs["ancillary_variables"] = STD  # how CF says what belongs together
    return variables


def _coordinates(header: Header) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """Dimension, values and CF attributes of each coordinate."""
    channels = parse_channels(header.channels)
    time = {
        "units": "hours since 1970-01-01 00:00:00",
        "calendar": "proleptic_gregorian",
        "standard_name": "time",
        "long_name": "valid time of the analysis, UTC",
        "axis": "T",
    }
    latitude = {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"}
    longitude = {"units": "degrees_east", "standard_name": "longitude", "axis": "X"}
    long_names = [channel.long_name for channel in channels]
    units = [channel.units for channel in channels]
    return {
        "time": ("time", hours_since_epoch(header.time), time),
        "channel": ("channel", np.array(header.channels, object), {"long_name": "channel name"}),
        "channel_long_name": ("channel", np.array(long_names, object), {}),
        "channel_units": ("channel", np.array(units, object), {}),
        "latitude": ("latitude", header.latitude, latitude),
        "longitude": ("longitude", header.longitude, longitude),
    }


@contextmanager
def create_safetensors(path: Path, header: Header) -> Iterator[Append]:
    """A new safetensors file: all analyses, then all of std; the axes have no names.

    Raises:
        OSError: When the disk is full.
    """
    coordinates = {
        "time": [str(time) for time in header.time],
        "channel": list(header.channels),
        "latitude": header.latitude.tolist(),
        "longitude": header.longitude.tolist(),
    }
    size = int(np.prod(header.shape)) * 4
    tensors = ("analysis",) if header.std is None else ("analysis", STD)
    content: dict[str, Any] = {
        "__metadata__": {
            **header.attributes,
            **{name: json.dumps(values) for name, values in coordinates.items()},
        },
    }
    for number, name in enumerate(tensors):
        span = [number * size, (number + 1) * size]
        content[name] = {"dtype": "F32", "shape": list(header.shape), "data_offsets": span}
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # values start at a multiple of 8, as the format asks
    with path.open("wb") as file:
        values = file.write(len(text).to_bytes(8, "little") + text)
        rows = iter(range(header.shape[0]))

        def append(*fields: np.ndarray) -> None:
            row = next(rows)
            for number, field in enumerate(fields):
                file.seek(values + number * size + row * field.nbytes)
                file.write(field.data)

        yield append
