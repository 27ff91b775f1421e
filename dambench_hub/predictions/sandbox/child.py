"""The sandboxed process that reads one prediction file of a stranger; `parent` starts it.

    python -I -m dambench_hub.predictions.sandbox.child UPLOAD VALUES REPORT CONTAINER MEMORY CPU

The first three are open descriptors, the last two bytes and seconds. On the report it writes lines
of JSON: which layers of the sandbox are on, then the header or the problems, and problems again if
there are any in the values. The values go out as they are read, float32, little endian, one time
after the other: its analysis, then its std if the file has any.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from contextlib import ExitStack
from typing import Any

import h5py
import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.predictions.header import Header
from dambench_hub.predictions.reader import Rows, read_prediction
from dambench_hub.predictions.sandbox.restrictions import (
    REPORT,
    UPLOAD,
    VALUES,
    restrict,
    take_descriptors,
)

MAX_PROBLEMS, MAX_LENGTH = 20, 600


def main(arguments: list[str]) -> None:
    """Restrict this process, then read the upload and send its header and values."""
    *descriptors, container, memory, cpu_seconds = arguments
    take_descriptors([int(number) for number in descriptors])
    warm_up()
    report(restricted=restrict(int(memory), int(cpu_seconds)))
    try:
        with ExitStack() as stack:
            file = stack.enter_context(os.fdopen(UPLOAD, "rb"))
            header, rows = read_prediction(file, container, stack)
            report(header=header.to_dict())
            _send(header, rows)
    except PredictionError as error:
        report(problems=[text[:MAX_LENGTH] for text in error.problems[:MAX_PROBLEMS]])


def report(**message: Any) -> None:
    """Write one line of the report."""
    os.write(REPORT, json.dumps(message, separators=(",", ":")).encode() + b"\n")


def warm_up() -> None:
    """Read small files once, good and bad ones: what is loaded on first use is loaded now."""
    for codec in ("ascii", "latin-1", "utf-8", "utf-16", "utf-32"):
        codecs.lookup(codec)
    good = io.BytesIO()
    with h5py.File(good, "w") as root:
        root.attrs["model_name"] = "none"
        values = np.zeros((1, 1, 2, 2), "<f4")
        for name in ("analysis", "std"):
            root.create_dataset(name, data=values, compression="gzip", shuffle=True)
        root.create_dataset("channel", data=["t2m"], dtype=h5py.string_dtype())
        root["latitude"], root["longitude"], root["time"] = [90.0, -90.0], [0.0, 180.0], [0]
        root["time"].attrs["units"] = "hours since 1970-01-01"
    for content in (good.getvalue(), good.getvalue()[:-100], b"\x89HDF\r\n\x1a\n{}"):
        for container in ("NetCDF-4", "safetensors"):
            try:
                with ExitStack() as stack:
                    header, rows = read_prediction(io.BytesIO(content), container, stack)
                    json.dumps({"header": header.to_dict(), "values": rows(0)[1].tolist()})
            except PredictionError as error:
                json.dumps(str(error))


def _send(header: Header, rows: Rows) -> None:
    """Write the values of all times; none if they are not what `Header.has_values` says.

    Nobody asks for them then.
    """
    position = 0
    while header.has_values and position < sum(header.shape[:1]):
        start, *blocks = rows(position)
        for of_one_time in zip(*(block for block in blocks if block is not None), strict=True):
            for field in of_one_time:
                _write(field.data.cast("B"))
            position += 1


def _write(rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(VALUES, rest) :]


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
