"""`manifest.json`: what a data set is, where every byte of it lies, and its revision.

The manifest is written last, so its presence means that the data set is complete. The revision is
the hash of everything else in it; two data sets of one revision hold the same values. A canonical
world is expanded from bytes that come with the package, and its revision is the hash of these and
of the settings: floating results round differently on another processor, by less than 1e-5 of the
observation error, and do not count. Hashes of the shards are there all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import from_hours
from dambench_hub.coordinates.variables import MODALITIES, equivalent_of, parse_channels
from dambench_hub.errors import DambenchError, DataError, TaskError, did_you_mean
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.runtime.files import sha256, write_atomic
from dambench_hub.storage.reports import REPORTS, Reports, ReportShard
from dambench_hub.storage.revision import (
    CANONICAL,
    added_examples,
    canonical_revision,
    content_hash,
)
from dambench_hub.storage.rounding import Rounding

FORMAT_VERSION = 3
"""Older versions are read still. In version 2, there were no ensembles, and shards had no
equivalents of the background; they are NaN. In version 1, `time` was a timestamp in milliseconds,
too."""

REPORTS_VERSION = 4
"""Of data sets with tables of observations alone; all others stay what they were."""

FORMATS = ("parquet", "arrow", "hdf5")
SUFFIX = {"parquet": ".parquet", "arrow": ".arrow", "hdf5": ".h5"}
MANIFEST = "manifest.json"
STATISTICS = "statistics.safetensors"
PICTURE = "backgrounds.png"
"""Of the backgrounds, for the card; a data set may have one."""
TRAIN_SPLIT = "train"
"""The split that methods learn from, and from which all statistics are."""

GEOGRAPHY = "geography/geography-00000-of-00001.parquet"
ENSEMBLE = "ensemble"
"""Config with the members of the background's ensemble, in files of its own."""


@dataclass(frozen=True)
class Shard:
    """One file of examples.

    Attributes:
        path: Relative to the data set folder, with forward slashes.
        hours: Valid time of each example, hours since 1970-01-01 00 UTC.
        bytes: Size of the file.
        sha256: Hash of the file.
        content_sha256: Hash of the values alone, the same in every format.
    """

    path: str
    hours: tuple[int, ...]
    bytes: int
    sha256: str
    content_sha256: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Shard:
        """The shard that `dataclasses.asdict` wrote."""
        return cls(**{**raw, "hours": tuple(raw["hours"])})


@dataclass(frozen=True)
class Gap:
    """Something that the source does not have; nothing is put in its place.

    Attributes:
        split: Of the valid time.
        hours: Valid time, hours since 1970-01-01 00 UTC.
        what: `example`, which then is left out, or the modality that has no value at that time.
        reason: What is missing, and why.
    """

    split: str
    hours: int
    what: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """Everything needed to read a data set; see `to_dict` for the file's layout.

    Attributes:
        name: For example `osse-mini`.
        channels: Channel names in order, (C,).
        grid: Y×X grid with poles.
        modalities: Names of the further observations, perhaps none.
        lead_hours: Age of the background at the valid time.
        alignment: How daily products are joined to the valid time.
        observations: How the stored observations were drawn.
        observation_error_std: Standard deviation that was used, (C,), units of the channels.
        format: `parquet`, `arrow` or `hdf5`.
        source: Where the fields come from: kind, settings, versions, licence, attribution, ….
        splits: Shards of each split, in order.
        copies: Shards of the configs that have files of their own, by config and split: `ensemble`
            if there is one, `preview` in Parquet, and in Arrow every config but `multimodal`.
        statistics_sha256: Hash of `statistics.safetensors`.
        gaps: What the source does not have, in the order of time.
        rounding: What was rounded away from the backgrounds, or None.
        geography_sha256: Hash of the file with the config `geography`, None if there is none.
        ensemble_size: Members of the background's ensemble, 0 if there is none.
        format_version: 1 to 3, see `FORMAT_VERSION`; 4 with `reports`.
        reports: Tables of observations, or None. If they are the reference, there are no stored
            observations on the grid: `observations` are the defaults, which nothing was drawn with,
            and `observation_error_std` is empty.
    """

    name: str
    channels: tuple[str, ...]
    grid: Grid
    modalities: tuple[str, ...]
    lead_hours: int
    alignment: str
    observations: ObservationSettings
    observation_error_std: tuple[float, ...]
    format: str
    source: Mapping[str, Any]
    splits: Mapping[str, tuple[Shard, ...]]
    copies: Mapping[str, Mapping[str, tuple[Shard, ...]]]
    statistics_sha256: str
    gaps: tuple[Gap, ...] = ()
    rounding: Rounding | None = None
    geography_sha256: str | None = None
    ensemble_size: int = 0
    format_version: int = FORMAT_VERSION
    reports: Reports | None = None

    @cached_property
    def content_revision(self) -> str:
        """Hash of all that the manifest says, 16 hexadecimal digits; another on each machine."""
        return content_hash(self._content())

    @cached_property
    def revision(self) -> str:
        """The data set's revision, 16 hexadecimal digits.

        A canonical world has the same on every machine, as long as nothing was added to it by
        simulation; of every other data set it is the hash of the content.
        """
        return self.evaluation_revision if not self.added_examples else self.content_revision

    @cached_property
    def evaluation_revision(self) -> str:
        """The revision of what is scored, which predictions name and boards compare.

        Examples added to the training split of a canonical world do not change it.
        """
        if not self.canonical:
            return self.content_revision
        hours = {split: self.hours(split) for split in self.splits}
        return canonical_revision(self, hours)

    @property
    def canonical(self) -> bool:
        """Whether every machine makes the same from what comes with the package."""
        return CANONICAL in self.source

    @property
    def added_examples(self) -> int:
        """Training examples that were simulated in addition to those of a canonical world."""
        return added_examples(self.source)

    @property
    def geography(self) -> bool:
        """Whether there is a config `geography`."""
        return self.geography_sha256 is not None

    @property
    def ensemble_splits(self) -> tuple[str, ...]:
        """The splits that have the members of the background's ensemble."""
        return tuple(self.copies.get(ENSEMBLE, {}))

    @property
    def equivalents(self) -> tuple[str, ...]:
        """Columns with the background's equivalents of the modalities; none before version 3."""
        return tuple(map(equivalent_of, self.modalities)) if self.format_version > 2 else ()

    @property
    def reports_window(self) -> Window | None:
        """Which times of `reports` belong to an analysis; None without."""
        return self.reports.window if self.reports else None

    @property
    def reference_is_reports(self) -> bool:
        """Whether analyses are scored against `reports`, there being no reference fields."""
        return self.reports is not None and self.reports.are_reference

    @property
    def keep_bits(self) -> int | None:
        """Explicit mantissa bits of the backgrounds; None if they have all."""
        return self.rounding.keep_bits if self.rounding else None

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON, revisions included."""
        return {**self._revisions(), **self._content()}

    def _revisions(self) -> dict[str, str]:
        """What is computed from the rest."""
        if not self.canonical:
            return {"revision": self.revision}
        return {
            "revision": self.revision,
            "evaluation_revision": self.evaluation_revision,
            "content_revision": self.content_revision,
        }

    def _content(self) -> dict[str, Any]:
        channels = parse_channels(self.channels)
        return {
            "format_version": self.format_version,
            "name": self.name,
            "source": dict(self.source),
            "grid": {"latitudes": self.grid.latitudes, "longitudes": self.grid.longitudes},
            "channels": [
                {"name": c.name, "long_name": c.long_name, "units": c.units} for c in channels
            ],
            "modalities": [
                {"name": n, "long_name": MODALITIES[n].long_name, "units": MODALITIES[n].units}
                for n in self.modalities
            ],
            "lead_hours": self.lead_hours,
            "alignment": self.alignment,
            "observations": None if self.reference_is_reports else self._observations(),
            "format": self.format,
            "statistics": {"path": STATISTICS, "sha256": self.statistics_sha256},
            "splits": _splits_to_dict(self.splits),
            "copies": {config: _splits_to_dict(copy) for config, copy in self.copies.items()},
            "gaps": [asdict(gap) for gap in self.gaps],
            "rounding": asdict(self.rounding) if self.rounding else None,
            "geography": {"path": GEOGRAPHY, "sha256": self.geography_sha256}
            if self.geography_sha256
            else None,
            **({"ensemble_size": self.ensemble_size} if self.format_version > 2 else {}),
            **({REPORTS: self.reports.to_dict()} if self.reports else {}),
        }

    def _observations(self) -> dict[str, Any]:
        return {
            **asdict(self.observations),
            "points": self.observations.points(self.grid),
            "error_std": list(self.observation_error_std),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Manifest:
        """The inverse of `to_dict`.

        Raises:
            DataError: When a field is missing or wrong, or the revision is not that of the content.
        """
        version = raw.get("format_version")
        if not isinstance(version, int) or not 1 <= version <= REPORTS_VERSION:
            raise DataError(
                f"The manifest has format version {version}, this package reads up to "
                f"{REPORTS_VERSION}. "
                "Install the version of dambench-hub that the data set's card names."
            )
        try:
            reports = Reports.from_dict(raw[REPORTS]) if version >= REPORTS_VERSION else None
            if reports and reports.are_reference:
                observations: dict[str, Any] = {"error_std": ()}
            else:
                observations = dict(raw["observations"])
                observations.pop("points")
            error_std = tuple(map(float, observations.pop("error_std")))
            manifest = cls(
                name=raw["name"],
                channels=tuple(channel["name"] for channel in raw["channels"]),
                grid=Grid(**raw["grid"]),
                modalities=tuple(modality["name"] for modality in raw["modalities"]),
                lead_hours=int(raw["lead_hours"]),
                alignment=raw["alignment"],
                observations=ObservationSettings.from_dict(observations),
                observation_error_std=error_std,
                format=raw["format"],
                source=raw["source"],
                splits=_splits_from_dict(raw["splits"]),
                copies={name: _splits_from_dict(copy) for name, copy in raw["copies"].items()},
                statistics_sha256=raw["statistics"]["sha256"],
                gaps=tuple(Gap(**gap) for gap in raw["gaps"]),
                rounding=Rounding.from_dict(raw["rounding"]) if raw["rounding"] else None,
                geography_sha256=raw["geography"]["sha256"] if raw["geography"] else None,
                ensemble_size=raw["ensemble_size"] if version > 2 else 0,
                format_version=version,
                reports=reports,
            )
            said = {key: raw[key] for key in manifest._revisions()}
            told = raw.get("content_revision", raw["revision"])
            content = content_hash({key: value for key, value in raw.items() if key not in said})
            whole = said == manifest._revisions() and content == manifest.content_revision
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"The manifest is incomplete or damaged ({error!r}).") from error
        except DambenchError as error:
            raise DataError(f"The manifest is wrong. {error}") from error
        if not whole:
            raise DataError(
                f"The manifest says revision {told}, its content is {content}. "
                "It was changed by hand or damaged; fetch or build the data set again."
            )
        return manifest

    def write(self, folder: Path) -> None:
        """Write `manifest.json`, which completes the data set."""
        write_atomic(
            folder / MANIFEST, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        )

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a folder's `manifest.json`.

        Raises:
            DataError: When there is none, or it cannot be used.
        """
        path = folder / MANIFEST
        try:
            raw = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            unfinished = (folder / ".build").is_dir()
            advice = (
                "Its build has not finished: run the same build command again."
                if unfinished
                else "Give the folder of a data set, or build one: "
                "dambench build mini --out dambench"
            )
            raise DataError(f"No data set in {folder} ({MANIFEST} is missing). {advice}") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error}). Fetch it again.") from error
        if not isinstance(raw, dict):
            raise DataError(f"{path} is not a manifest. Fetch or build the data set again.")
        return cls.from_dict(raw)

    def shards(self, split: str) -> tuple[Shard, ...]:
        """The shards of a split.

        Raises:
            TaskError: When there is no such split.
        """
        if split not in self.splits:
            advice = did_you_mean(split, self.splits)
            raise TaskError(f"The data set {self.name} has no split {split!r}. {advice}")
        return self.splits[split]

    def all_shards(self) -> Iterator[Shard]:
        """Every shard, those of the copies included."""
        for splits in (self.splits, *self.copies.values()):
            for shards in splits.values():
                yield from shards

    def files(self) -> Iterator[Shard | ReportShard]:
        """Every shard, and every file of `reports`."""
        yield from self.all_shards()
        yield from self.report_shards()

    def report_shards(self) -> Iterator[ReportShard]:
        """Every file of `reports`; none without."""
        return self.reports.shards() if self.reports else iter(())

    def hours(self, split: str) -> list[int]:
        """Valid times of a split, ascending, hours since 1970-01-01 00 UTC."""
        return [hour for shard in self.shards(split) for hour in shard.hours]

    def times(self, split: str) -> np.ndarray:
        """Valid times of a split, ascending, datetime64[h], (N,)."""
        return from_hours(self.hours(split))

    def damage(self, folder: Path, full: bool = False) -> list[str]:
        """Files of the data set that are absent or changed, one sentence each.

        Args:
            folder: The data set.
            full: Compare hashes of all bytes, not only sizes.
        """
        files: list[tuple[str, int | None, str]] = [
            (shard.path, shard.bytes, shard.sha256) for shard in self.files()
        ]
        files.append((STATISTICS, None, self.statistics_sha256))
        if self.geography_sha256:
            files.append((GEOGRAPHY, None, self.geography_sha256))
        found = (_file_damage(folder / path, size, digest, full) for path, size, digest in files)
        return [sentence for sentence in found if sentence]


def _splits_to_dict(splits: Mapping[str, tuple[Shard, ...]]) -> dict[str, Any]:
    return {
        split: {
            "examples": sum(len(shard.hours) for shard in shards),
            "shards": [asdict(shard) for shard in shards],
        }
        for split, shards in splits.items()
    }


def _splits_from_dict(raw: Mapping[str, Any]) -> dict[str, tuple[Shard, ...]]:
    return {split: tuple(map(Shard.from_dict, content["shards"])) for split, content in raw.items()}


def _file_damage(path: Path, size: int | None, digest: str, full: bool) -> str | None:
    if not path.is_file():
        return f"{path} is missing."
    if size is not None and path.stat().st_size != size:
        return f"{path} has {path.stat().st_size} bytes, the manifest says {size}."
    if (full or size is None) and sha256(path) != digest:
        return f"{path} does not have the hash that the manifest gives; it is damaged."
    return None
