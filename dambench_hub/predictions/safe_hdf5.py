"""Plain arrays out of an HDF5 file that nobody vouches for.

HDF5 can point at other files, compute values from other variables and run filters that trust their
input. `storage_problem` refuses all of that before a value is read; `chunks` reads what is chunked.
Only h5py is used: netCDF and xarray follow links and decode packed values silently.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import h5py
import numpy as np

from dambench_hub.errors import PredictionError
from dambench_hub.predictions.chunks import NEVER_WRITTEN, Chunks, filters, plain_filters

MAX_COORDINATE = 20_000
MAX_NAME = 1000
MAX_TEXT = 10_000
LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
PACKING = ("scale_factor", "add_offset", "missing_value")


@dataclass(frozen=True, eq=False)
class Variable:
    """A variable that is known to be plain data.

    Attributes:
        dataset: What h5py knows of it.
        chunks: Where its values lie; None if they lie in one piece.
    """

    dataset: h5py.Dataset
    chunks: Chunks | None

    @property
    def name(self) -> str:
        """What it is called in the file."""
        return self.dataset.name[1:]

    @property
    def depth(self) -> int:
        """How many rows are read at once, at most."""
        return 1 if self.chunks is None else min(self.chunks.shape[0], self.dataset.shape[0])

    @property
    def block_bytes(self) -> int:
        """What so many rows take in memory."""
        return self.depth * math.prod(self.dataset.shape[1:]) * self.dataset.dtype.itemsize

    def rows(self, index: int) -> tuple[int, np.ndarray]:
        """The stored rows (along the first axis) that hold row `index`, and the first's number.

        Raises:
            PredictionError: When the stored bytes are not what they should be.
        """
        try:
            if self.chunks is None:
                return index, self.dataset[index : index + 1]
            return self.chunks.rows(index)
        except (OSError, RuntimeError, ValueError, TypeError, MemoryError, zlib.error) as error:
            raise PredictionError(
                f"the values of {self.name} at position {index} are damaged. "
                "Copy or write the file again."
            ) from error


def plain_variable(root: h5py.File, name: str) -> Variable:
    """The variable `name`, which is known to be no link, once it is known to be plain data.

    Raises:
        PredictionError: When it is a group, or `storage_problem` finds something.
    """
    dataset = root[name]
    if not isinstance(dataset, h5py.Dataset):
        raise PredictionError(f"{name} is a group or a type, wanted a variable.")
    if problem := storage_problem(dataset):
        raise PredictionError(f"{name} {problem}")
    try:
        return Variable(dataset, None if dataset.chunks is None else Chunks.of(dataset))
    except PredictionError as error:
        raise PredictionError(f"{name} {error}") from error


def storage_problem(dataset: h5py.Dataset) -> str | None:
    """Why the values of a variable must not be read, or None."""
    storage = dataset.id.get_create_plist()
    if storage.get_layout() not in LAYOUTS:
        return "is a virtual dataset; store its values in this file."
    if storage.get_external_count():
        return "lies in an external file; store its values in this file."
    if not plain_filters(dataset):
        return "uses other filters than gzip and shuffle; write it with zlib=True or uncompressed."
    for attribute in PACKING:
        if attribute in dataset.attrs:
            return f"has the attribute {attribute}; store plain values without it."
    if not _fill_is_nan(dataset):
        return "has a _FillValue that is not NaN; every value must be there, remove it."
    return _size_problem(dataset)


def read_axis(variable: Variable) -> np.ndarray:
    """A coordinate of numbers, whole.

    Raises:
        PredictionError: When it is not one axis of numbers, or damaged.
    """
    name, dataset = variable.name, variable.dataset
    if (
        dataset.ndim != 1
        or not 0 < dataset.size <= MAX_COORDINATE
        or dataset.dtype.kind not in "fiu"
    ):
        found = f"{dataset.dtype.name} of shape {dataset.shape}"
        raise PredictionError(f"{name} must be one axis of numbers, got {found}.")
    blocks, start = [], 0
    while start < dataset.size:
        blocks.append(variable.rows(start)[1])
        start += len(blocks[-1])
    return np.concatenate(blocks)


def read_names(variable: Variable) -> tuple[str, ...]:
    """A coordinate of strings, in any of the forms that NetCDF writers use.

    Raises:
        PredictionError: When it is not one axis of strings, or compressed.
    """
    name, dataset = variable.name, variable.dataset
    shape, dtype = dataset.shape, dataset.dtype
    if not (dtype.kind == "S" or h5py.check_string_dtype(dtype)):
        raise PredictionError(f"{name} must hold names as strings, got {dtype.name}.")
    letters = dtype == "S1" and len(shape) == 2  # a NetCDF character array
    if len(shape) != 1 + letters or max(math.prod(shape), dtype.itemsize) > MAX_COORDINATE:
        raise PredictionError(f"{name} must be one axis of names, got shape {shape}.")
    if filters(dataset):
        raise PredictionError(f"{name} is compressed; store the names plain.")
    # One by one, because short descriptions of very many long names exist.
    return tuple(_name(dataset[index]) for index in range(shape[0]))


def read_attributes(node: h5py.HLObject, names: tuple[str, ...]) -> dict[str, str]:
    """Those of the attributes `names` that are one text or one number, as text."""
    found = {}
    for name in names:
        if name not in node.attrs:
            continue
        space = h5py.h5a.open(node.id, name.encode()).get_space()
        if space.get_simple_extent_npoints() != 1:
            continue
        value = np.asarray(node.attrs[name])
        if value.size == 1 and isinstance(value.item(), bytes | str | int | float):
            found[name] = plain_text(value.item())
    return found


def plain_text(value: object) -> str:
    """A value that came as text, as bytes or as a number, as text that can be encoded as UTF-8.

    U+FFFD stands for what is no character.
    """
    if isinstance(value, bytes):
        return value[: 4 * MAX_TEXT].decode("utf-8", "replace")[:MAX_TEXT]
    return str(value)[:MAX_TEXT].encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _name(value: np.ndarray | bytes) -> str:
    raw = value.tobytes().rstrip(b"\0") if isinstance(value, np.ndarray) else bytes(value)
    if len(raw) > MAX_NAME:
        raise PredictionError(f"channel holds a name of {len(raw)} bytes, at most {MAX_NAME}.")
    return plain_text(raw)


def _fill_is_nan(dataset: h5py.Dataset) -> bool:
    if "_FillValue" not in dataset.attrs:
        return True
    fill = np.asarray(dataset.attrs["_FillValue"])
    return fill.dtype.kind == "f" and bool(np.isnan(fill).all())


def _size_problem(dataset: h5py.Dataset) -> str | None:
    if dataset.shape is None or 0 in dataset.shape:
        return f"has shape {dataset.shape}; it is empty."
    if dataset.chunks is None:
        size = math.prod(dataset.shape) * dataset.dtype.itemsize  # `nbytes` overflows
        return None if dataset.id.get_storage_size() >= size else NEVER_WRITTEN
    return None
