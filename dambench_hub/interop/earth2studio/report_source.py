"""The tables of a data set as a source of frames."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa

from dambench_hub.data.dataset import Data
from dambench_hub.errors import DataError, did_you_mean
from dambench_hub.interop.earth2studio.frames import SCHEMA, earth2studio_name, to_frame
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES
from dambench_hub.observations.table import concatenate

if TYPE_CHECKING:
    import pandas as pd

Times = datetime | Iterable[datetime] | np.ndarray
Names = str | Iterable[str]


class ReportSource:
    """Observations that may be assimilated at the valid times of a split; a `DataFrameSource`.

    They are good ones, and none is withheld for scoring.

    Args:
        data: A data set with tables of observations.
        split: Which of its analyses.
    """

    SCHEMA: ClassVar[pa.Schema] = SCHEMA

    def __init__(self, data: Data, split: str = "test") -> None:
        self.data, self.split = data, split
        self.variables = [earth2studio_name(name) for name in OBSERVED_VARIABLES]

    def __call__(
        self, time: Times, variable: Names, fields: Names | pa.Schema | None = None
    ) -> pd.DataFrame:
        """The observations in the windows of these times, ascending in time.

        Args:
            time: Valid times of the split, one or several, UTC. What belongs to two of them comes
                once.
            variable: earth2studio's names, one or several: `t2m`, `u10m`; `t` for temperatures on
                levels, whose pressure is in `pres`.
            fields: Which columns of `SCHEMA`, or a schema with other types for them; None for all.
                Without `error_std`, `Assimilation` takes the errors that are prescribed.

        Returns:
            R rows, perhaps none.

        Raises:
            DataError: When the split has no analysis at a time or no tables, or a variable or field
                is unknown.
        """
        names = _listed(variable)
        for name in names:
            if name not in self.variables:
                raise DataError(f"Unknown variable {name!r}. {did_you_mean(name, self.variables)}")
        known = self.data.times(self.split)
        numbers = sorted({_number(known, one, self.split) for one in _instants(time)})
        tables = [self.data.reports(self.split, number) for number in numbers]
        frame = to_frame(concatenate(tables))
        # The same row of two windows, as rows of one table differ in time, place or variable.
        frame = frame[frame["variable"].isin(names)].drop_duplicates(ignore_index=True)
        frame.attrs["source"] = f"{self.data.manifest.name}, revision {self.data.revision}"
        return _with_fields(frame, fields)

    async def fetch(
        self, time: Times, variable: Names, fields: Names | pa.Schema | None = None
    ) -> pd.DataFrame:
        """The same, for who awaits it; files are local, and nothing is waited for."""
        return self(time, variable, fields)


def _listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else [str(name) for name in names]


def _instants(time: Times) -> np.ndarray:
    return np.atleast_1d(np.asarray(time, "datetime64[ms]"))


def _number(known: np.ndarray, time: np.datetime64, split: str) -> int:
    (found,) = np.nonzero(known == time)
    if not len(found):
        raise DataError(
            f"The split {split} has no analysis at {time}; it has {len(known)}, from {known[0]} to "
            f"{known[-1]}."
        )
    return int(found[0])


def _with_fields(frame: pd.DataFrame, fields: Names | pa.Schema | None) -> pd.DataFrame:
    if fields is None:
        return frame
    names = fields.names if isinstance(fields, pa.Schema) else _listed(fields)
    for name in names:
        if name not in SCHEMA.names:
            raise DataError(f"Unknown field {name!r}. {did_you_mean(name, SCHEMA.names)}")
    if not isinstance(fields, pa.Schema):
        return frame[names]
    kept = pa.Table.from_pandas(frame[names], preserve_index=False).select(names)
    typed = kept.cast(pa.schema([(f.name, f.type) for f in fields])).to_pandas()
    typed.attrs = frame.attrs
    return typed
