"""The twin experiment as a data set: what its plan says, and where its examples come from."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from dambench_hub.building.examples import Source
from dambench_hub.building.osse.archive import Archive
from dambench_hub.building.osse.simulation import MEANS, simulate
from dambench_hub.building.osse.world import IMPERFECTIONS, World
from dambench_hub.building.plan import Plan
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.observations import ObservationSettings

DESCRIPTION = """\
A twin experiment with a general circulation model (jcm: SPEEDY physics on a spectral core). The
reference is a nature run with the seasonal cycle, an independent run for each split. The background
is a 24-hour forecast from the day before by a model with other parameters and a perturbed initial
state. Precipitation and outgoing longwave radiation of the nature run are seen, with errors and
gaps, by simulated gauges and a simulated satellite. The dates stand for seasons: the weather is not
that of any real day."""


def plan(
    world: World,
    observations: ObservationSettings,
    file_format: str,
    configs: tuple[str, ...],
    geography: bool,
) -> Plan:
    """The data set to build from a world."""
    preset = world.preset
    return Plan(
        name=f"osse-{world.name}",
        channels=STANDARD_CHANNELS,
        grid=Grid.parse(preset.grid),
        times={split: days.times.astype("datetime64[h]") for split, days in preset.splits.items()},
        modalities=MEANS,
        observations=observations,
        format=file_format,
        configs=configs,
        geography=geography,
        source={
            "kind": "osse",
            "title": f"DAMBench twin experiment, {world.name}",
            "description": DESCRIPTION,
            "licence": "cc-by-4.0",
            "attribution": "Simulated with jcm (Apache-2.0); SPEEDY physics after F. Molteni.",
            "command": f"python builders/osse/build.py --preset {world.name} --seed {world.seed}",
            "versions": {name: version(name) for name in ("jcm", "dinosaur", "jax", "jaxlib")},
            "settings": {
                "preset": world.name,
                "seed": world.seed,
                **asdict(preset),
                "forecast_parameters": IMPERFECTIONS,
            },
        },
    )


def open_world(world: World, workers: int, work: Path) -> Source:
    """Simulate what is missing; the source of its examples."""
    simulate(world, work / "model", workers)
    archive = Archive(world, work / "model")
    return Source(archive.read, orography=archive.views["reference"].orography)
