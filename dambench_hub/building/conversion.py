"""A data set again in another format, or with rounded backgrounds; all other values stay the same.

The old data set is a source like any other, so a conversion is a build: one example in memory at a
time, resumable, complete or not there. Statistics and observations are copied, never computed
again, since a sum may round differently on another machine. `source["converted_from"]` in the new
manifest is the revision of the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Fields, Members, Source
from dambench_hub.building.plan import Plan, manifest_settings
from dambench_hub.coordinates.times import from_hours
from dambench_hub.data.dataset import Data, load_data
from dambench_hub.data.geography import assemble, read_geography
from dambench_hub.errors import BuildError
from dambench_hub.observations.table import ObservationTable
from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.report_shards import ReportReader
from dambench_hub.storage.rounding import note_rounding


def convert_dataset(
    data: str | Path,
    out: Path,
    *,
    format: str,
    configs: Sequence[str] | None = None,
    keep_bits: int | None = None,
    fresh: bool = False,
) -> Manifest:
    """Write a data set again in the folder `out`.

    Args:
        data: A data set folder, or the id of a Hub data set.
        out: The new folder, as for `build_dataset`.
        format: `parquet`, `arrow` or `hdf5`.
        configs: As in `Plan`; None for those that have files of their own in `data`.
        keep_bits: Explicit mantissa bits of the backgrounds, 1 to 23; None to leave them as they
            are. Statistics and observations stay those of `data`.
        fresh: Delete an existing data set in `out` first.

    Returns:
        The new manifest, as written.

    Raises:
        DataError: When there is no data set, or a byte of it is not as its manifest says.
        BuildError: When the plan cannot be built, `out` holds something else, or backgrounds that
            are rounded already shall be rounded otherwise.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    old = load_data(data)
    refuse_same_place(old.folder, out)
    plan = conversion_plan(old.manifest, format, configs, keep_bits)
    return build_dataset(out, plan, lambda work: open_converted(old, plan, work), fresh)


def conversion_plan(
    manifest: Manifest,
    format: str,
    configs: Sequence[str] | None = None,
    keep_bits: int | None = None,
) -> Plan:
    """The plan of a data set that is converted; arguments as for `convert_dataset`.

    Raises:
        BuildError: When the plan cannot be built, or backgrounds that are rounded already shall be
            rounded otherwise.
    """
    rounded = manifest.keep_bits
    if None not in (rounded, keep_bits) and keep_bits != rounded:
        raise BuildError(
            f"The backgrounds of {manifest.name} are rounded to {rounded} bits already; rounding "
            f"them to {keep_bits} would err twice. Convert the data set that is not rounded."
        )
    settings = manifest_settings(manifest)
    return Plan(
        name=manifest.name,
        channels=manifest.channels,
        grid=manifest.grid,
        times={split: from_hours(hours) for split, hours in settings["times"].items()},
        source={**manifest.source, "converted_from": manifest.revision},
        modalities=manifest.modalities,
        lead_hours=manifest.lead_hours,
        alignment=manifest.alignment,
        observations=manifest.observations,
        format=format,
        configs=tuple(settings["configs"] if configs is None else configs),
        keep_bits=rounded if keep_bits is None else keep_bits,
        geography=manifest.geography,
        ensemble_size=manifest.ensemble_size,
        ensemble_splits=manifest.ensemble_splits,
        reports_window=manifest.reports_window,
        reference_is_reports=manifest.reference_is_reports,
    )


def refuse_same_place(folder: Path, out: Path) -> None:
    """Refuse to write a data set into the one that it is read from.

    Raises:
        BuildError: When the folders overlap.
    """
    old, new = folder.resolve(), out.resolve()
    if new.is_relative_to(old) or old.is_relative_to(new):
        raise BuildError(
            f"The data set would be written to {out}, which overlaps with {folder}, where it is "
            "read from. Give a folder beside it."
        )


def open_converted(old: Data, plan: Plan, work: Path) -> Source:
    """The old data set as a source of whole examples, once every byte of it is known to be right.

    Raises:
        DataError: When a file is damaged.
    """
    load_data(old.folder, full=True)
    if old.manifest.rounding:
        note_rounding(work, old.manifest.rounding)
    # A source counts the times that were wanted, a data set those that are there.
    rows = {
        split: np.cumsum(np.isin(times, old.times(split))) - 1
        for split, times in plan.times.items()
    }

    def read(split: str, index: int) -> Fields:
        return old.example(split, int(rows[split][index]))

    def read_members(split: str, index: int) -> Members:
        return old.members(split, int(rows[split][index]))

    def read_reports(split: str) -> ObservationTable:
        shards = old.manifest.reports.splits[split] if old.manifest.reports else ()
        return ReportReader(old.folder, shards).table()

    return Source(
        read,
        old.manifest.gaps,
        _orography(old),
        old.statistics,
        read_members,
        read_reports=read_reports,
    )


def _orography(old: Data) -> np.ndarray | None:
    """Height of the surface as the old data set has it, (Y, X), m, or None."""
    if not old.manifest.geography:
        return None
    rows = read_geography(old.folder)
    return assemble(rows, "orography", old.grid) if "orography" in rows[0] else None
