"""Plain arrays out of an HDF5 file that nobody vouches for.

HDF5 can point at other files, compute values from other variables and run filters that trust their
input. `storage_problem` refuses all of that before a value is read; `read_rows` takes chunks raw
and inflates them here, to exactly the size they must have. Only h5py is used: netCDF and xarray
follow links and decode packed values silently.
"""

from __future__ import annotations

import math
import zlib

import h5py
import numpy as np

from dambench_hub.errors import PredictionError

MAX_BLOCK = 1 << 30
MAX_CHUNK = 256 << 20
MAX_CHUNKS = 200_000
MAX_COORDINATE = 20_000
MAX_NAME = 1000
MAX_TEXT = 10_000
DEFLATE, SHUFFLE = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE
FILTERS: tuple[list[int], ...] = ([], [DEFLATE], [SHUFFLE], [SHUFFLE, DEFLATE])
LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
PACKING = ("scale_factor", "add_offset", "missing_value")


def plain_variable(root: h5py.File, name: str) -> h5py.Dataset:
    """The variable `name`, which is known to be no link, once it is known to be plain data.

    Raises:
        PredictionError: When it is a group, or `storage_problem` finds something.
    """
    dataset = root[name]
    if not isinstance(dataset, h5py.Dataset):
        raise PredictionError(f"{name} is a group or a type, wanted a variable.")
    if problem := storage_problem(dataset):
        raise PredictionError(f"{name} {problem}")
    return dataset


def storage_problem(dataset: h5py.Dataset) -> str | None:
    """Why the values of a variable must not be read, or None."""
    storage = dataset.id.get_create_plist()
    if storage.get_layout() not in LAYOUTS:
        return "is a virtual dataset; store its values in this file."
    if storage.get_external_count():
        return "lies in an external file; store its values in this file."
    if not _plain_filters(dataset):
        return "uses other filters than gzip and shuffle; write it with zlib=True or uncompressed."
    for attribute in PACKING:
        if attribute in dataset.attrs:
            return f"has the attribute {attribute}; store plain values without it."
    if not _fill_is_nan(dataset):
        return "has a _FillValue that is not NaN; every value must be there, remove it."
    return _size_problem(dataset)


def read_rows(dataset: h5py.Dataset, index: int) -> tuple[int, np.ndarray]:
    """The stored rows (along the first axis) that hold row `index`, and the first one's number.

    Raises:
        PredictionError: When the stored bytes are not what they should be.
    """
    try:
        if dataset.chunks is None:
            return index, dataset[index : index + 1]
        return _read_chunks(dataset, index)
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError, zlib.error) as error:
        raise PredictionError(
            f"the values of {dataset.name[1:]} at position {index} are damaged. "
            "Copy or write the file again."
        ) from error


def read_axis(dataset: h5py.Dataset) -> np.ndarray:
    """A coordinate of numbers, whole.

    Raises:
        PredictionError: When it is not one axis of numbers, or damaged.
    """
    name = dataset.name[1:]
    if (
        dataset.ndim != 1
        or not 0 < dataset.size <= MAX_COORDINATE
        or dataset.dtype.kind not in "fiu"
    ):
        found = f"{dataset.dtype.name} of shape {dataset.shape}"
        raise PredictionError(f"{name} must be one axis of numbers, got {found}.")
    blocks, start = [], 0
    while start < dataset.size:
        blocks.append(read_rows(dataset, start)[1])
        start += len(blocks[-1])
    return np.concatenate(blocks)


def read_names(dataset: h5py.Dataset) -> tuple[str, ...]:
    """A coordinate of strings, in any of the forms that NetCDF writers use.

    Raises:
        PredictionError: When it is not one axis of strings, or compressed.
    """
    name, shape, dtype = dataset.name[1:], dataset.shape, dataset.dtype
    if not (dtype.kind == "S" or h5py.check_string_dtype(dtype)):
        raise PredictionError(f"{name} must hold names as strings, got {dtype.name}.")
    letters = dtype == "S1" and len(shape) == 2  # a NetCDF character array
    if len(shape) != 1 + letters or max(math.prod(shape), dtype.itemsize) > MAX_COORDINATE:
        raise PredictionError(f"{name} must be one axis of names, got shape {shape}.")
    if _filters(dataset):
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


def _filters(dataset: h5py.Dataset) -> list[int]:
    storage = dataset.id.get_create_plist()
    return [storage.get_filter(number)[0] for number in range(storage.get_nfilters())]


def _plain_filters(dataset: h5py.Dataset) -> bool:
    """Are there no filters but those undone in `_read_chunk`, with the parameters it assumes?"""
    storage = dataset.id.get_create_plist()
    parameters = [storage.get_filter(number)[2] for number in range(storage.get_nfilters())]
    codes, itemsize = _filters(dataset), dataset.dtype.itemsize
    return codes in FILTERS and all(
        values[:1] in ((), (itemsize,))
        for code, values in zip(codes, parameters, strict=True)
        if code == SHUFFLE
    )


def _fill_is_nan(dataset: h5py.Dataset) -> bool:
    if "_FillValue" not in dataset.attrs:
        return True
    fill = np.asarray(dataset.attrs["_FillValue"])
    return fill.dtype.kind == "f" and bool(np.isnan(fill).all())


def _size_problem(dataset: h5py.Dataset) -> str | None:
    shape, chunk = dataset.shape, dataset.chunks
    if shape is None or 0 in shape:
        return f"has shape {shape}; it is empty."
    if chunk is None:
        size = math.prod(shape) * dataset.dtype.itemsize  # `nbytes` overflows
        stored = dataset.id.get_storage_size() >= size
        return None if stored else "has values that were never written; write all of them."
    row = math.prod(shape[1:]) * dataset.dtype.itemsize
    count = math.prod(-(-n // c) for n, c in zip(shape, chunk, strict=True))
    large = math.prod(chunk) * dataset.dtype.itemsize > MAX_CHUNK or count > MAX_CHUNKS
    if large or (chunk[0] > 1 and min(chunk[0], shape[0]) * row > MAX_BLOCK):
        return f"has chunks of shape {chunk}; chunk it by one time."
    if dataset.id.get_num_chunks() < count:
        return "has values that were never written; write all of them."
    return None


def _read_chunks(dataset: h5py.Dataset, index: int) -> tuple[int, np.ndarray]:
    shape, chunk = dataset.shape, dataset.chunks
    start = index // chunk[0] * chunk[0]
    rows = np.empty((min(chunk[0], shape[0] - start), *shape[1:]), dataset.dtype)
    for position in np.ndindex(*(-(-n // c) for n, c in zip(shape[1:], chunk[1:], strict=True))):
        corner = tuple(p * c for p, c in zip(position, chunk[1:], strict=True))
        target = rows[:, *(slice(o, o + c) for o, c in zip(corner, chunk[1:], strict=True))]
        values = _read_chunk(dataset, (start, *corner))
        target[...] = values[tuple(slice(n) for n in target.shape)]
    return start, rows


def _read_chunk(dataset: h5py.Dataset, offset: tuple[int, ...]) -> np.ndarray:
    itemsize = dataset.dtype.itemsize
    size = math.prod(dataset.chunks) * itemsize
    stored = dataset.id.get_chunk_info_by_coord(offset)
    if stored.byte_offset is None or stored.size > size + size // 100 + 1024:
        raise ValueError("the chunk is absent or larger than its values")
    skipped, raw = dataset.id.read_direct_chunk(offset)
    used = [name for bit, name in enumerate(_filters(dataset)) if not skipped >> bit & 1]
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
    return values.view(dataset.dtype).reshape(dataset.chunks)
