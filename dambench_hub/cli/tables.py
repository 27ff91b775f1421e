"""What the commands print, as Rich tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dambench_hub.coordinates.times import from_hours
from dambench_hub.coordinates.variables import HEADLINE_CHANNELS, equivalent_of, parse_channels
from dambench_hub.scoring.precision import number, percent
from dambench_hub.tasks.benchmark import standing
from dambench_hub.tasks.task import Task, load_task

if TYPE_CHECKING:
    from dambench_hub.data.dataset import Data
    from dambench_hub.scoring.evaluation import Result
    from dambench_hub.storage.manifest import Manifest

SUMMARY = {
    "station_rmse": "RMSE at withheld stations, in the channel's units",
    "skill": "% of the background's RMSE that is gone, mean over variables",
    "skill_without_10m_wind": "the same without u10 and v10",
    "skill_infinite_ensemble": "that the mean of infinitely many such members would have",
    "mse": "mean squared error, in units of each channel's variance",
    "mae": "mean absolute error, in units of each channel's standard deviation",
    "specdiv": "divergence of the smallest scales' power spectrum, nats",
    "specres": "residual of the smallest scales' power spectrum",
    "negative_humidity": "share of the area with specific humidity below 0, mean over levels",
    "mse_infinite_ensemble": "mse that the mean of infinitely many such members would have",
}
PLACES = {
    "at": "at observations",
    "near": "up to 500 km away",
    "between": "500 to 1500 km",
    "far": "farther away",
}
"""Distances from observations, as the table calls them."""
DEGREES = (1, 5, 10, 20, 40, 60)
"""Degrees of spherical harmonics that the table shows, those that there are."""


def result_tables(result: Result) -> RenderableType:
    """The scores of one file: what ranks, then what is behind it; `--json` has all of them."""
    ranks = load_task(result.task).main_score
    model = escape(result.attributes["model_name"])
    summary = plain_table(f"{model}  ·  task {result.task}", "score", "", "meaning")
    for name, meaning in SUMMARY.items():
        if (value := result.scores.get(name)) is not None:
            shown = percent(value, digits=2) if name.startswith("skill") else number(value)
            style, more = ("bold", "; ranks") if name == ranks else ("", "")
            summary.add_row(name, shown, Text(meaning + more, "dim"), style=style)
    if "stations" in result.scores:
        parts: list[RenderableType] = [summary, _stations_table(result)]
    else:
        parts = [summary, *_rmse_tables(result.scores)]
    parts += [
        table for table in (_places_table(result.scores), _degrees_table(result.scores)) if table
    ]
    if "crps" in result.scores:
        parts.append(_ensemble_table(result.scores))
    depends_on = [
        f"data set {result.dataset}, revision {result.dataset_revision}",
        f"scorer version {result.scorer_version}",
        f"values {result.value_hash[:16]}",
    ]
    if version := result.benchmark:
        depends_on.insert(0, f"benchmark {version.name}")
    return Group(*parts, Text("  ·  ".join(depends_on), "dim"))


def _rmse_tables(scores: dict[str, Any]) -> list[Table]:
    """RMSE: upper-air variables as levels by variables, then the single-level ones."""
    rmse = scores["rmse"]
    channels = parse_channels(list(rmse))
    tables = []
    upper = list(dict.fromkeys(c.variable for c in channels if c.level))
    if upper:
        heads = [f"{variable.name}\n{variable.units}" for variable in upper]
        table = plain_table("RMSE by pressure level", "hPa", *heads)
        for level in sorted({c.level for c in channels if c.level}):
            names = [f"{variable.name}{level}" for variable in upper]
            table.add_row(str(level), *(number(rmse[n]) if n in rmse else "" for n in names))
        tables.append(table)
    if surface := [c for c in channels if not c.level]:
        table = plain_table("RMSE near the surface", *(f"{c.name}\n{c.units}" for c in surface))
        table.columns[0].justify = "right"
        table.add_row(*(number(rmse[c.name]) for c in surface))
        tables.append(table)
    return tables


def _stations_table(result: Result) -> Table:
    """Errors at withheld stations by channel, and how much of them is one station's."""
    scores, errors = result.scores, result.station_errors
    assert errors is not None  # what was just scored comes with them
    heads = ("RMSE", "95 %", "bias", "MAE", "stations", "largest square error")
    table = plain_table("At withheld stations, thinned", "channel", *heads)
    for channel in parse_channels(list(scores["rmse"])):
        low, high = (number(scores[end][channel.name]) for end in ("rmse_low", "rmse_high"))
        station, share = errors.largest(channel.name)
        table.add_row(
            f"{channel.name}, {channel.units}",
            number(scores["rmse"][channel.name]),
            f"{low} to {high}",
            number(scores["bias"][channel.name]),
            number(scores["station_mae"][channel.name]),
            str(scores["stations"][channel.name]),
            f"{100 * share:.0f} % of it at {escape(station)}",
        )
    return table


def _places_table(scores: dict[str, Any]) -> Table | None:
    """RMSE of the headline channels by region and by distance from observations."""
    places = scores.get("rmse_by_region", {}) | {
        PLACES[name]: values
        for name, values in scores.get("rmse_by_distance", {}).items()
        if values
    }
    if not places:
        return None
    shown = _headline(scores["rmse"])
    table = plain_table("RMSE by place", "", *shown)
    for place, values in places.items():
        table.add_row(place, *(number(values[n]) if n in values else "" for n in shown))
    return table


def _degrees_table(scores: dict[str, Any]) -> Table | None:
    """Power ratio and coherence of the headline channels at a few degrees."""
    if "power_ratio" not in scores:
        return None
    ratios, coherences = scores["power_ratio"], scores["coherence"]
    named = [n for n in _headline(scores["rmse"]) if n in ratios]
    named += [n for n in ("vorticity500", "divergence500") if n in ratios]
    known = len(next(iter(ratios.values())))
    degrees = [degree for degree in DEGREES if degree <= known]
    table = plain_table("Power ratio / coherence by degree", "degree", *map(str, degrees))
    for name in named:
        pairs = [(ratios[name][d - 1], coherences[name][d - 1]) for d in degrees]
        table.add_row(name, *(" / ".join(_two_digits(value) for value in pair) for pair in pairs))
    return table


def _headline(rmse: dict[str, float]) -> list[str]:
    return [name for name in HEADLINE_CHANNELS if name in rmse] or list(rmse)[:4]


def _two_digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _ensemble_table(scores: dict[str, Any]) -> Table:
    """CRPS; of members with their spread, of a predicted standard deviation alone."""
    ratios = scores.get("spread_skill")
    heads = ("CRPS", "spread / skill") if ratios else ("CRPS",)
    table = plain_table("Uncertainty, by channel", "channel", *heads)
    for name, value in scores["crps"].items():
        table.add_row(name, number(value), *([number(ratios[name])] if ratios else []))
    return table


def tasks_table(names: Sequence[str], data: Data | None) -> Table:
    """All tasks; with a data set, whether it has what they need."""
    table = plain_table("Tasks", "name", "config", "observed", "error", "score", "description")
    for column in table.columns:
        column.justify = "left"
    if data:
        table.add_column("possible here")
    for task in map(load_task, names):
        settings = dict(task.observations)
        if data:
            drawn = task.observation_settings(data.manifest)
            settings = {"density": drawn.density, "error_scale": drawn.error_scale}
        cells = [task.name, task.config, "as stored", "as stored", task.main_score]
        if "density" in settings:
            cells[2] = f"{100 * settings['density']:g} %"
        if "network" in task.observations:
            cells[2] += f", {task.observations['network']}"
        if "error_scale" in settings:
            cells[3] = f"{settings['error_scale']:g} σ_b"
        cells.append(task.description)
        table.add_row(*cells, *([_possible(task, data)] if data else []))
    return table


def _possible(task: Task, data: Data) -> str:
    lacking = task.lacking(data.manifest)
    return f"no: {lacking}" if lacking else "yes"


def info_tables(data: Data) -> RenderableType:
    """What a data set is, and its splits."""
    manifest = data.manifest
    source = manifest.source
    facts = plain_table(escape(str(source.get("title", manifest.name))), "", "", header=False)
    facts.columns[1].justify = "left"
    size = sum(file.stat().st_size for file in Path(data.folder).rglob("*") if file.is_file())
    for name, value in {
        "name": manifest.name,
        "revision": manifest.revision,
        "benchmark": standing(manifest.revision),
        "description": source.get("description", ""),
        "grid": f"{manifest.grid} (latitudes × longitudes, poles included)",
        "channels": f"{len(manifest.channels)}: {', '.join(manifest.channels)}",
        "background": source.get("background", f"forecast started {manifest.lead_hours} h before"),
        "observations": _observations(manifest),
        "reports": _reports(manifest),
        "rounding": _rounding(manifest),
        "modalities": _modalities(data),
        "ensemble": f"{manifest.ensemble_size} members in {' and '.join(manifest.ensemble_splits)}"
        if manifest.ensemble_size
        else "",
        "geography": "land, heights, texts and pictures" if manifest.geography else "",
        "gaps": _gaps(manifest),
        "format": f"{manifest.format}, {size / 1e6:,.1f} MB in {data.folder}",
        "licence": source.get("licence", "unknown"),
        "attribution": source.get("attribution", ""),
    }.items():
        if value:
            facts.add_row(Text(name, "dim"), escape(str(value)))
    return Group(facts, _splits_table(manifest))


def _observations(manifest: Manifest) -> str:
    """Those at grid points; empty if there are none."""
    if manifest.reference_is_reports:
        return ""
    observations = manifest.observations
    return (
        f"{100 * observations.density:g} % of the grid points "
        f"({observations.points(manifest.grid)}), network {observations.network}, "
        f"error {observations.error_scale:g} × background error"
    )


def _reports(manifest: Manifest) -> str:
    """How many rows the tables of observations have, and what was found; empty without."""
    if not (reports := manifest.reports):
        return ""
    counts = ", ".join(f"{rows:,} {found}" for found, rows in reports.counts.items())
    reference = "; they are the reference" if reports.are_reference else ""
    return (
        f"window {reports.window}, rows: {counts}; {100 * reports.withheld_share:.0f} % of the "
        f"good ones withheld{reference}"
    )


def _gaps(manifest: Manifest) -> str:
    """How much is missing, and the first of it."""
    if not manifest.gaps:
        return ""
    counts = Counter(gap.what for gap in manifest.gaps)
    listed = ", ".join(f"{count} × {what}" for what, count in counts.items())
    first = manifest.gaps[0]
    time = from_hours([first.hours])[0]
    return f"{listed}; the first at {time}: {first.reason}. All are in manifest.json."


def _rounding(manifest: Manifest) -> str:
    """How much of the backgrounds was rounded away; empty if nothing was."""
    if not (rounding := manifest.rounding):
        return ""
    rms = dict(zip(manifest.channels, rounding.rms_in_background_error_std, strict=True))
    worst = max(rms, key=lambda channel: rms[channel])
    return (
        f"background to {rounding.keep_bits} mantissa bits: relative error at most "
        f"{rounding.max_relative_error:.2g}, RMS at most {rms[worst]:.2g} × background error "
        f"({worst})"
    )


def _splits_table(manifest: Manifest) -> Table:
    splits = plain_table("Splits", "split", "examples", "first", "last", "shards")
    for split, shards in manifest.splits.items():
        times = manifest.times(split)
        first, last = (str(times[i]) if len(times) else "" for i in (0, -1))
        splits.add_row(split, str(len(times)), first, last, str(len(shards)))
    return splits


def _modalities(data: Data) -> str:
    """Names and, from the first example, the share of the grid where they are."""
    names = list(data.manifest.modalities)
    split = next(split for split in data.manifest.splits if data.size(split))
    columns = [*names, *map(equivalent_of, names)]
    example = data.example(split, 0, columns) if names else {}
    known = {name: 100 * np.isfinite(values).mean() for name, values in example.items()}
    shares = (
        f"{name} ({known[name]:.0f} % of the grid, {known[equivalent_of(name)]:.0f} % in the "
        "background)"
        for name in names
    )
    return ", ".join(shares) or "none"


def plain_table(title: str, *columns: str, header: bool = True) -> Table:
    """The one look of our tables: numbers to the right, the first column to the left."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_header=header,
        header_style="dim",
        pad_edge=False,
        min_width=min(60, len(title)),
    )
    for index, column in enumerate(columns):
        left = not index or column == "meaning"
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    return table
