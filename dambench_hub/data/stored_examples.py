"""Random access to the examples in the shards of a config."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from dambench_hub.errors import DataError, did_you_mean
from dambench_hub.storage.manifest import Shard
from dambench_hub.storage.shards import READERS, ShardReader

OPEN_SHARDS = 64
"""How many shards stay open; opening one costs a millisecond."""


class StoredExamples:
    """The examples of one config, as they are stored.

    Args:
        folder: The data set.
        format: Of the shards.
        splits: The shards of each split, in order.
        shapes: Shape of one example's value in each column.
        absent: Columns of fields that the shards do not have, being older; they are NaN.

    Attributes:
        sizes: How many examples each split has.
        shapes: As given.
    """

    def __init__(
        self,
        folder: Path,
        format: str,
        splits: Mapping[str, Sequence[Shard]],
        shapes: Mapping[str, tuple[int, ...]],
        absent: Iterable[str] = (),
    ) -> None:
        self.folder, self.format, self.splits, self.shapes = folder, format, splits, shapes
        self._absent = frozenset(absent)
        self._stored = {name: shape for name, shape in shapes.items() if name not in self._absent}
        self._bounds = {
            split: [0, *accumulate(len(shard.hours) for shard in shards)]
            for split, shards in splits.items()
        }
        self.sizes = {split: bounds[-1] for split, bounds in self._bounds.items()}
        self._reader = lru_cache(OPEN_SHARDS)(self._open)

    def read(
        self, split: str, index: int, columns: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Columns of one example, None for all; see `Data.example`."""
        columns = tuple(self.shapes if columns is None else columns)
        for name in columns:
            if name not in self.shapes:
                advice = did_you_mean(name, self.shapes)
                raise DataError(f"The data set has no column {name!r}. {advice}")
        reader, row = self._locate(split, index)
        stored = reader.read(row, [name for name in columns if name not in self._absent])
        return {
            name: np.full(self.shapes[name], np.nan, "f4") if name in self._absent else stored[name]
            for name in columns
        }

    def fill(self, split: str, index: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy columns of one example into C-contiguous arrays; see `Data.fill`."""
        reader, row = self._locate(split, index)
        reader.fill(row, {name: a for name, a in arrays.items() if name not in self._absent})
        for name in self._absent & arrays.keys():
            arrays[name][...] = np.nan

    def _locate(self, split: str, index: int) -> tuple[ShardReader, int]:
        """The shard of an example, and its row there."""
        size = self.sizes[split]
        if not -size <= index < size:
            raise IndexError(f"{split} has {size} examples, there is no number {index}.")
        index %= size
        shard = bisect_right(self._bounds[split], index) - 1
        return self._reader(split, shard), index - self._bounds[split][shard]

    def _open(self, split: str, shard: int) -> ShardReader:
        return READERS[self.format](self.folder / self.splits[split][shard].path, self._stored)
