"""A table of observations: one row a measured value, from any place, height and minute.

It is an Arrow table of the columns of `SCHEMA`, ascending in time, so that what belongs to an
analysis is a slice of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dambench_hub.errors import DataError, did_you_mean
from dambench_hub.observations.columns import (
    as_longitudes,
    as_times,
    from_series,
    of_one_length,
    to_arrow,
)
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES, REPORTS
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.window import Window

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_NAMES = pa.dictionary(pa.int32(), pa.string())

SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ms", tz="UTC")),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("elevation", pa.float32()),
        ("pressure", pa.float32()),
        ("variable", _NAMES),
        ("value", pa.float32()),
        ("error_std", pa.float32()),
        ("station", _NAMES),
        ("report", _NAMES),
        ("quality", pa.uint8()),
        ("withheld", pa.bool_()),
    ]
)
"""Columns and types; what they mean is in `ObservationTable`."""

DEFAULTS = {"elevation": np.nan, "pressure": np.nan, "quality": 0, "withheld": False}
"""Of columns that `from_columns` may do without."""

UNITS = {"latitude": "degrees_north", "longitude": "degrees_east", "elevation": "m"} | {
    "pressure": "Pa"
}


@dataclass(frozen=True, eq=False)
class ObservationTable:
    """Measured values with all that their use needs. R rows; nothing in it is null.

    Attributes:
        arrow: The columns of `SCHEMA`, ascending in time.

    Raises:
        DataError: When a column is absent or of another type, or a value is impossible as what it
            is said to be: see the properties.
    """

    arrow: pa.Table

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrow", _as_schema(self.arrow).combine_chunks())
        if problem := next(_problems(self), None):
            raise DataError(f"The table of observations cannot be used: {problem}")

    @classmethod
    def from_columns(cls, **columns: Any) -> ObservationTable:
        """A table of columns in any order of time: (R,) each, or one value for all rows.

        `elevation`, `pressure`, `quality` and `withheld` may be absent. Longitudes from −180 to 180
        are brought to 0 to 360.

        Raises:
            DataError: When they are no table, see the class.
        """
        if unknown := set(columns) - set(SCHEMA.names):
            name = min(unknown)
            raise DataError(f"Unknown column {name!r}. {did_you_mean(name, SCHEMA.names)}")
        if absent := set(SCHEMA.names) - set(columns) - set(DEFAULTS):
            raise DataError(f"Columns {', '.join(sorted(absent))} are absent.")
        arrays = of_one_length({**DEFAULTS, **columns})
        arrays["time"] = as_times(arrays["time"])
        arrays["longitude"] = as_longitudes(arrays["longitude"])
        order = np.argsort(arrays["time"], kind="stable")
        return cls(
            pa.table(
                [to_arrow(f.name, arrays[f.name][order], f.type) for f in SCHEMA], schema=SCHEMA
            )
        )

    @classmethod
    def empty(cls) -> ObservationTable:
        """A table of no rows."""
        return cls(SCHEMA.empty_table())

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame) -> ObservationTable:
        """The inverse of `to_pandas`; columns as in `from_columns`."""
        return cls.from_columns(**{name: from_series(frame[name]) for name in frame.columns})

    def __len__(self) -> int:
        return self.arrow.num_rows

    def __repr__(self) -> str:
        if not len(self):
            return "ObservationTable(0 rows)"
        first, last = self.time[[0, -1]].astype("datetime64[m]")
        variables = ", ".join(self.names("variable"))
        return f"ObservationTable({len(self)} rows, {first} to {last} UTC, {variables})"

    @cached_property
    def time(self) -> np.ndarray:
        """When it was measured, UTC, datetime64[ms], (R,), ascending."""
        return self._numpy("time").view("datetime64[ms]")

    @cached_property
    def latitude(self) -> np.ndarray:
        """Degrees north, −90 to 90, float64, (R,)."""
        return self._numpy("latitude")

    @cached_property
    def longitude(self) -> np.ndarray:
        """Degrees east, 0 to 360 exclusive, float64, (R,)."""
        return self._numpy("longitude")

    @cached_property
    def elevation(self) -> np.ndarray:
        """Height of the station above sea level, m, float32, (R,); NaN where it is not known."""
        return self._numpy("elevation")

    @cached_property
    def pressure(self) -> np.ndarray:
        """Pa, float32, (R,), where the variable is on levels; NaN at the surface."""
        return self._numpy("pressure")

    @cached_property
    def value(self) -> np.ndarray:
        """Measured value, units of `OBSERVED_VARIABLES`, float32, (R,), finite."""
        return self._numpy("value")

    @cached_property
    def error_std(self) -> np.ndarray:
        """Standard deviation of the observation error, units of the value, float32, (R,), > 0."""
        return self._numpy("error_std")

    @cached_property
    def quality(self) -> np.ndarray:
        """Codes of `Quality`, uint8, (R,)."""
        return self._numpy("quality")

    @cached_property
    def withheld(self) -> np.ndarray:
        """Whether a row is kept for scoring and never given to a method, bool, (R,)."""
        return self._numpy("withheld")

    def codes(self, column: str) -> np.ndarray:
        """Positions in `names(column)` of `variable`, `station` or `report`, int32, (R,)."""
        return self._chunk(column).indices.to_numpy()

    def names(self, column: str) -> list[str]:
        """The names that the codes of `variable`, `station` or `report` stand for."""
        return self._chunk(column).dictionary.to_pylist()

    def labels(self, column: str) -> np.ndarray:
        """`variable`, `station` or `report` of each row, str, (R,)."""
        names = self.names(column)
        return np.array(names)[self.codes(column)] if names else np.empty(0, "U1")

    def is_of(self, column: str, name: str) -> np.ndarray:
        """Which rows have this `variable`, `station` or `report`, bool, (R,)."""
        names = self.names(column)
        return self.codes(column) == (names.index(name) if name in names else -1)

    def where(self, rows: np.ndarray) -> ObservationTable:
        """The rows that a boolean (R,) selects.

        Raises:
            DataError: When it is something else.
        """
        chosen = np.asarray(rows)
        if chosen.dtype != bool or chosen.shape != (len(self),):
            raise DataError(
                f"Rows are chosen by a boolean for each of {len(self)}, got {chosen.dtype} of "
                f"shape {chosen.shape}."
            )
        return self._selected(self.arrow.filter(pa.array(chosen)))

    def window(self, valid_time: np.datetime64, window: Window) -> ObservationTable:
        """The rows whose times belong to the analysis at `valid_time`, without a copy."""
        start, stop = np.searchsorted(self.time, window.bounds(valid_time), side="right")
        return self._selected(self.arrow.slice(start, stop - start))

    def replace(self, **columns: np.ndarray) -> ObservationTable:
        """The same rows with other columns, (R,) each; not their times.

        Raises:
            DataError: When they are no table.
        """
        known, table = SCHEMA.names[1:], self.arrow
        for name, values in columns.items():
            if name not in known:
                raise DataError(f"No column {name!r} to replace. {did_you_mean(name, known)}")
            if np.shape(values) != (len(self),):
                raise DataError(
                    f"Column {name} has shape {np.shape(values)}, the table has {len(self)} rows."
                )
            at = SCHEMA.get_field_index(name)
            column = to_arrow(name, of_one_length({name: values})[name], SCHEMA[at].type)
            table = table.set_column(at, SCHEMA[at], column)
        return ObservationTable(table)

    def to_pandas(self) -> pd.DataFrame:
        """A frame of the same columns; names as categories."""
        return self.arrow.to_pandas()

    def to_xarray(self) -> xr.Dataset:
        """The columns along `observation`, with units, as CF has point data."""
        import xarray as xr

        variables: dict[str, Any] = {}
        for name in SCHEMA.names:
            named = pa.types.is_dictionary(SCHEMA.field(name).type)
            values = self.labels(name).astype(object) if named else getattr(self, name)
            attributes = {"units": UNITS[name]} if name in UNITS else {}
            variables[name] = ("observation", values, attributes)
        coordinates = {name: variables.pop(name) for name in ("time", "latitude", "longitude")}
        return xr.Dataset(variables, coordinates, {"featureType": "point"})

    def _chunk(self, column: str) -> pa.Array:
        chunked = self.arrow.column(column)
        return chunked.chunk(0) if chunked.num_chunks else pa.array([], chunked.type)

    def _numpy(self, column: str) -> np.ndarray:
        chunk = self._chunk(column)
        if pa.types.is_timestamp(chunk.type):
            chunk = chunk.cast(pa.int64())
        return chunk.to_numpy(zero_copy_only=not pa.types.is_boolean(chunk.type))

    def _selected(self, arrow: pa.Table) -> ObservationTable:
        """Rows of this table, which need no second check."""
        table = object.__new__(ObservationTable)
        object.__setattr__(table, "arrow", arrow.combine_chunks())
        return table


def concatenate(tables: Sequence[ObservationTable]) -> ObservationTable:
    """The rows of all tables, ascending in time; rows of one time in the order of the tables."""
    whole = pa.concat_tables([t.arrow for t in tables] or [SCHEMA.empty_table()])
    whole = whole.unify_dictionaries().combine_chunks()
    time = whole.column("time").cast(pa.int64()).to_numpy()
    return ObservationTable(whole.take(pa.array(np.argsort(time, kind="stable"))))


def _as_schema(table: pa.Table) -> pa.Table:
    """The columns of `SCHEMA` in its order, cast to its types without loss."""
    if absent := [name for name in SCHEMA.names if name not in table.column_names]:
        raise DataError(
            f"The table of observations lacks {', '.join(absent)}; its columns are "
            f"{', '.join(SCHEMA.names)}."
        )
    columns = []
    for field in SCHEMA:
        column = table.column(field.name)
        try:
            columns.append(column.cast(field.type))
        except (pa.ArrowException, ValueError) as error:
            raise DataError(
                f"Column {field.name} of the table is {column.type}, wanted {field.type} ({error})."
            ) from error
    return pa.table(columns, schema=SCHEMA)


def _problems(table: ObservationTable) -> Any:
    """What is wrong with the rows, a sentence each; empty if nothing is."""
    for name in SCHEMA.names:
        if nulls := table.arrow.column(name).null_count:
            yield f"{name} is null in {nulls} rows; what is not known is NaN, or no row."
            return
    for column, known in (("variable", OBSERVED_VARIABLES), ("report", REPORTS)):
        for code in np.unique(table.codes(column)):
            if (name := table.names(column)[code]) not in known:
                yield f"unknown {column} {name!r}. {did_you_mean(name, known)}"
                return
    checks: Mapping[str, np.ndarray] = {
        "time": np.diff(table.time, prepend=table.time[:1]).astype(int) >= 0,
        "latitude": np.abs(table.latitude) <= 90,
        "longitude": (table.longitude >= 0) & (table.longitude < 360),
        "elevation": ~(np.abs(table.elevation - 4_000) > 5_000),
        "pressure": _has_pressure(table),
        "value": np.isfinite(table.value),
        "error_std": (table.error_std > 0) & np.isfinite(table.error_std),
        "quality": np.isin(table.quality, list(Quality)),
    }
    for name, right in checks.items():
        if not right.all():
            row = int(np.argmin(right))
            wanted = WANTED[name]
            got = f"{getattr(table, name)[row]} ({table.labels('variable')[row]})"
            yield f"{name} is {wanted}; row {row} has {got}, {np.sum(~right)} rows are wrong."


WANTED = {
    "time": "ascending",
    "latitude": "from -90 to 90 degrees",
    "longitude": "from 0 to 360 degrees, 360 excluded",
    "elevation": "from -1000 to 9000 m, or NaN",
    "pressure": "in Pa, from 1 to 120000, for variables on levels, and NaN for others",
    "value": "finite",
    "error_std": "positive",
    "quality": f"one of {', '.join(f'{int(q)} ({q.name.lower()})' for q in Quality)}",
}


def _has_pressure(table: ObservationTable) -> np.ndarray:
    names = table.names("variable")
    on_levels = np.array(
        [v in OBSERVED_VARIABLES and OBSERVED_VARIABLES[v].on_levels for v in names]
    )
    wanted = on_levels[table.codes("variable")] if len(table) else np.empty(0, bool)
    inside = (table.pressure >= 1) & (table.pressure <= 120_000)
    return np.where(wanted, inside, np.isnan(table.pressure))
