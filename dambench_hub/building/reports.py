"""The tables of observations of a data set while it is built: checked, written, counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dambench_hub.building.plan import Plan
from dambench_hub.errors import BuildError
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.quality_control import counts_by_reason
from dambench_hub.observations.table import ObservationTable
from dambench_hub.observations.window import Window
from dambench_hub.runtime.files import sha256, write_atomic
from dambench_hub.storage.report_shards import write_report_shards
from dambench_hub.storage.reports import Reports, ReportShard

RECORD = "reports.json"

ReadReports = Callable[[str], ObservationTable]
"""split -> all observations of its analyses, those that are not good or withheld included."""


def write_reports(out: Path, work: Path, plan: Plan, read: ReadReports | None) -> Reports | None:
    """Write the tables of all splits, unless they are there, if the plan has some.

    Args:
        out: The data set.
        work: The folder of notes.
        plan: Of the data set.
        read: Gives them.

    Returns:
        What the manifest says of them; None if the plan has none.

    Raises:
        BuildError: When the source gives none, none of a split, none in a window of its valid
            times, or nothing that analyses can be scored against where reports are the reference.
    """
    if plan.reports_window is None:
        return None
    if (record := work / RECORD).exists():
        reports = Reports.from_dict(json.loads(record.read_text()))
        if all(_is_whole(out / shard.path, shard) for shard in reports.shards()):
            return reports
    if read is None:
        raise BuildError(
            "The plan wants tables of observations, and the source gives none: it needs "
            "read_reports."
        )
    shards, counts, withheld = {}, Counter[str](), 0
    for split, times in plan.times.items():
        table = read(split)
        _require_in_windows(split, times, plan.reports_window, table)
        counts.update(counts_by_reason(table))
        kept = int(np.count_nonzero(table.withheld & (table.quality == Quality.GOOD)))
        if plan.reference_is_reports and not kept:
            raise BuildError(
                f"No good observation of the split {split} is withheld, so there is nothing to "
                "score an analysis against."
            )
        withheld += kept
        shards[split] = write_report_shards(out, split, table)
    window, are_reference = plan.reports_window, plan.reference_is_reports
    reports = Reports(window, shards, dict(counts), withheld, are_reference)
    note_reports(work, reports)
    return reports


def note_reports(work: Path, reports: Reports) -> None:
    """Note that these are written."""
    write_atomic(work / RECORD, json.dumps(reports.to_dict()))


def _require_in_windows(
    split: str, times: np.ndarray, window: Window, table: ObservationTable
) -> None:
    bounds = [np.searchsorted(table.time, window.bounds(time), side="right") for time in times]
    if all(start == stop for start, stop in bounds):
        raise BuildError(
            f"The split {split} has valid times from {times[0]} to {times[-1]}, and in none of "
            f"their windows, {window}, is an observation; the source gave {table!r}."
        )


def _is_whole(path: Path, shard: ReportShard) -> bool:
    return path.exists() and path.stat().st_size == shard.bytes and sha256(path) == shard.sha256
