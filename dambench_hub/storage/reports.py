"""What the manifest says of tables of observations: the files, their window, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dambench_hub.observations.observed_variables import REPORTS as KINDS
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.window import Window

REPORTS = "reports"
"""The config with the tables, its folder, and the manifest's key."""

COLUMNS: Mapping[str, str] = {
    "time": "when it was measured, UTC",
    "latitude": "degrees north, −90 to 90",
    "longitude": "degrees east, 0 to 360 (exclusive)",
    "elevation": "height of the station above sea level, m; NaN: not known",
    "pressure": "Pa, where the variable is on levels; NaN: at the surface, or from space",
    "variable": "what was measured",
    "value": "the measured value, in the variable's units",
    "error_std": "standard deviation of the observation error, same units",
    "station": "who measured: an identifier",
    "report": f"kind of message: {', '.join(KINDS)}",
    "quality": "; ".join(f"{int(code)}: {code.name.lower()}" for code in Quality),
    "withheld": "kept for scoring, and never given to a method",
}
"""Columns of the tables in words, for cards and catalogues."""


@dataclass(frozen=True)
class ReportShard:
    """One file of observations.

    Attributes:
        path: Relative to the data set folder, with forward slashes.
        rows: How many there are.
        first: Time of the first row, UTC, ISO 8601 with milliseconds; None without rows.
        last: Time of the last row.
        bytes: Size of the file.
        sha256: Hash of the file.
    """

    path: str
    rows: int
    first: str | None
    last: str | None
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Reports:
    """Tables of observations in a data set.

    Attributes:
        window: Which times belong to an analysis.
        splits: Files of each split, in the order of time.
        counts: Rows of all splits by what quality control found, `good` and the reasons.
        withheld: Good rows that are kept for scoring and never given to a method.
        are_reference: Whether analyses are scored against them, there being no reference fields.
    """

    window: Window
    splits: Mapping[str, tuple[ReportShard, ...]]
    counts: Mapping[str, int]
    withheld: int
    are_reference: bool = False

    @property
    def withheld_share(self) -> float:
        """Good rows that are withheld, of all good rows."""
        return self.withheld / max(1, self.counts.get("good", 0))

    def shards(self) -> Iterator[ReportShard]:
        """The files of all splits."""
        for shards in self.splits.values():
            yield from shards

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "window_hours": [self.window.start_hours, self.window.end_hours],
            "are_reference": self.are_reference,
            "counts": dict(self.counts),
            "withheld": self.withheld,
            "splits": {
                split: {
                    "rows": sum(shard.rows for shard in shards),
                    "shards": [asdict(shard) for shard in shards],
                }
                for split, shards in self.splits.items()
            },
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Reports:
        """The inverse of `to_dict`.

        Raises:
            DataError: When the window is empty.
        """
        return cls(
            window=Window(*raw["window_hours"]),
            splits={
                split: tuple(ReportShard(**shard) for shard in files["shards"])
                for split, files in raw["splits"].items()
            },
            counts=dict(raw["counts"]),
            withheld=raw["withheld"],
            are_reference=raw["are_reference"],
        )
