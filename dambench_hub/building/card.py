"""The data set card: README.md with the YAML that `load_dataset` and the Hub read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import yaml

from dambench_hub.building.backgrounds_text import backgrounds_text
from dambench_hub.building.geography import ATTRIBUTION, card_config
from dambench_hub.building.reports_text import reports_config, reports_text
from dambench_hub.runtime.files import write_atomic
from dambench_hub.storage.features import (
    column_shapes,
    config_columns,
    ensemble_shapes,
    example_features,
)
from dambench_hub.storage.manifest import ENSEMBLE, GEOGRAPHY, Manifest, Shard
from dambench_hub.storage.preview import (
    PREVIEW,
    coarsening,
    preview_channels,
    preview_features,
    preview_shapes,
)
from dambench_hub.tasks.benchmark import standing

SIZE_CATEGORIES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K"}


class _NoAliases(yaml.SafeDumper):
    """Writes a list that occurs twice twice, which the Hub's reader understands better."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write the card of a data set as its README.md."""
    front = yaml.dump(
        _front_matter(folder, manifest),
        Dumper=_NoAliases,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    name = "reports_card.md" if manifest.reference_is_reports else "dataset_card.md"
    template = Template(files("dambench_hub.building").joinpath(name).read_text("utf-8"))
    write_atomic(
        folder / "README.md", f"---\n{front}---\n\n{template.substitute(_text(folder, manifest))}"
    )


def _front_matter(folder: Path, manifest: Manifest) -> dict[str, Any]:
    examples = sum(len(shard.hours) for shards in manifest.splits.values() for shard in shards)
    size = next((name for limit, name in SIZE_CATEGORIES.items() if examples < limit), "100K<n<1M")
    configs = _configs(folder, manifest)
    return {
        "license": manifest.source.get("licence", "unknown"),
        "pretty_name": manifest.source.get("title", manifest.name),
        "language": ["en"],
        "size_categories": [size],
        "task_categories": ["other"],
        "tags": ["climate", "weather", "data-assimilation", "geospatial", "benchmark"],
        "configs": [entry for entry, _ in configs],
        "dataset_info": [info for _, info in configs],
    }


def _configs(folder: Path, manifest: Manifest) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """For each config its entry in `configs:` and in `dataset_info:`."""
    points = manifest.observations.points(manifest.grid)
    modalities, reports = manifest.modalities, manifest.reference_is_reports
    shapes = column_shapes(len(manifest.channels), manifest.grid, points, modalities, reports)
    entries = []
    for config, columns in config_columns(modalities, reports).items():
        splits = manifest.copies.get(config, manifest.splits)
        if manifest.format == "arrow" and config != "multimodal" and config not in manifest.copies:
            continue
        chosen = {name: shapes[name] for name in columns}
        features = example_features(chosen)._to_yaml_list()
        entry: dict[str, Any] = {"config_name": config}
        if config == "multimodal":
            entry["default"] = True
        entry["data_files"] = _data_files(splits)
        if manifest.format == "parquet" and config != "multimodal":
            entry["columns"] = list(columns)
        if manifest.format == "hdf5":
            # For HDF5, `features` chooses the columns; without a batch size a whole file is read.
            entry |= {"features": features, "batch_size": 4}
        entries.append((entry, _info(config, features, splits, _example_bytes(chosen))))
    if manifest.ensemble_size:
        entries.append(_ensemble(manifest))
    if PREVIEW in manifest.copies:
        entries.append(_preview(manifest))
    if manifest.geography and manifest.format == "parquet":
        # A folder has one reader, that of its first config; other formats need another call.
        entries.append(card_config(folder))
    if manifest.reports and manifest.format == "parquet":
        entries.append(reports_config(folder, manifest.reports))
    return entries


def _ensemble(manifest: Manifest) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries of the config `ensemble`."""
    shapes = _ensemble_shapes(manifest)
    features, splits = example_features(shapes)._to_yaml_list(), manifest.copies[ENSEMBLE]
    entry: dict[str, Any] = {"config_name": ENSEMBLE, "data_files": _data_files(splits)}
    if manifest.format == "hdf5":
        entry |= {"features": features, "batch_size": 1}
    return entry, _info(ENSEMBLE, features, splits, _example_bytes(shapes))


def _ensemble_shapes(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    return ensemble_shapes(
        len(manifest.channels), manifest.grid, manifest.ensemble_size, manifest.modalities
    )


def _preview(manifest: Manifest) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries of the config `preview`."""
    shapes = preview_shapes(
        manifest.channels, manifest.grid, manifest.modalities, manifest.reference_is_reports
    )
    features, splits = preview_features(shapes)._to_yaml_list(), manifest.copies[PREVIEW]
    entry = {"config_name": PREVIEW, "data_files": _data_files(splits)}
    return entry, _info(PREVIEW, features, splits, _example_bytes(shapes))


def _data_files(splits: Mapping[str, tuple[Shard, ...]]) -> list[dict[str, str]]:
    return [{"split": split, "path": _pattern(shards)} for split, shards in splits.items()]


def _info(
    config: str, features: list[Any], splits: Mapping[str, tuple[Shard, ...]], example_bytes: int
) -> dict[str, Any]:
    """One entry of `dataset_info:`; the sizes are those of the values in memory."""
    examples = {split: sum(len(s.hours) for s in shards) for split, shards in splits.items()}
    return {
        "config_name": config,
        "features": features,
        "splits": [
            {"name": split, "num_bytes": count * example_bytes, "num_examples": count}
            for split, count in examples.items()
        ],
        "download_size": sum(shard.bytes for shards in splits.values() for shard in shards),
        "dataset_size": sum(examples.values()) * example_bytes,
    }


def _example_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(8 if name == "time" else 4 * math.prod(shape) for name, shape in shapes.items())


def _pattern(shards: tuple[Shard, ...]) -> str:
    """For example `multimodal/test-*`."""
    return f"{shards[0].path.rpartition('-of-')[0].rpartition('-')[0]}-*"


def _text(folder: Path, manifest: Manifest) -> dict[str, str]:
    source, settings = manifest.source, manifest.observations
    rows = []
    for split, shards in manifest.splits.items():
        times = manifest.times(split)
        size = sum(shard.bytes for shard in shards) / 1e6
        rows.append(f"| {split} | {len(times)} | {times[0]} | {times[-1]} | {size:.1f} MB |")
    share = (
        "no error, so a zero"
        if settings.error_scale == 0
        else (f"a Gaussian error of {settings.error_scale:g} × the background error's")
    )
    channels = manifest.channels
    return {
        "title": source.get("title", manifest.name),
        "description": source.get("description", ""),
        "revision": manifest.revision,
        "benchmark": standing(manifest.revision),
        "name": manifest.name,
        "folder": folder.resolve().name,
        "splits": "\n".join(rows),
        "channels": f"{len(channels)} channels: {', '.join(f'`{name}`' for name in channels)}",
        "count": str(len(channels)),
        "grid": str(manifest.grid),
        "height": str(manifest.grid.latitudes),
        "width": str(manifest.grid.longitudes),
        "lead_hours": str(manifest.lead_hours),
        "network": settings.network,
        "points": str(settings.points(manifest.grid)),
        "density": f"{100 * settings.density:g} %",
        "share": share,
        "seed": str(settings.seed),
        "instruments": settings.instruments,
        "alignment": manifest.alignment,
        "modalities": _modalities(manifest),
        "versions": ", ".join(f"{k} {v}" for k, v in source.get("versions", {}).items()) or "–",
        "command": source.get("command", ""),
        "licence": source.get("licence", "unknown"),
        "attribution": source.get("attribution", ""),
        "configs": ", ".join(
            f"`{entry['config_name']}`" for entry, _ in _configs(folder, manifest)
        ),
        "preview": _preview_text(manifest),
        "ensemble": _ensemble_text(folder, manifest),
        "reports": reports_text(folder, manifest),
        "split": list(manifest.splits)[-1],
        "statistics": source.get("statistics", "the source does not say how they were taken"),
        "geography": _geography(folder, manifest),
        "backgrounds": backgrounds_text(folder, manifest),
        "archives": _archives(manifest),
        "gaps": _gaps(manifest),
        "rounding": _rounding(manifest),
        "citation": f"{source['citation']}. " if source.get("citation") else "",
    }


def _geography(folder: Path, manifest: Manifest) -> str:
    if not manifest.geography:
        return ""
    read = f'load_dataset("{folder.resolve().name}", "geography", split="train")'
    if manifest.format != "parquet":
        read = f'load_dataset("parquet", data_files="{folder.resolve().name}/{GEOGRAPHY}")'
    return (
        f"`{read}` gives what does not depend on time, a row per tile of the globe: land, heights, "
        f"a text about the region and a relief picture. {ATTRIBUTION}\n"
    )


def _preview_text(manifest: Manifest) -> str:
    if PREVIEW not in manifest.copies:
        return ""
    step, channels = coarsening(manifest.grid), preview_channels(manifest.channels)
    listed = ", ".join(f"`{name}`" for name in channels)
    return (
        f" `{PREVIEW}` is for a first look: the beginning of each split, {listed} as means over "
        f"{step} × {step} points, NaN where nothing was observed, and `time` as text."
    )


def _ensemble_text(folder: Path, manifest: Manifest) -> str:
    if not manifest.ensemble_size:
        return ""
    shapes = _ensemble_shapes(manifest)
    columns = [f"`{name}` {shape}" for name, shape in shapes.items() if name != "time"]
    splits = manifest.ensemble_splits
    return (
        f'`load_dataset("{folder.resolve().name}", "{ENSEMBLE}", split="{splits[-1]}")` gives the '
        f"{manifest.ensemble_size} members of the background's ensemble, in the splits "
        f"{' and '.join(splits)}, with the times of the other configs: {', '.join(columns)}. "
        "`background` is the forecast of the unperturbed run; the members' spread says how wrong "
        "it may be.\n\n"
    )


def _archives(manifest: Manifest) -> str:
    """A table of the archives that the fields come from, with their licences and citations."""
    archives = manifest.source.get("archives", {})
    if not archives:
        return ""
    rows = [
        f"| {role} | {a['title']} | {a.get('regridding', '')} | {a.get('licence', '')} | "
        f"{a.get('attribution', '')} {a.get('citation', '')} |"
        for role, a in archives.items()
    ]
    head = "| what | archive | regridding | licence | attribution and citation |"
    return "\n".join([head, "|---|---|---|---|---|", *rows]) + "\n"


def _gaps(manifest: Manifest) -> str:
    if not manifest.gaps:
        return ""
    whole = sum(gap.what == "example" for gap in manifest.gaps)
    return (
        f"The source has gaps: {whole} examples are left out, and {len(manifest.gaps) - whole} "
        "have no value of a modality. `gaps` in `manifest.json` lists them with their reasons; "
        "nothing was put in their place.\n"
    )


def _rounding(manifest: Manifest) -> str:
    if not manifest.rounding:
        return ""
    return (
        f"Backgrounds, and members of their ensemble, keep {manifest.rounding.keep_bits} bits of "
        "their mantissa; `rounding` in "
        "`manifest.json` says what that changed. References and observations are not rounded.\n"
    )


def _modalities(manifest: Manifest) -> str:
    if not manifest.modalities:
        return "This data set has no modalities besides the channels."
    return (
        "`precipitation` (mm day-1) and `olr` (outgoing longwave radiation, W m-2) cover the day "
        f"before the valid time (alignment `{manifest.alignment}`); NaN means that nothing was "
        "measured there. `background_precipitation` and `background_olr` are the background's "
        "equivalents, in the same units over the same day: what its forecast says would have been "
        "measured. The departure, observation − equivalent, is what the background did not know. "
        "NaN means that the background has no equivalent. The configs `stations` and `satellite` "
        f"have the observation and its equivalent.{_trained(manifest.source.get('equivalents'))}"
    )


def _trained(equivalents: Mapping[str, Any] | None) -> str:
    """What is said of equivalents that are those of a trained operator."""
    if not equivalents:
        return ""
    skill = "; ".join(
        f"of `{modality}` it explains {100 * known['r2']:.0f} % of the variance, with an error of "
        f"{known['error']:.2g}, and departures are {known['departure']:.2g}"
        for modality, known in equivalents["skill"].items()
    )
    fold = equivalents["fold"]
    return (
        " The forecast has no equivalents, so they are those of a regression on the column above "
        f"each point, trained on {equivalents['trained_on']}, for each training {fold} on the "
        f"other {fold}s"
        + (f". From the reference of the validation split, {skill}" if skill else "")
        + " (standard deviations, W m-2; of precipitation in log(1 + mm))."
    )
