"""The scores behind a ranking as one long table: by day and channel, and by region and channel."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dambench_hub.coordinates.times import from_hours
from dambench_hub.leaderboard.store.ranking import Entry, Ranking
from dambench_hub.leaderboard.store.results import Store

GLOBE = "globe"
"""The region of errors by day."""

WORDS = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("name", WORDS),
        ("owner", WORDS),
        ("submission", WORDS),
        ("time", pa.timestamp("s", tz="UTC")),
        ("region", WORDS),
        ("channel", WORDS),
        ("rmse", pa.float64()),
    ]
)
"""`time` is the valid time, null for means over all; `rmse` in the channel's units."""


def raw_scores(store: Store, ranking: Ranking) -> pa.Table:
    """A row for each method, day and channel on the globe, and each method, region and channel.

    Only of rows whose errors by day are kept; where the reference is private there are none, since
    they would tell it.

    Args:
        store: The database.
        ranking: Of one task, in it.

    Returns:
        A table of `SCHEMA`.
    """
    parts = [part for entry in ranking.entries for part in _rows(store, entry)]
    return pa.concat_tables([SCHEMA.empty_table(), *parts])


def as_parquet(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    content = io.BytesIO()
    parquet.write_table(table, content, compression="zstd")
    return content.getvalue()


def _rows(store: Store, entry: Entry) -> list[pa.Table]:
    errors = store.square_errors(entry)
    if errors is None:
        return []
    scores = entry.result.scores
    channels, times = list(scores["rmse"]), from_hours(list(entry.result.hours))
    daily = _table(entry, np.repeat(times, len(channels)), GLOBE, channels, np.sqrt(errors))
    regions = [
        _table(entry, None, region, list(found), np.array(list(found.values())))
        for region, found in scores.get("rmse_by_region", {}).items()
    ]
    return [daily, *regions]


def _table(
    entry: Entry, times: np.ndarray | None, region: str, channels: list[str], rmse: np.ndarray
) -> pa.Table:
    """Rows of one method and region; channels vary fastest."""
    count = rmse.size

    def same(word: str) -> pa.Array:
        return pa.array([word] * count).dictionary_encode()

    time = pa.nulls(count) if times is None else pa.array(times.astype("datetime64[s]"))
    columns = [
        same(entry.name),
        same(entry.owner.name),
        same(entry.submission),
        time,
        same(region),
        pa.array(channels * (count // len(channels))).dictionary_encode(),
        pa.array(rmse.ravel()),
    ]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)
