"""What a data set is to be: `Plan`, its settings as JSON, and the shards it is cut into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from datasets import Features

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import MODALITIES, parse_channels
from dambench_hub.errors import BuildError, did_you_mean
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.storage.features import (
    column_shapes,
    config_columns,
    ensemble_shapes,
    example_features,
)
from dambench_hub.storage.manifest import ENSEMBLE, FORMATS, SUFFIX, Manifest
from dambench_hub.storage.preview import EXAMPLES, PREVIEW, preview_features, preview_shapes
from dambench_hub.storage.revision import added_examples
from dambench_hub.storage.rounding import require_keep_bits

SHARD_BYTES = 500_000_000
SHARDS_AT_LEAST = 8
"""Splits have a multiple of this many shards, so that ranks and workers share them evenly."""


@dataclass(frozen=True)
class Plan:
    """What a data set is to be; two builds of one plan have the same content.

    Attributes:
        name: For example `osse-mini`.
        channels: Channel names in order, (C,).
        grid: Y×X grid with poles.
        times: Valid times of each split, ascending, whole hours; `train` is needed, unless
            the reference is reports.
        source: Where the fields come from, JSON: `title`, `description`, `licence` (SPDX),
            `attribution`, `versions`, `settings`, and `statistics`, where these come from if the
            source gives them; all of it goes into card and manifest.
        modalities: Names of the further observations that the reader gives, perhaps none.
        lead_hours: Age of the background at the valid time.
        alignment: How daily products are joined to the valid time.
        observations: How the stored observations are drawn.
        format: `parquet`, `arrow` or `hdf5`.
        configs: Configs to offer besides `multimodal` when the format is `arrow`. Arrow shards have
            no column selection, so each is written again; the other formats offer all anyway.
        geography: Whether to add the config `geography`, which does not depend on time.
        keep_bits: Explicit mantissa bits of the backgrounds, 1 to 23, None for all. Statistics and
            observations are those of the backgrounds before. Members are rounded alike.
        ensemble_size: Members of the background's ensemble, which the source's `read_members`
            gives; 0 for none.
        ensemble_splits: The splits that have them.
        reports_window: Of tables of observations, which the source's `read_reports` gives for each
            split: the times that belong to an analysis. None for none.
        reference_is_reports: Whether analyses are scored against these tables. Examples then have
            no reference and no stored observations, and the source gives the statistics.

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
    configs: tuple[str, ...] = ()
    keep_bits: int | None = None
    geography: bool = False
    ensemble_size: int = 0
    ensemble_splits: tuple[str, ...] = ()
    reports_window: Window | None = None
    reference_is_reports: bool = False

    def __post_init__(self) -> None:
        parse_channels(self.channels)
        for modality in self.modalities:
            if modality not in MODALITIES:
                advice = did_you_mean(modality, MODALITIES)
                raise BuildError(f"Unknown modality {modality!r}. {advice}")
        if self.observations.network in ("iid", "blocks", "off_grid"):
            raise BuildError(
                "Stored observations are of single grid points, the same for all channels; choose "
                "the network column, stations or network (others can be drawn when the data set is "
                "read)."
            )
        known = config_columns(self.modalities, self.reference_is_reports)
        for config in self.configs:
            if config not in known:
                raise BuildError(f"Unknown config {config!r}. {did_you_mean(config, known)}")
        if self.format not in FORMATS:
            advice = did_you_mean(self.format, FORMATS)
            raise BuildError(f"Unknown format {self.format!r}. {advice}")
        if self.keep_bits is not None:
            require_keep_bits(self.keep_bits)
        self._require_reference()
        for split, times in self.times.items():
            if len(times) == 0:
                raise BuildError(f"The split {split} has no times; give some, or leave it out.")
            steps = np.diff(hours_since_epoch(times))
            # Training examples may share a valid time (members of an ensemble); scored ones cannot.
            if np.any(steps < 0) or (split != "train" and np.any(steps == 0)):
                raise BuildError(f"The times of split {split} must ascend, each once.")
        self._require_ensemble()

    def _require_reference(self) -> None:
        if not self.reference_is_reports:
            if "train" not in self.times:
                raise BuildError("There is no split train; the statistics need one.")
            return
        if self.reports_window is None:
            raise BuildError(
                "The reference is reports, and there are none; give their reports_window."
            )
        if self.observations != ObservationSettings():
            raise BuildError(
                "Observations cannot be drawn where the reference is reports; leave out their "
                "settings."
            )

    def _require_ensemble(self) -> None:
        if bool(self.ensemble_size) != bool(self.ensemble_splits) or self.ensemble_size in (1, -1):
            raise BuildError(
                "An ensemble has two members at least, and splits; got ensemble_size "
                f"{self.ensemble_size} and ensemble_splits {self.ensemble_splits}."
            )
        for split in self.ensemble_splits:
            if split not in self.times:
                advice = did_you_mean(split, self.times)
                raise BuildError(f"There is no split {split!r} to have an ensemble. {advice}")

    @property
    def statistics_from(self) -> int:
        """The first training example that statistics count; those before were added to a world."""
        return added_examples(self.source)

    @property
    def copies(self) -> tuple[str, ...]:
        """Configs that need files of their own."""
        return tuple(c for c in self.configs if self.format == "arrow" and c != "multimodal")

    def settings(self) -> dict[str, Any]:
        """All of it as JSON."""
        hours = {split: hours_since_epoch(times).tolist() for split, times in self.times.items()}
        return _settings(self, hours, self.copies)

    def shapes(self, config: str = "multimodal") -> dict[str, tuple[int, ...]]:
        """Shapes of the columns of a config, in the order of the files."""
        if config == PREVIEW:
            return preview_shapes(
                self.channels, self.grid, self.modalities, self.reference_is_reports
            )
        if config == ENSEMBLE:
            return ensemble_shapes(
                len(self.channels), self.grid, self.ensemble_size, self.modalities
            )
        points = self.observations.points(self.grid)
        reports = self.reference_is_reports
        shapes = column_shapes(len(self.channels), self.grid, points, self.modalities, reports)
        return {name: shapes[name] for name in config_columns(self.modalities, reports)[config]}

    def features(self, config: str = "multimodal") -> Features:
        """Hugging Face features of the columns of a config."""
        shapes = self.shapes(config)
        return preview_features(shapes) if config == PREVIEW else example_features(shapes)


def manifest_settings(manifest: Manifest) -> dict[str, Any]:
    """What `Plan.settings` of the plan of an existing data set was, gaps included."""
    hours = {split: manifest.hours(split) for split in manifest.splits}
    for gap in manifest.gaps:
        if gap.what == "example":
            hours[gap.split] = sorted([*hours[gap.split], gap.hours])
    copies = tuple(config for config in manifest.copies if config not in (PREVIEW, ENSEMBLE))
    return _settings(manifest, hours, copies)


def _settings(
    of: Plan | Manifest, hours: Mapping[str, list[int]], copies: tuple[str, ...]
) -> dict[str, Any]:
    settings = {
        "name": of.name,
        "channels": list(of.channels),
        "grid": str(of.grid),
        "modalities": list(of.modalities),
        "lead_hours": of.lead_hours,
        "alignment": of.alignment,
        "observations": asdict(of.observations),
        "format": of.format,
        "configs": sorted(copies),
        "keep_bits": of.keep_bits,
        "geography": of.geography,
        "ensemble_size": of.ensemble_size,
        "ensemble_splits": sorted(of.ensemble_splits),
        "source": dict(of.source),
        "times": dict(hours),
    }
    if of.reports_window:
        settings["reports_window"] = asdict(of.reports_window)
        settings["reference_is_reports"] = of.reference_is_reports
    return json.loads(json.dumps(settings))


@dataclass(frozen=True)
class Job:
    """One shard to write: examples [start, stop) of a split, the columns of a config."""

    config: str
    split: str
    path: str
    start: int
    stop: int


def jobs(plan: Plan) -> list[Job]:
    """Every shard of the data set, in the order of writing."""
    found: list[Job] = []
    of_ensemble = [ENSEMBLE] if plan.ensemble_size else []
    for config in ("multimodal", *plan.copies, *of_ensemble):
        shapes = plan.shapes(config)
        example_bytes = 4 * sum(prod(shape) for shape in shapes.values())
        for split, times in plan.times.items():
            if config != ENSEMBLE or split in plan.ensemble_splits:
                found += _split_jobs(plan, config, split, len(times), example_bytes)
    if plan.format == "parquet":
        for split, times in plan.times.items():
            path = f"{PREVIEW}/{split}-00000-of-00001.parquet"
            found.append(Job(PREVIEW, split, path, 0, min(EXAMPLES, len(times))))
    return found


def _split_jobs(
    plan: Plan, config: str, split: str, examples: int, example_bytes: int
) -> Iterator[Job]:
    multiple = -(-examples * example_bytes // (SHARDS_AT_LEAST * SHARD_BYTES))
    shards = SHARDS_AT_LEAST * min(multiple, examples // SHARDS_AT_LEAST) or 1
    bounds = [examples * shard // shards for shard in range(shards + 1)]
    for shard, (start, stop) in enumerate(pairwise(bounds)):
        path = f"{config}/{split}-{shard:05d}-of-{shards:05d}{SUFFIX[plan.format]}"
        yield Job(config, split, path, start, stop)
