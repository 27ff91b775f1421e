"""The one reader of prediction files, for files that anybody may have made.

It understands exactly two containers, NetCDF-4 (HDF5) and safetensors, and in them nothing but
plain data; see `safe_hdf5` for what is refused. The file is opened once, and no path in it is
followed. It needs the standard library, numpy and h5py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.predictions.cf_times import decode_times
from dambench_hub.predictions.chunks import MAX_BLOCK
from dambench_hub.predictions.dimension_scales import axis_names
from dambench_hub.predictions.header import (
    ATTRIBUTES,
    COORDINATES,
    STD,
    TRUNCATED,
    Header,
    StoredField,
)
from dambench_hub.predictions.safe_hdf5 import (
    Variable,
    plain_variable,
    read_attributes,
    read_axis,
    read_names,
)
from dambench_hub.predictions.safe_tensors import read_tensors
from dambench_hub.runtime.honest_text import quoted

CONTAINERS = {".nc": "NetCDF-4", ".h5": "NetCDF-4", ".safetensors": "safetensors"}
"""The container by the end of the file name."""

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
FOREIGN = (
    (b"CDF", "NetCDF-3 (classic)", "Write it with format='NETCDF4'."),
    (b"PK\x03\x04", "a zip archive (npz, zarr, torch)", "Write it with write_predictions."),
    (b"\x93NUMPY", "a numpy file", "Write it with write_predictions."),
    (b"\x80", "a pickle", "Pickles run code and are never opened; use write_predictions."),
    (b"GRIB", "GRIB", "Write it with write_predictions."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it first."),
    (b"PAR1", "Parquet", "Write it with write_predictions."),
)


Block = tuple[int, np.ndarray, np.ndarray | None]
"""The number of a time, and of it and those after it the analyses, and the std if there is one."""
Rows = Callable[[int], Block]
"""Reads the stored rows that hold time n."""


@dataclass(eq=False)
class Prediction:
    """An open prediction file, to be used in a `with` statement.

    `prediction[n]` is the analysis of time n, float32, (C, Y, X), or (M, C, Y, X) with members, and
    iteration gives one after the other; `prediction.std(n)` is what the method says of its error.
    Values are read when they are asked for, so memory does not grow with the number of times.

    Attributes:
        header: Coordinates and attributes.
        rows: Reads the stored rows that hold time n.
        resources: What to close.
    """

    header: Header
    rows: Rows
    resources: ExitStack
    _block: Block = field(default=(0, np.empty(0), None), repr=False)

    def __len__(self) -> int:
        return sum(self.header.shape[:1])  # a single number is an analysis of no time

    def __getitem__(self, index: int) -> np.ndarray:
        start, values, _ = self._block_of(index)
        return values[index - start]

    def std(self, index: int) -> np.ndarray | None:
        """Predicted standard deviation of the error of time n, float32, (C, Y, X), if there is any.

        Args:
            index: Of the time. In a file that is read in order, that of the last analysis.
        """
        start, _, std = self._block_of(index)
        return None if std is None else std[index - start]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def __enter__(self) -> Prediction:
        return self

    def __exit__(self, *error: object) -> None:
        self.resources.close()

    def _block_of(self, index: int) -> Block:
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} times, got index {index}.")
        start, values, _ = self._block
        if not start <= index < start + len(values):
            self._block = self.rows(index)
        return self._block


Opener = Callable[[str | Path], Prediction]
"""How a file is opened: `open_prediction`, or a way that trusts the file even less."""


def open_prediction(path: str | Path) -> Prediction:
    """Open a prediction file, of which nothing is believed.

    Raises:
        PredictionError: When there is no such file, or it is truncated, of another kind or holds
            anything but plain data. Each line of the message is one problem.
    """
    path = Path(path)
    container = container_of(path)
    if not path.is_file():
        raise PredictionError(f"There is no file {path}.")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise PredictionError(f"{path} cannot be opened: {error.strerror}.") from error
        with naming(path):
            header, rows = read_prediction(file, container, stack)
        return Prediction(header, rows, stack.pop_all())


def container_of(path: Path) -> str:
    """The container that a file should be, by its name.

    Raises:
        PredictionError: When it is the name of no prediction file.
    """
    if path.suffix not in CONTAINERS:
        raise PredictionError(
            f"{path.name}: the name of a prediction file ends in {' or '.join(CONTAINERS)}."
        )
    return CONTAINERS[path.suffix]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Begin each line of a `PredictionError` with the file's name."""
    try:
        yield
    except PredictionError as error:
        lines = (f"{path.name}: {problem}" for problem in error.problems)
        raise PredictionError("\n".join(lines)) from error


def read_prediction(file: BinaryIO, container: str, stack: ExitStack) -> tuple[Header, Rows]:
    """The header and the way to the values of an open file, of which nothing is believed.

    Args:
        file: At its start; no other file is opened.
        container: One of `CONTAINERS`.
        stack: Closes what is opened here.

    Raises:
        PredictionError: As `open_prediction`, without the file's name.
    """
    try:
        _require_container(file, container)
        hdf5 = container == "NetCDF-4"
        header, rows = _read_hdf5(file, stack) if hdf5 else read_tensors(file)
    except PredictionError:
        raise
    except Exception as error:  # h5py has a kind of exception for every kind of damage
        raise PredictionError(TRUNCATED) from error
    header.require_bounded()
    return header, rows


def _require_container(file: BinaryIO, wanted: str) -> None:
    start = file.read(9)
    file.seek(0)
    if start.startswith(HDF5_SIGNATURE):
        found, advice = "NetCDF-4", "Rename it to .nc."
    elif start[8:] == b"{":
        found, advice = "safetensors", "Rename it to .safetensors."
    elif not start:
        found, advice = "nothing", "The file is empty; write it again."
    else:
        found, advice = "something else", "Write it with write_predictions or xarray's to_netcdf."
        for signature, kind, way in FOREIGN:
            if start.startswith(signature):
                found, advice = kind, way
    if found != wanted:
        raise PredictionError(f"the name says {wanted}, the content is {found}. {advice}")


def _read_hdf5(file: BinaryIO, stack: ExitStack) -> tuple[Header, Rows]:
    root = stack.enter_context(h5py.File(file, "r"))
    variables = _variables(root)
    analysis, time = variables["analysis"], variables["time"]
    coordinates = {name: variables[name].dataset for name in COORDINATES}
    std = variables.get(STD)
    if std:
        _require_alike(analysis, std)
    counted = read_attributes(time.dataset, ("units", "calendar"))
    header = Header(
        shape=analysis.dataset.shape,
        dtype=analysis.dataset.dtype.str,
        time=decode_times(
            read_axis(time), counted.get("units", ""), counted.get("calendar", "standard")
        ),
        channels=read_names(variables["channel"]),
        latitude=read_axis(variables["latitude"]).astype(np.float64),
        longitude=read_axis(variables["longitude"]).astype(np.float64),
        attributes=read_attributes(root, ATTRIBUTES),
        axes=axis_names(analysis.dataset, coordinates),
        std=StoredField(
            std.dataset.shape, std.dataset.dtype.str, axis_names(std.dataset, coordinates)
        )
        if std
        else None,
    )

    def rows(index: int) -> Block:
        return *analysis.rows(index), std.rows(index)[1] if std else None

    return header, rows


def _require_alike(analysis: Variable, std: Variable) -> None:
    """Refuse standard deviations that cannot be read with the analysis, time by time."""
    if analysis.depth != std.depth:
        raise PredictionError(
            f"std is chunked by {std.depth} times, analysis by {analysis.depth}; "
            "chunk both by one time."
        )
    if std.depth > 1 and analysis.block_bytes + std.block_bytes > MAX_BLOCK:
        raise PredictionError(
            f"analysis and std are chunked by {std.depth} times; chunk them by one time."
        )


def _variables(root: h5py.File) -> dict[str, Variable]:
    """Analysis, coordinates and std, once they are known to be plain data.

    Others are never opened.
    """
    names = ("analysis", *COORDINATES)
    present = list(root)  # `name in root` would follow links
    missing = [name for name in names if name not in present]
    links = [
        name for name in present if not isinstance(root.get(name, getlink=True), h5py.HardLink)
    ]
    variables, problems = {}, []
    if missing:
        problems.append(
            f"{', '.join(missing)} missing; a prediction file has the variables {', '.join(names)}."
        )
    if links:
        found = ", ".join(quoted(name) for name in links[:5])
        problems.append(f"{found} is a link to somewhere else; store the values in this file.")
    for name in (name for name in (*names, STD) if name in present and name not in links):
        try:
            variables[name] = plain_variable(root, name)
        except PredictionError as error:
            problems.append(str(error))
    if problems:
        raise PredictionError("\n".join(problems))
    return variables
