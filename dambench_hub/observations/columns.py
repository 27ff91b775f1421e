"""Values from anywhere, as the columns of a table of observations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dambench_hub.coordinates.missing import is_masked
from dambench_hub.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = ("elevation", "pressure")
"""Columns in which what is absent is NaN, as not every row has one."""


def of_one_length(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The columns as arrays of R values; a single value is that of all rows.

    Raises:
        DataError: When they have different lengths or several dimensions, or values are masked.
    """
    if masked := [name for name, values in columns.items() if is_masked(values)]:
        raise DataError(f"Column {masked[0]} has masked values; leave these rows out.")
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    shapes = {name: values.shape for name, values in arrays.items() if values.ndim}
    if len(set(shapes.values())) > 1 or any(len(shape) > 1 for shape in shapes.values()):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(f"Columns are of one length, or a value for all rows; got {listed}.")
    rows = next(iter(shapes.values()), (1,))
    return {name: np.broadcast_to(values, rows) for name, values in arrays.items()}


def as_times(values: np.ndarray) -> np.ndarray:
    """Times as datetime64[ms], (R,).

    Raises:
        DataError: When they are numbers, whose unit nobody knows, or text that is no time.
    """
    if values.dtype.kind in "biuf" and values.size:
        raise DataError("Column time has numbers; give datetime64, or text as 2024-01-31T12:05.")
    try:
        return values.astype("datetime64[ms]")
    except (ValueError, TypeError) as error:
        raise DataError(
            f"Column time cannot be read ({error}); give datetime64, or text as 2024-01-31T12:05."
        ) from error


def as_longitudes(values: np.ndarray) -> np.ndarray:
    """Longitudes from −180 to 180 brought to 0 to 360, all others as they are."""
    if values.dtype.kind not in "iuf":
        return values
    longitudes = values.astype(np.float64)
    west = (longitudes >= -180) & (longitudes < 0)
    # Rounding may bring a small negative longitude to 360 itself.
    longitudes[west] = longitudes[west] % 360 % 360
    return longitudes


def to_arrow(name: str, values: np.ndarray, arrow_type: pa.DataType) -> pa.Array:
    """A column of this type; what is absent (None, NaT, and NaN among names) is null.

    Raises:
        DataError: When values are of another kind, or out of the type's range.
    """
    named = pa.types.is_dictionary(arrow_type)
    try:
        if named:
            text = values.astype(str) if values.dtype.kind in "iuS" else values
            return pa.array(text, pa.string(), from_pandas=True).dictionary_encode()
        column = pa.array(values, from_pandas=values.dtype == object).cast(arrow_type)
    except (pa.ArrowException, ValueError, TypeError) as error:
        wanted = "text" if named else arrow_type
        raise DataError(f"Column {name} cannot be read ({error}); wanted {wanted}.") from error
    return column.fill_null(np.nan) if name in UNKNOWN else column


def from_series(series: pd.Series) -> np.ndarray:
    """A column of a frame; times in UTC, categories as their names."""
    if series.dtype.kind == "M" and series.dt.tz is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    return series.astype(object).to_numpy() if series.dtype == "category" else series.to_numpy()
