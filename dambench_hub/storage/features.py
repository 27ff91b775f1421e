"""The columns of an example: their Hugging Face features, and their Arrow arrays without copies.

`time` is a plain integer, hours since 1970-01-01 00 UTC, because torch and jax have no dates.
Format version 1 had a timestamp in milliseconds, which is read still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from datasets import Array2D, Array3D, Array4D, Features, List, Value

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import from_hours, hours_since_epoch
from dambench_hub.coordinates.variables import (
    EQUIVALENTS,
    MODALITIES,
    equivalent_of,
    members_equivalent_of,
)

CONFIGS: Mapping[str, tuple[str, ...]] = {
    "multimodal": (
        "time",
        "background",
        "observation_index",
        "observations",
        "precipitation",
        "olr",
        "background_precipitation",
        "background_olr",
        "reference",
    ),
    "unimodal": ("time", "background", "observation_index", "observations", "reference"),
    "background": ("time", "background"),
    "reanalysis": ("time", "reference"),
    "observations": ("time", "observation_index", "observations"),
    "stations": ("time", "precipitation", "background_precipitation"),
    "satellite": ("time", "olr", "background_olr"),
}
"""Configs of the data set and their columns; the first is the default and has them all."""


OF_FIELDS = ("observation_index", "observations", "reference")
"""Columns that a data set does not have whose reference is reports: nobody knows the field."""


def config_columns(
    modalities: Sequence[str], reference_is_reports: bool = False
) -> dict[str, tuple[str, ...]]:
    """The configs that a data set with these modalities has, and their columns.

    Without modalities, `multimodal` has the columns of `unimodal`, and `stations` and `satellite`
    do not exist.
    """
    others = MODALITIES.keys() - set(modalities)
    absent = others | {equivalent_of(name) for name in others}
    absent |= set(OF_FIELDS if reference_is_reports else ())
    kept = {
        config: tuple(column for column in columns if column not in absent)
        for config, columns in CONFIGS.items()
    }
    return {config: columns for config, columns in kept.items() if len(columns) > 1}


def column_shapes(
    channels: int,
    grid: Grid,
    points: int,
    modalities: Sequence[str],
    reference_is_reports: bool = False,
) -> dict[str, tuple[int, ...]]:
    """Shape of one example's value in each column, in the order of the files."""
    state = (channels, *grid.shape)
    shapes: dict[str, tuple[int, ...]] = {
        "time": (),
        "background": state,
        "observation_index": (points,),
        "observations": (channels, points),
        "reference": state,
        **dict.fromkeys((*MODALITIES, *EQUIVALENTS), grid.shape),
    }
    columns = config_columns(modalities, reference_is_reports)["multimodal"]
    return {name: shapes[name] for name in columns}


def ensemble_shapes(
    channels: int, grid: Grid, members: int, modalities: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Shape of one example's value in each column of the config `ensemble`."""
    equivalents = (members_equivalent_of(name) for name in MODALITIES if name in modalities)
    return {
        "time": (),
        "background_members": (members, channels, *grid.shape),
        **dict.fromkeys(equivalents, (members, *grid.shape)),
    }


def example_features(shapes: Mapping[str, tuple[int, ...]]) -> Features:
    """Hugging Face features of columns with these shapes."""

    def feature(name: str, shape: tuple[int, ...]) -> object:
        match name, len(shape):
            case "time", _:
                return Value("int64")
            case "observation_index", _:
                return List(Value("int32"), length=shape[0])
            case _, 2:
                return Array2D(shape, "float32")
            case _, 4:
                return Array4D(shape, "float32")
            case _:
                return Array3D(shape, "float32")

    return Features({name: feature(name, shape) for name, shape in shapes.items()})


def to_record_batch(example: Mapping[str, np.ndarray], features: Features) -> pa.RecordBatch:
    """One example as an Arrow record batch of one row; large values are not copied.

    Args:
        example: A value for each feature; `time` as datetime64.
        features: From `example_features`.
    """
    schema = features.arrow_schema
    arrays = [_to_arrow(np.asarray(example[field.name]), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def from_arrow(column: pa.Array, shape: tuple[int, ...]) -> np.ndarray:
    """The value of a column of one row, as a read-only view where Arrow allows it.

    Returns:
        (*shape), float32 or int32; datetime64[h] for `time`.
    """
    values = column.storage if isinstance(column, pa.ExtensionArray) else column
    while pa.types.is_nested(values.type):
        values = values.flatten()
    if pa.types.is_timestamp(values.type):
        return values.to_numpy(zero_copy_only=False)[0].astype("datetime64[h]")
    if pa.types.is_int64(values.type):
        return from_hours(values.to_numpy())[0]
    if pa.types.is_string(values.type):
        return np.array(values[0].as_py().removesuffix("Z"), "datetime64[h]")
    return values.to_numpy(zero_copy_only=True).reshape(shape)


def _to_arrow(value: np.ndarray, arrow_type: pa.DataType) -> pa.Array:
    if isinstance(arrow_type, pa.ExtensionType):
        storage = _nested_lists(value[np.newaxis])
        return pa.ExtensionArray.from_storage(arrow_type, storage.cast(arrow_type.storage_type))
    if pa.types.is_fixed_size_list(arrow_type):
        return pa.FixedSizeListArray.from_arrays(pa.array(value), type=arrow_type)
    if pa.types.is_string(arrow_type):
        return pa.array([f"{value.astype('datetime64[m]')}Z"], arrow_type)
    return pa.array([int(hours_since_epoch(value))], arrow_type)


def _nested_lists(values: np.ndarray) -> pa.Array:
    """An array (1, n_1, …, n_d) as d levels of lists around its flat values."""
    nested = pa.array(np.ascontiguousarray(values).reshape(-1))
    for axis in range(values.ndim - 1, 0, -1):
        count, length = int(np.prod(values.shape[:axis])), values.shape[axis]
        offsets = pa.array(np.arange(count + 1, dtype=np.int32) * length)
        nested = pa.ListArray.from_arrays(offsets, nested)
    return nested
