"""The twin experiment as a data set: what its plan says, and where its examples come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.building.backgrounds_text import BACKGROUNDS
from dambench_hub.building.examples import Source
from dambench_hub.building.osse.archive import Archive, States
from dambench_hub.building.osse.canonical.index import (
    EXPANSION,
    Index,
    canonical_index,
    canonical_presets,
)
from dambench_hub.building.osse.canonical.states import CanonicalStates
from dambench_hub.building.osse.more_days import WithMoreDays, added_times
from dambench_hub.building.osse.segments import SegmentStates
from dambench_hub.building.osse.simulation import MEANS, simulate
from dambench_hub.building.osse.world import FIRST_YEAR, IMPERFECTIONS, MEMBERS_IN, World
from dambench_hub.building.plan import Plan
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import BuildError
from dambench_hub.observations import ObservationSettings
from dambench_hub.storage.manifest import PICTURE
from dambench_hub.storage.revision import ADDED_EXAMPLES, CANONICAL, canonical_revision

QUALITY = "backgrounds.json"
"""Beside an index: what the card says of the backgrounds, as `quality.py` found it."""

DESCRIPTION = """\
A twin experiment with a general circulation model (jcm: SPEEDY physics on a spectral core). The
reference is a nature run with the seasonal cycle, an independent run for each split. The background
is the 24-hour forecast of the unperturbed run of a cycled ensemble: a model with other parameters,
into which an ensemble Kalman filter brings soundings of the nature run, many over northern lands,
few over southern seas. Precipitation and outgoing longwave radiation of the nature run are seen,
with errors and gaps, by simulated gauges and a simulated satellite. The dates stand for seasons:
the weather is not that of any real day."""

ADDED = """
The first {added} training days were simulated on the machine that built this data set, in runs of
years before; statistics, validation and test are those of the canonical world."""


def plan(
    world: World,
    observations: ObservationSettings,
    file_format: str = "parquet",
    configs: tuple[str, ...] = (),
    geography: bool = False,
    ensemble: bool = False,
    index: Index | None = None,
) -> Plan:
    """The data set to build from a world.

    Args:
        world: A preset and a seed.
        observations: As in `Plan`, like the arguments that follow.
        file_format: See there.
        configs: See there.
        geography: See there.
        ensemble: Whether to add the members, on validation and test: many times the rest.
        index: What is shipped of the world; None for what the package has of it.

    Raises:
        BuildError: When the model that simulates the world is not installed.
    """
    index = index or canonical_index(world)
    if index:
        days, grid = index.presets[world.name], Grid.parse(index.grid)
        members, ensemble_splits = index.ensemble_size, index.ensemble_splits[world.name]
    else:
        days, grid = world.preset.splits, Grid.parse(world.preset.grid)
        members, ensemble_splits = world.preset.members, MEMBERS_IN
    times = {split: of.times for split, of in days.items()}
    said = f"-seed{world.seed}" if world.seed else ""
    said += f"-soundings{world.soundings:g}" if world.soundings != 1 else ""
    if world.more_days:
        times["train"] = np.concatenate([added_times(world), times["train"]])
        said += f"-{len(times['train'])}days"
    return Plan(
        name=f"osse-{world.name}{said}",
        channels=STANDARD_CHANNELS,
        grid=grid,
        times={split: of.astype("datetime64[h]") for split, of in times.items()},
        modalities=MEANS,
        observations=observations,
        format=file_format,
        configs=configs,
        geography=geography,
        ensemble_size=members if ensemble else 0,
        ensemble_splits=ensemble_splits if ensemble else (),
        source={
            "kind": "osse",
            "title": f"DAMBench twin experiment, {world.name}{said.replace('-', ', ')}",
            "description": DESCRIPTION
            + (ADDED.format(added=world.more_days) if world.more_days else ""),
            "licence": "cc-by-4.0",
            "attribution": "Simulated with jcm (Apache-2.0); SPEEDY physics after F. Molteni.",
            "command": build_command(world, observations, len(times["train"])),
            **(shipped_source(index, world) if index else simulated_source(world)),
        },
    )


def world_of(preset: str, seed: int = 0, days: int | None = None, soundings: float = 1.0) -> World:
    """The world that a person asks for.

    Args:
        preset: Its name.
        seed: Another one, another world.
        days: How many training days it shall have, for the canonical `mini`; None for its own.
        soundings: See `World`.

    Raises:
        BuildError: When there is no such preset, or it cannot have so many days.
    """
    world = World(preset, seed, soundings=soundings)
    if days is None:
        return world
    index = canonical_index(world)
    if preset != "mini" or not index:
        raise BuildError(
            f"More training days are for the canonical preset mini, seed 0, not for {preset}, seed "
            f"{seed}, soundings {soundings:g}. Leave --days out, or give another --seed to get "
            "another world."
        )
    own = len(index.presets[preset]["train"].times)
    most = own + world.most_more_days
    if not own <= days <= most:
        raise BuildError(
            f"--days is {days}. {preset} has {own} training days, and up to {most} with those of "
            f"all years from {FIRST_YEAR} on; give a number from {own} to {most}."
        )
    return replace(world, more_days=days - own)


def build_command(world: World, observations: ObservationSettings, days: int) -> str:
    """What makes a data set of the same revision, or at least the same world."""
    usual = ObservationSettings()
    options = {
        "--seed": (world.seed, 0),
        "--soundings": (format(world.soundings, "g"), "1"),
        "--days": (days if world.more_days else 0, 0),
        "--network": (observations.network, usual.network),
        "--density": (observations.density, usual.density),
        "--error-scale": (observations.error_scale, usual.error_scale),
    }
    said = [f"{name} {value}" for name, (value, default) in options.items() if value != default]
    return " ".join([f"dambench build {world.name}", *said, "--out dambench"])


def canonical_revisions(index: Index) -> dict[str, str]:
    """The revision of each preset with the usual observations, on every machine."""
    revisions = {}
    for preset in index.presets:
        wanted = plan(World(preset, index.seed), ObservationSettings(seed=index.seed), index=index)
        revisions[preset] = canonical_revision(wanted, wanted.settings()["times"])
    return revisions


def shipped_source(index: Index, world: World) -> dict[str, Any]:
    """What a manifest says of where a canonical world comes from.

    Raises:
        BuildError: When training days are to be added, and the model is not installed.
    """
    quality = index.folder / QUALITY
    added: Mapping[str, Any] = {ADDED_EXAMPLES: world.more_days} if world.more_days else {}
    return {
        CANONICAL: {"index_sha256": index.sha256, "expansion": EXPANSION, **added},
        **({"added": simulated_source(world)} if added else {}),
        **({BACKGROUNDS: json.loads(quality.read_text())} if quality.exists() else {}),
        "versions": dict(index.versions),
        "settings": dict(index.settings),
    }


def simulated_source(world: World) -> dict[str, Any]:
    """The same of a world that is simulated here.

    Raises:
        BuildError: When the model is not installed.
    """
    return {
        "versions": model_versions(),
        "settings": {
            "preset": world.name,
            "seed": world.seed,
            **asdict(world.preset),
            **({"soundings": world.soundings} if world.soundings != 1 else {}),
            "forecast_parameters": IMPERFECTIONS,
        },
    }


def model_versions() -> dict[str, str]:
    """Versions of the packages that simulate.

    Raises:
        BuildError: When one is not installed.
    """
    try:
        return {name: version(name) for name in ("jcm", "dinosaur", "jax", "jaxlib")}
    except PackageNotFoundError as error:
        raise BuildError(
            f"The model that simulates this world is not installed ({error}). "
            'Run: pip install "dambench-hub[simulate]". Canonical worlds (seed 0 of '
            f"{' or '.join(canonical_presets()) or 'none'}) need no model."
        ) from None


def open_world(world: World, workers: int, work: Path) -> Source:
    """The source of a world's examples; what is not shipped is simulated first.

    Args:
        world: A preset and a seed.
        workers: Processes that simulate.
        work: For what they store.
    """
    index, model = canonical_index(world), work / "model"
    if not index or world.more_days:
        simulate(world, model, workers)
    states: States = CanonicalStates(index, world.name) if index else SegmentStates(world, model)
    if world.more_days:
        states = WithMoreDays(states, SegmentStates(world, model))
    archive = Archive(world, Grid.parse(index.grid if index else world.preset.grid), states)
    picture = index.folder / PICTURE if index else None
    return Source(
        archive.read,
        orography=archive.orography,
        read_members=archive.read_members,
        picture=picture if picture and picture.exists() else None,
    )
