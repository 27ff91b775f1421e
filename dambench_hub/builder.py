"""From a source of fields to a complete data set folder: resumable, atomic, reproducible.

A builder says what it wants (`Plan`) and how to read one example (`Reader`); the rest is here:
statistics of the training split, the observations drawn from them, shards, card and manifest.
Work in progress lies in `.build/` inside the folder. Every finished shard has a record there; a
killed build, run again, does only what is missing and ends with the same content.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from dambench_hub.card import write_card
from dambench_hub.errors import BuildError, did_you_mean
from dambench_hub.features import column_shapes, config_columns, example_features
from dambench_hub.files import atomic_path, sha256, write_atomic
from dambench_hub.grids import Grid
from dambench_hub.manifest import FORMATS, MANIFEST, STATISTICS, SUFFIX, Manifest, Shard
from dambench_hub.observations import ObservationSettings, draw_observations
from dambench_hub.progress import track
from dambench_hub.shards import write_shard
from dambench_hub.statistics import Moments, Statistics
from dambench_hub.times import hours_since_epoch
from dambench_hub.variables import parse_channels

WORK = ".build"
SHARD_BYTES = 500_000_000
SHARDS_AT_LEAST = 8
"""Splits have a multiple of this many shards, so that ranks and workers share them evenly."""

Fields = Mapping[str, np.ndarray]
"""`background` and `reference` (C, Y, X), and each modality (Y, X), float32."""

Reader = Callable[[str, int], Fields]
"""(split, index) -> the fields of one example. May be called twice, in any order."""


@dataclass(frozen=True)
class Plan:
    """What a data set is to be; two builds of one plan have the same content.

    Attributes:
        name: For example `osse-mini`.
        channels: Channel names in order, (C,).
        grid: Y×X grid with poles.
        times: Valid times of each split, ascending, whole hours; `train` is needed.
        source: Where the fields come from, JSON: `title`, `description`, `licence` (SPDX),
            `attribution`, `versions`, `settings`; all of it goes into card and manifest.
        modalities: Names of the further observations that the reader gives, perhaps none.
        lead_hours: Age of the background at the valid time.
        alignment: How daily products are joined to the valid time.
        observations: How the stored observations are drawn.
        format: `parquet`, `arrow` or `hdf5`.
        configs: Configs that `load_dataset` is to offer besides `multimodal`; None for all that
            need no files of their own. Arrow shards have no column selection, so there each config
            asked for is written again.

    Raises:
        BuildError: When a value cannot be used.
    """

    name: str
    channels: tuple[str, ...]
    grid: Grid
    times: Mapping[str, np.ndarray]
    source: Mapping[str, Any]
    modalities: tuple[str, ...] = ()
    lead_hours: int = 24
    alignment: str = "nominal"
    observations: ObservationSettings = field(default_factory=ObservationSettings)
    format: str = "parquet"
    configs: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        parse_channels(self.channels)
        known = config_columns(self.modalities)
        for config in self.configs or ():
            if config not in known:
                raise BuildError(f"Unknown config {config!r}. {did_you_mean(config, known)}")
        if self.format not in FORMATS:
            raise BuildError(f"Unknown format {self.format!r}; choose one of {', '.join(FORMATS)}.")
        if len(self.times.get("train", ())) == 0:
            raise BuildError("The split train has no times; the statistics need some.")
        for split, times in self.times.items():
            steps = np.diff(hours_since_epoch(times))
            # Training examples may share a valid time (members of an ensemble); scored ones cannot.
            if np.any(steps < 0) or (split != "train" and np.any(steps == 0)):
                raise BuildError(f"The times of split {split} must ascend, each once.")

    def settings(self) -> dict[str, Any]:
        """All of it as JSON."""
        hours = {split: hours_since_epoch(times).tolist() for split, times in self.times.items()}
        return _settings(self, hours)


def build_dataset(
    out: Path, plan: Plan, open_source: Callable[[Path], Reader], fresh: bool = False
) -> Manifest:
    """Build the data set of a plan in the folder `out`, or what is missing of it.

    Args:
        out: The folder; made if absent. A complete data set of the same plan is left as it is.
        plan: What to build.
        open_source: Called once if anything is missing, with a folder for intermediate files that
            is kept until the data set is complete; returns the reader.
        fresh: Delete an existing data set, or a build in progress, of other settings first.

    Returns:
        The manifest, as written.

    Raises:
        BuildError: When the folder holds something else, another process builds in it, or the
            reader gives fields of a wrong shape or with values that are not finite.
        DambenchError: When the disk is full or the folder cannot be written.
    """
    work = _claim(out, plan, fresh)
    with _lock(work):
        if (out / MANIFEST).exists():
            shutil.rmtree(work)
            return Manifest.read(out)
        read = _checked(plan, open_source(work))
        statistics = _statistics(work, plan, read)
        error_std = plan.observations.error_scale * statistics.background_error_std
        statistics.write(out / STATISTICS)
        read = _with_observations(plan, read, error_std)
        jobs = _jobs(plan)
        shards = {
            job: _shard(out, work, plan, read, job)
            for job in track(jobs, len(jobs), "Writing shards")
        }
        configs = dict.fromkeys(job.config for job in jobs)
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
        )
        write_card(out, manifest)
        manifest.write(out)
    shutil.rmtree(work, ignore_errors=True)
    return manifest


def _claim(out: Path, plan: Plan, fresh: bool) -> Path:
    """Make the folder ours: refuse what is not, name the setting that differs."""
    record, wanted = out / WORK / "plan.json", plan.settings()
    if out.exists() and not out.is_dir():
        raise BuildError(f"{out} is a file; give a folder for the data set.")
    ours = (out / MANIFEST).exists() or record.exists()
    if not ours and out.exists() and any(out.iterdir()):
        raise BuildError(f"{out} holds other files; give a new or empty folder.")
    if fresh and ours:
        shutil.rmtree(out)
    if (out / MANIFEST).exists():
        manifest = Manifest.read(out)
        hours = {split: manifest.hours(split) for split in manifest.splits}
        _refuse_difference(out, _settings(manifest, hours), wanted)
    elif record.exists():
        _refuse_difference(out, json.loads(record.read_text()), wanted)
    if not record.exists():
        write_atomic(record, json.dumps(wanted, indent=1))
    return out / WORK


def _settings(of: Plan | Manifest, hours: Mapping[str, list[int]]) -> dict[str, Any]:
    settings = {
        "name": of.name,
        "channels": list(of.channels),
        "grid": str(of.grid),
        "modalities": list(of.modalities),
        "lead_hours": of.lead_hours,
        "alignment": of.alignment,
        "observations": asdict(of.observations),
        "format": of.format,
        "source": dict(of.source),
        "times": dict(hours),
    }
    return json.loads(json.dumps(settings))


def _refuse_difference(out: Path, found: Any, wanted: Any) -> None:
    if differences := list(_differences("", found, wanted)):
        raise BuildError(
            f"{out} was built with other settings: {'; '.join(differences[:5])}. "
            "Choose another folder, the same settings, or --fresh to delete it first."
        )


def _differences(name: str, found: Any, wanted: Any) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted(found.keys() | wanted.keys()):
            below = f"{name}.{key}" if name else key
            yield from _differences(below, found.get(key), wanted.get(key))
    elif found != wanted:
        texts = [json.dumps(value) for value in (found, wanted)]
        short = " there, ".join(t if len(t) <= 60 else t[:57] + "…" for t in texts)
        yield f"{name} is {short} here"


def _lock(work: Path) -> Any:
    lock = FileLock(work / "lock", timeout=0)
    try:
        return lock.acquire()
    except Timeout:
        raise BuildError(
            f"Another process is building in {work.parent}. Wait for it, or stop it first."
        ) from None


def _checked(plan: Plan, read: Reader) -> Reader:
    """The reader, with every field checked and as float32."""
    state = (len(plan.channels), *plan.grid.shape)
    shapes = {"background": state, "reference": state}
    shapes |= {name: plan.grid.shape for name in plan.modalities}

    def checked(split: str, index: int) -> Fields:
        fields = read(split, index)
        at = f"{split} {plan.times[split][index]}"
        for name, shape in shapes.items():
            if name not in fields or fields[name].shape != shape:
                came = fields[name].shape if name in fields else "nothing"
                raise BuildError(f"{at}: {name} must have shape {shape}, the source gave {came}.")
            if shape == state and not np.all(good := np.isfinite(fields[name]).all(axis=(1, 2))):
                channel = plan.channels[int(np.argmin(good))]
                raise BuildError(f"{at}: {name} has values in {channel} that are not finite.")
        return {name: np.ascontiguousarray(fields[name], "<f4") for name in shapes}

    return checked


def _statistics(work: Path, plan: Plan, read: Reader) -> Statistics:
    """One pass over the training split, or its record."""
    record = work / STATISTICS
    if record.exists():
        return Statistics.read(record, len(plan.channels))
    reference = error = None
    count = len(plan.times["train"])
    for index in track(range(count), count, "Statistics of the training split"):
        fields = read("train", index)
        new = Moments.of(fields["reference"])
        new_error = Moments.of(fields["background"].astype(np.float64) - fields["reference"])
        reference = new if reference is None else reference + new
        error = new_error if error is None else error + new_error
    assert reference is not None and error is not None  # the plan has training times
    statistics = Statistics(reference.mean, reference.std, error.std)
    for name in ("std", "background_error_std"):
        if np.any(zero := getattr(statistics, name) == 0):
            channel = plan.channels[int(np.argmax(zero))]
            raise BuildError(f"{name} of {channel} is 0 over the training split; it cannot scale.")
    statistics.write(record)
    return statistics


def _with_observations(plan: Plan, read: Reader, error_std: np.ndarray) -> Reader:
    """The reader, with `time` and the keyed observations added."""

    def example(split: str, index: int) -> Fields:
        fields, time = dict(read(split, index)), plan.times[split][index]
        fields["time"] = np.datetime64(time, "h")
        fields["observation_index"], fields["observations"] = draw_observations(
            plan.observations, plan.grid, fields["reference"], error_std, time
        )
        return fields

    return example


@dataclass(frozen=True)
class _Job:
    """One shard to write: examples [start, stop) of a split, the columns of a config."""

    config: str
    split: str
    path: str
    start: int
    stop: int


def _jobs(plan: Plan) -> list[_Job]:
    """Every shard of the data set, in the order of writing."""
    copied = [c for c in plan.configs or () if plan.format == "arrow" and c != "multimodal"]
    jobs = []
    for config in ("multimodal", *copied):
        shapes = _shapes(plan, config)
        example_bytes = 4 * sum(int(np.prod(shape)) for shape in shapes.values())
        for split, times in plan.times.items():
            jobs += _split_jobs(plan, config, split, len(times), example_bytes)
    split = "test" if "test" in plan.times else "train"
    path = f"preview/{split}-00000-of-00001{SUFFIX[plan.format]}"
    return [*jobs, _Job("preview", split, path, 0, min(4, len(plan.times[split])))]


def _split_jobs(
    plan: Plan, config: str, split: str, examples: int, example_bytes: int
) -> Iterator[_Job]:
    multiple = -(-examples * example_bytes // (SHARDS_AT_LEAST * SHARD_BYTES))
    shards = SHARDS_AT_LEAST * multiple if examples >= SHARDS_AT_LEAST * multiple else 1
    bounds = [examples * shard // shards for shard in range(shards + 1)]
    for shard, (start, stop) in enumerate(pairwise(bounds)):
        path = f"{config}/{split}-{shard:05d}-of-{shards:05d}{SUFFIX[plan.format]}"
        yield _Job(config, split, path, start, stop)


def _shapes(plan: Plan, config: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the columns of a config."""
    points = plan.observations.points(plan.grid)
    shapes = column_shapes(len(plan.channels), plan.grid, points, plan.modalities)
    columns = config_columns(plan.modalities).get(config, tuple(shapes))
    return {name: shapes[name] for name in columns}


def _shard(out: Path, work: Path, plan: Plan, read: Reader, job: _Job) -> Shard:
    """Write one shard and its record, unless both are there and agree."""
    path, record = out / job.path, work / "shards" / f"{job.path}.json"
    if record.exists() and path.exists():
        shard = Shard.from_dict(json.loads(record.read_text()))
        if path.stat().st_size == shard.bytes and sha256(path) == shard.sha256:
            return shard
    features = example_features(_shapes(plan, job.config))
    examples = (read(job.split, index) for index in range(job.start, job.stop))
    with atomic_path(path) as partial:
        content = write_shard(partial, examples, job.stop - job.start, features, plan.format)
        size, digest = partial.stat().st_size, sha256(partial)
    hours = hours_since_epoch(plan.times[job.split][job.start : job.stop])
    shard = Shard(job.path, tuple(hours.tolist()), size, digest, content)
    write_atomic(record, json.dumps(asdict(shard)))
    return shard


def _splits(shards: Mapping[_Job, Shard], config: str) -> dict[str, tuple[Shard, ...]]:
    splits = dict.fromkeys(job.split for job in shards if job.config == config)
    return {
        split: tuple(s for job, s in shards.items() if (job.config, job.split) == (config, split))
        for split in splits
    }
