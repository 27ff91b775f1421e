"""From a source of fields to a complete data set folder: resumable, atomic, reproducible.

A builder says what it wants (`Plan`) and how to read one example (`Reader`); the rest is here:
statistics of the training split, the observations drawn from them, shards, card and manifest.
Work in progress lies in `.build/` inside the folder. Every finished shard has a record there; a
killed build, run again, does only what is missing and ends with the same content.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial, reduce
from operator import add
from pathlib import Path

import numpy as np

from dambench_hub.building.card import write_card
from dambench_hub.building.examples import (
    Fields,
    Reader,
    Source,
    checked,
    checked_members,
    with_observations,
    with_time,
    without_gaps,
)
from dambench_hub.building.geography import write_geography
from dambench_hub.building.plan import Job, Plan, jobs
from dambench_hub.building.reports import note_reports, write_reports
from dambench_hub.building.workspace import WORK, clear, lock, note_plan, refuse_other
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import atomic_path, remove_partial, sha256, write_atomic
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.workers import Run, in_process
from dambench_hub.storage.manifest import (
    ENSEMBLE,
    FORMAT_VERSION,
    GEOGRAPHY,
    MANIFEST,
    PICTURE,
    REPORTS_VERSION,
    STATISTICS,
    Gap,
    Manifest,
    Shard,
)
from dambench_hub.storage.preview import PREVIEW, preview_row
from dambench_hub.storage.rounding import (
    ROUNDING,
    note_rounding,
    noted_rounding,
    rounded_backgrounds,
    rounded_members,
)
from dambench_hub.storage.shards import READERS, write_shard
from dambench_hub.storage.statistics import Moments, Statistics

GAPS = "gaps.json"
RECORDS = f"shards-{FORMAT_VERSION}"
"""Records of finished shards; those of another format version do not count."""

CHUNK = 16
"""Examples whose moments are taken together; always the same ones, so that sums round alike."""


def build_dataset(
    out: Path,
    plan: Plan,
    open_source: Callable[[Path], Source],
    fresh: bool = False,
    run: Run = in_process,
) -> Manifest:
    """Build the data set of a plan in the folder `out`, or what is missing of it.

    Args:
        out: The folder; made if absent. A complete data set of the same plan is left as it is; of
            a damaged one, what is whole.
        plan: What to build.
        open_source: Called once if anything is missing, with a folder for intermediate files that
            is kept until the data set is complete; returns the source.
        fresh: Delete an existing data set, or a build in progress, of other settings first.
        run: Who takes statistics and writes shards; see `open_workers`.

    Returns:
        The manifest, as written.

    Raises:
        BuildError: When the folder holds something else, another process builds in it, or the
            reader gives fields of a wrong shape or with values that are not finite.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    refuse_other(out, plan, fresh)
    work = out / WORK
    with lock(work):
        remove_partial(out)
        if fresh:
            clear(out, work)
        if (out / MANIFEST).exists():
            manifest = Manifest.read(out)
            if not manifest.damage(out, full=True):
                shutil.rmtree(work, ignore_errors=True)
                return manifest
            _reopen(out, work, manifest)
        note_plan(work, plan)
        source = open_source(work)
        plan, source = without_gaps(plan, source)
        _note_gaps(work, source.gaps)
        members = checked_members(plan, source.read_members) if plan.ensemble_size else source.read
        statistics, error_std, read = _completed(work, plan, source, run)
        statistics.write(out / STATISTICS)
        Statistics.read(out / STATISTICS, len(plan.channels))  # the source's may be of others
        reports = write_reports(out, work, plan, source.read_reports)
        todo = jobs(plan)
        written = dict(
            track(
                run(partial(_shard, out, work, plan, read, members), todo),
                len(todo),
                "Writing shards",
            )
        )
        shards = {job: written[job] for job in todo}
        configs = dict.fromkeys(job.config for job in todo)
        copies = {config: _splits(shards, config) for config in configs}
        manifest = Manifest(
            name=plan.name,
            channels=plan.channels,
            grid=plan.grid,
            modalities=plan.modalities,
            lead_hours=plan.lead_hours,
            alignment=plan.alignment,
            observations=plan.observations,
            observation_error_std=tuple(error_std.tolist()),
            format=plan.format,
            source=plan.source,
            splits=copies.pop("multimodal"),
            copies=copies,
            statistics_sha256=sha256(out / STATISTICS),
            gaps=source.gaps,
            geography_sha256=_geography(out, work, plan, source.orography),
            ensemble_size=plan.ensemble_size,
            format_version=REPORTS_VERSION if reports else FORMAT_VERSION,
            reports=reports,
            rounding=noted_rounding(
                work,
                [job.path for job in todo if job.config == "multimodal"],  # each example once
                plan.keep_bits,
                statistics.background_error_std,
            ),
        )
        if source.picture:
            write_atomic(out / PICTURE, source.picture.read_bytes())
        write_card(out, manifest)
        manifest.write(out)
    shutil.rmtree(work, ignore_errors=True)
    return manifest


@contextmanager
def begin_part(out: Path, plan: Plan, name: str) -> Iterator[Path]:
    """The folder for intermediate files, for one process that brings in a part of them.

    Args:
        out: The data set's folder, shared by all parts.
        plan: The same for all of them, and for `build_dataset` at the end.
        name: Of the part; two processes cannot have the same part at a time.

    Raises:
        BuildError: When the folder holds something else, the data set is complete already, or
            another process brings in this part.
        DambenchError: When the folder cannot be written.
    """
    refuse_other(out, plan, fresh=False)
    if (out / MANIFEST).exists():
        raise BuildError(f"The data set in {out} is complete; there is nothing left for {name}.")
    work = out / WORK
    with lock(work, name):
        note_plan(work, plan)
        yield work


def _reopen(out: Path, work: Path, manifest: Manifest) -> None:
    """Make a damaged data set a build in progress, which keeps the shards that are whole."""
    _note_gaps(work, manifest.gaps)
    if manifest.format_version >= FORMAT_VERSION:
        for shard in manifest.all_shards():
            _record(work, shard)
    if manifest.rounding:  # shards that are whole are not rounded again, so nothing measures it
        note_rounding(work, manifest.rounding)
    if manifest.reports:
        note_reports(work, manifest.reports)
    (out / MANIFEST).unlink()


def _note_gaps(work: Path, gaps: tuple[Gap, ...]) -> None:
    """Forget what was made with other gaps: statistics, and all that depends on them."""
    record, content = work / GAPS, json.dumps([asdict(gap) for gap in gaps])
    if record.exists() and record.read_text() != content:
        # Another training split scales the observation errors of every split otherwise.
        shutil.rmtree(work / RECORDS, ignore_errors=True)
        for path in (work / STATISTICS, work / ROUNDING):
            path.unlink(missing_ok=True)
    write_atomic(record, content)


def _completed(
    work: Path, plan: Plan, source: Source, run: Run
) -> tuple[Statistics, np.ndarray, Reader]:
    """The statistics, the observation error's standard deviation, a reader of whole examples."""
    known = source.statistics
    if plan.reference_is_reports:
        if known is None:
            raise BuildError(
                "The reference is reports, of which no statistics can be taken; the source must "
                "give them: Source(statistics=…)."
            )
        return known, np.empty(0), with_time(plan, checked(plan, source.read))
    read = source.read if known else checked(plan, source.read)
    statistics = known or _statistics(work, plan, read, run)
    error_std = plan.observations.instrument_error_std(
        statistics.background_error_std, plan.channels
    )
    return statistics, error_std, read if known else with_observations(plan, read, error_std)


def _statistics(work: Path, plan: Plan, read: Reader, run: Run) -> Statistics:
    """One pass over the training split, without what was added to it, or its record."""
    record = work / STATISTICS
    if record.exists():
        return Statistics.read(record, len(plan.channels))
    first, count = plan.statistics_from, len(plan.times["train"])
    chunks = [range(start, min(start + CHUNK, count)) for start in range(first, count, CHUNK)]
    moments: dict[range, tuple[Moments, Moments]] = {}

    def examples() -> Iterator[int]:
        for chunk, parts in run(partial(_moments, read), chunks):
            moments[chunk] = parts
            yield from chunk

    for _ in track(examples(), count - first, "Statistics of the training split"):
        pass
    reference, error = (
        reduce(add, parts) for parts in zip(*(moments[chunk] for chunk in chunks), strict=True)
    )
    statistics = Statistics(reference.mean, reference.std, error.std)
    for name in ("std", "background_error_std"):
        if np.any(zero := getattr(statistics, name) == 0):
            channel = plan.channels[int(np.argmax(zero))]
            raise BuildError(f"{name} of {channel} is 0 over the training split; it cannot scale.")
    statistics.write(record)
    return statistics


def _moments(read: Reader, indices: range) -> tuple[Moments, Moments]:
    """Moments of the reference and of the background error over some training examples."""
    states, errors = [], []
    for index in indices:
        fields = read("train", index)
        states.append(Moments.of(fields["reference"]))
        errors.append(Moments.of(fields["background"].astype(np.float64) - fields["reference"]))
    return reduce(add, states), reduce(add, errors)


def _shard(
    out: Path, work: Path, plan: Plan, read: Reader, read_members: Reader, job: Job
) -> Shard:
    """Write one shard and its record, unless both are there and agree."""
    path = out / job.path
    hours = tuple(hours_since_epoch(plan.times[job.split][job.start : job.stop]).tolist())
    if (record := _record_path(work, job.path)).exists() and path.exists():
        shard = Shard.from_dict(json.loads(record.read_text()))
        same = shard.hours == hours and path.stat().st_size == shard.bytes
        if same and sha256(path) == shard.sha256:
            return shard
    features = plan.features(job.config)
    read = read_members if job.config == ENSEMBLE else read
    examples: Iterable[Fields] = (read(job.split, i) for i in range(job.start, job.stop))
    if plan.keep_bits is not None and job.config == ENSEMBLE:
        examples = rounded_members(examples, plan.keep_bits)
    elif plan.keep_bits is not None and "background" in features:
        examples = rounded_backgrounds(examples, plan.keep_bits, work, job.path)
    if job.config == PREVIEW:
        examples = (preview_row(example, plan.channels, plan.grid) for example in examples)
    with atomic_path(path) as partial:
        content = write_shard(partial, examples, job.stop - job.start, features, plan.format)
        _read_back(partial, plan, job)
        size, digest = partial.stat().st_size, sha256(partial)
    shard = Shard(job.path, hours, size, digest, content)
    _record(work, shard)
    return shard


def _geography(out: Path, work: Path, plan: Plan, orography: np.ndarray | None) -> str | None:
    """Write the config `geography`, unless it is there, if the plan has it; the file's hash."""
    if not plan.geography:
        return None
    record, path = work / "geography.sha256", out / GEOGRAPHY
    if not (record.exists() and path.exists() and sha256(path) == record.read_text()):
        write_geography(out, plan.grid, orography)
        write_atomic(record, sha256(path))
    return record.read_text()


def _read_back(path: Path, plan: Plan, job: Job) -> None:
    """Open a shard anew before it gets its name, and find each example's time in its place."""
    reader = READERS[plan.format](path, plan.shapes(job.config))
    times = plan.times[job.split][job.start : job.stop].astype("datetime64[h]")
    for row, time in enumerate(times):
        if (found := reader.read(row, ["time"])["time"]) != time:
            raise BuildError(f"{path} gives {found} where {time} was written; the disk may fail.")


def _record(work: Path, shard: Shard) -> None:
    """Note that a shard is finished."""
    write_atomic(_record_path(work, shard.path), json.dumps(asdict(shard)))


def _record_path(work: Path, path: str) -> Path:
    return work / RECORDS / f"{path}.json"


def _splits(shards: Mapping[Job, Shard], config: str) -> dict[str, tuple[Shard, ...]]:
    splits = dict.fromkeys(job.split for job in shards if job.config == config)
    return {
        split: tuple(s for job, s in shards.items() if (job.config, job.split) == (config, split))
        for split in splits
    }
