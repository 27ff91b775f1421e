"""The twin experiment as a data set: what its plan says, and where its examples come from."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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
from dambench_hub.building.osse.segments import SegmentStates
from dambench_hub.building.osse.simulation import MEANS, simulate
from dambench_hub.building.osse.world import IMPERFECTIONS, MEMBERS_IN, World
from dambench_hub.building.plan import Plan
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import BuildError
from dambench_hub.observations import ObservationSettings
from dambench_hub.storage.manifest import PICTURE
from dambench_hub.storage.revision import CANONICAL, canonical_revision

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
    seed = f"-seed{world.seed}" if world.seed else ""
    return Plan(
        name=f"osse-{world.name}{seed}",
        channels=STANDARD_CHANNELS,
        grid=grid,
        times={split: of.times.astype("datetime64[h]") for split, of in days.items()},
        modalities=MEANS,
        observations=observations,
        format=file_format,
        configs=configs,
        geography=geography,
        ensemble_size=members if ensemble else 0,
        ensemble_splits=ensemble_splits if ensemble else (),
        source={
            "kind": "osse",
            "title": f"DAMBench twin experiment, {world.name}{seed.replace('-', ', ')}",
            "description": DESCRIPTION,
            "licence": "cc-by-4.0",
            "attribution": "Simulated with jcm (Apache-2.0); SPEEDY physics after F. Molteni.",
            "command": build_command(world, observations),
            **(shipped_source(index) if index else simulated_source(world)),
        },
    )


def build_command(world: World, observations: ObservationSettings) -> str:
    """What makes a data set of the same revision, or at least the same world."""
    usual = ObservationSettings()
    options = {
        "--seed": (world.seed, 0),
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


def shipped_source(index: Index) -> dict[str, Any]:
    """What a manifest says of where a canonical world comes from."""
    quality = index.folder / QUALITY
    return {
        CANONICAL: {"index_sha256": index.sha256, "expansion": EXPANSION},
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
    index = canonical_index(world)
    if not index:
        simulate(world, work / "model", workers)
    states: States = (
        CanonicalStates(index, world.name) if index else SegmentStates(world, work / "model")
    )
    archive = Archive(world, Grid.parse(index.grid if index else world.preset.grid), states)
    picture = index.folder / PICTURE if index else None
    return Source(
        archive.read,
        orography=archive.orography,
        read_members=archive.read_members,
        picture=picture if picture and picture.exists() else None,
    )
