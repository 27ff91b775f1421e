"""Build the embedded default data set: a twin experiment made by a general circulation model.

    python builders/osse/build.py --preset tiny|mini|t31 --out dambench

A *nature run* of `jcm` (SPEEDY physics, spectral dynamics) is the reference. The background is a
24-hour forecast from the nature state of the day before, by a model with other parameters and from
a perturbed initial state. README.md says what is done and why.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from dambench_hub.building.osse.chains import run_chains
from dambench_hub.building.osse.instruments import gauge_network, measure_olr, measure_precipitation
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.dynamics.circulation import Circulation, load_state, packed_state, truncated
from dambench_hub.dynamics.postprocessing import PostProcessor
from dambench_hub.errors import BuildError
from dambench_hub.observations import ObservationSettings
from dambench_hub.runtime.files import write_atomic
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.manifest import FORMATS

if TYPE_CHECKING:
    from dambench_hub.building.builder import Source
    from dambench_hub.building.plan import Plan

# ---------------------------------------------------------------------------------------------
# Worlds
# ---------------------------------------------------------------------------------------------

DESCRIPTION = """\
A twin experiment with a general circulation model (jcm: SPEEDY physics on a spectral core). The
reference is a nature run with the seasonal cycle, an independent run for each split. The background
is a 24-hour forecast from the day before by a model with other parameters and a perturbed initial
state. Precipitation and outgoing longwave radiation of the nature run are seen, with errors and
gaps, by simulated gauges and a simulated satellite. The dates stand for seasons: the weather is not
that of any real day."""

IMPERFECTIONS = {
    "convection.trcnv": 10.0,  # hours; nature 6
    "convection.entmax": 0.35,  # nature 0.5
    "convection.smf": 0.6,  # nature 0.8
    "condensation.trlsc": 7.0,  # hours; nature 4
    "condensation.rhlsc": 0.85,  # nature 0.9
    "vertical_diffusion.trshc": 10.0,  # hours; nature 6
    "vertical_diffusion.trvdi": 40.0,  # hours; nature 24
    "surface_flux.cdl": 3.4e-3,  # nature 2.4e-3
    "surface_flux.cds": 1.4e-3,  # nature 1.0e-3
    "surface_flux.chs": 1.2e-3,  # nature 0.9e-3
}
"""SPEEDY parameters of the forecast model where they differ from the nature run's."""

STATE = ("vorticity", "divergence", "t", "q", "log_pressure", "t2m")
MEANS = ("precipitation", "olr")
"""Names in a segment's file: of an instant, and of the day before it."""

PAST_DAYS = 10
"""Daily nature states kept to make analysis errors from."""

NATURE, ANALYSIS, GAUGES, PRECIPITATION, OLR = range(5)
"""Purposes of random draws: each has its own streams, keyed by [seed, purpose, hours]."""


@dataclass(frozen=True)
class Days:
    """The valid times of one split, 00 UTC: `count` of them from `first` on, `every` days."""

    first: str
    count: int
    every: int

    @property
    def times(self) -> np.ndarray:
        """datetime64[D], (count,)."""
        return np.datetime64(self.first, "D") + self.every * np.arange(self.count)


@dataclass(frozen=True)
class Preset:
    """One size of the world.

    Attributes:
        grid: Of the data set, Y×X.
        nature: Truncation and time step (minutes) of the nature run.
        forecast: The same of the forecast model.
        splits: Days of each split; each is a nature run of its own.
        spinup_days: Before the first valid time, from a zonally symmetric atmosphere.
        segment_days: What is simulated, stored and resumed in one piece.
        analysis_error: Initial error, as a share of the difference of two past nature states.
    """

    grid: str
    nature: tuple[int, int]
    forecast: tuple[int, int]
    splits: dict[str, Days]
    spinup_days: int = 30
    segment_days: int = 20
    analysis_error: float = 0.2


PRESETS = {
    "tiny": Preset(
        "33x64",
        nature=(21, 72),
        forecast=(21, 60),
        splits={
            "train": Days("2022-01-10", 8, 2),
            "validation": Days("2023-01-10", 4, 2),
            "test": Days("2024-01-10", 4, 2),
        },
        spinup_days=15,
        segment_days=8,
    ),
    "mini": Preset(
        "33x64",
        nature=(21, 72),
        forecast=(21, 60),
        splits={
            "train": Days("2022-01-02", 180, 2),
            "validation": Days("2023-01-02", 30, 12),
            "test": Days("2024-01-02", 60, 6),
        },
    ),
    "t31": Preset(
        "121x240",
        nature=(31, 30),
        forecast=(21, 60),
        splits={
            "train": Days("2021-01-02", 360, 2),
            "validation": Days("2023-01-02", 60, 6),
            "test": Days("2024-01-02", 120, 3),
        },
        analysis_error=0.1,
    ),
}


@dataclass(frozen=True)
class World:
    """A preset and a seed, with everything that follows from them."""

    name: str
    seed: int

    @property
    def preset(self) -> Preset:
        """Its settings."""
        return PRESETS[self.name]

    def rng(self, purpose: int, hours: int = 0) -> np.random.Generator:
        """The generator of one purpose at one time."""
        return np.random.default_rng([self.seed, purpose, hours])

    def segments(self, split: str) -> list[np.ndarray]:
        """The days of a split in pieces, spin-up first; a day names the 00 UTC at its end."""
        times = self.preset.splits[split].times
        days = np.arange(times[0] - self.preset.spinup_days + 1, times[-1] + 1)
        return np.array_split(days, math.ceil(len(days) / self.preset.segment_days))


# ---------------------------------------------------------------------------------------------
# Simulation: segments of days, each stored whole, in one process per core
# ---------------------------------------------------------------------------------------------


@lru_cache
def circulations(preset: str) -> tuple[Circulation, Circulation]:
    """The nature run's model and the forecast model of a preset, once a process."""
    settings = PRESETS[preset]
    return Circulation(*settings.nature, {}), Circulation(*settings.forecast, IMPERFECTIONS)


def simulate_segment(world: World, folder: Path, split: str, number: int) -> None:
    """Simulate and store one segment of a split.

    The file holds the days that the split samples and the state to go on from. A run always goes on
    from a file, so that an interrupted build and an uninterrupted one give the same bits.
    """
    nature, forecast = circulations(world.name)
    days, wanted = world.segments(split)[number], world.preset.splits[split].times
    if number:
        before = segment_path(folder, split, number - 1)
        state, past = load_state(before, like=first_state(world, "train"))
    else:
        state, past = first_state(world, split)
    samples: list[dict[str, np.ndarray]] = []
    for day in days:
        if day in wanted:
            analysis = state.dynamics + analysis_error(world, day, past)
            start = forecast.at(day - 1, truncated(analysis, nature, forecast))
            background, _ = forecast.advance(start)
        state, means = nature.advance(state)
        past = [*past[1:], state.dynamics]
        if day in wanted:
            sample = labelled("reference", nature.portrait(state)) | means
            samples.append(sample | labelled("background", forecast.portrait(background)))
            require_finite(samples[-1], split, day)
    content = {
        name: np.stack([sample[name] for sample in samples]) for name in (samples or [{}])[0]
    }
    content["land"] = np.asarray(nature.model.terrain.fmask)
    content |= labelled("reference", nature.geography())
    content |= labelled("background", forecast.geography())
    content |= packed_state((state, past))
    contiguous = {name: np.asarray(array, order="C") for name, array in content.items()}
    write_atomic(segment_path(folder, split, number), save(contiguous))


def require_finite(sample: dict[str, np.ndarray], split: str, day: np.datetime64) -> None:
    """Refuse a model run that has broken down."""
    if not all(np.isfinite(field).all() for field in sample.values()):
        raise BuildError(f"The model run of {split!r} broke down on {day}; try another --seed.")


@lru_cache
def first_state(world: World, split: str) -> tuple[Any, list[Any]]:
    """What a split's run starts from, and as many copies of it as past states."""
    nature, _ = circulations(world.name)
    start = world.segments(split)[0][0] - 1
    state = nature.start(start, world.rng(NATURE, int(hours_since_epoch(start))))
    return state, [state.dynamics] * PAST_DAYS


def analysis_error(world: World, day: np.datetime64, past: list[Any]) -> Any:
    """What is wrong with the analysis of the day before `day`: ± α (x(−a) − x(−a−5 days)).

    Two states of the same season differ by weather, so the error has the structures of weather, but
    not of today's. The age a, 2 to 5 days, and the sign are drawn for each day.
    """
    rng = world.rng(ANALYSIS, int(hours_since_epoch(day)))
    age, sign = rng.integers(2, 6), rng.choice([-1.0, 1.0])
    return sign * world.preset.analysis_error * (past[-age] - past[-age - 5])


def labelled(owner: str, fields: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The fields with `owner/` before their names."""
    return {f"{owner}/{name}": field for name, field in fields.items()}


def segment_path(folder: Path, split: str, number: int) -> Path:
    """The file of one segment."""
    return folder / f"{split}-{number:03d}.safetensors"


def prepare_worker() -> None:
    """Confine jax to one thread on the CPU, and share compiled programs between processes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dambench" / "jax"
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "NPROC": "1",  # the size of XLA's thread pool
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    warnings.filterwarnings("ignore", category=FutureWarning, module="jcm")


def simulate(world: World, folder: Path, workers: int) -> None:
    """Simulate and store all missing segments."""
    missing = {
        split: [n for n in range(count) if not segment_path(folder, split, n).exists()]
        for split in world.preset.splits
        if (count := len(world.segments(split)))
    }
    run = partial(simulate_segment, world, folder)
    run_chains(missing, run, workers, prepare_worker, "Simulating segments")


# ---------------------------------------------------------------------------------------------
# From model states to examples
# ---------------------------------------------------------------------------------------------


class Archive:
    """The stored segments, read as examples of the data set."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.grid = world, folder, Grid.parse(world.preset.grid)
        self.places = {split: list(places(world, split)) for split in world.preset.splits}
        with self._segment("train", self.places["train"][0][0]) as file:
            self.views = {owner: self._view(file, owner) for owner in ("reference", "background")}
            land = self.views["reference"].regrid(file.get_tensor("land"))
        self.gauges = gauge_network(self.grid, land, world.rng(GAUGES))

    def read(self, split: str, index: int) -> dict[str, np.ndarray]:
        """One example: background and reference (C, Y, X), precipitation and olr (Y, X)."""
        number, position = self.places[split][index]
        hours = int(hours_since_epoch(self.world.preset.splits[split].times[index]))
        with self._segment(split, number) as file:
            example = {
                owner: view.channels(
                    {name: file.get_slice(f"{owner}/{name}")[position] for name in STATE}
                )
                for owner, view in self.views.items()
            }
            regrid = self.views["reference"].regrid
            rain, olr = (regrid(file.get_slice(name)[position]) for name in MEANS)
        rng = partial(self.world.rng, hours=hours)
        return example | {
            "precipitation": measure_precipitation(rain, self.gauges, rng(PRECIPITATION)),
            "olr": measure_olr(self.grid, olr, rng(OLR)),
        }

    def _view(self, file: Any, owner: str) -> PostProcessor:
        latitude = file.get_tensor(f"{owner}/latitude")
        return PostProcessor(
            grid=self.grid,
            sigma=file.get_tensor(f"{owner}/sigma"),
            surface_height=file.get_tensor(f"{owner}/surface_height"),
            latitude=latitude,
            columns=2 * len(latitude),
            near_surface_wind=float(file.get_tensor(f"{owner}/near_surface_wind")),
        )

    def _segment(self, split: str, number: int) -> Any:
        return safe_open(segment_path(self.folder, split, number), "numpy")


def places(world: World, split: str) -> Iterator[tuple[int, int]]:
    """Where each example of a split is stored: segment number, position in the segment."""
    times = world.preset.splits[split].times
    for number, days in enumerate(world.segments(split)):
        for position in range(np.isin(days, times).sum()):
            yield number, position


# ---------------------------------------------------------------------------------------------
# Command
# ---------------------------------------------------------------------------------------------


def plan(
    world: World,
    observations: ObservationSettings,
    file_format: str,
    configs: tuple[str, ...],
    geography: bool,
) -> Plan:
    """The data set to build from a world."""
    # Not at the top: worker processes import this file too, and need no `datasets`.
    from dambench_hub.building.plan import Plan

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
    from dambench_hub.building.builder import Source

    simulate(world, work / "model", workers)
    archive = Archive(world, work / "model")
    return Source(archive.read, orography=archive.views["reference"].orography)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--preset", choices=PRESETS, default="mini", help="size of the world (default: mini)")
    add("--out", type=Path, required=True, help="folder of the data set")
    add("--seed", type=int, default=0, help="another seed, another world")
    add("--format", choices=FORMATS, default="parquet", help="of the shards")
    add(
        "--configs",
        nargs="*",
        default=(),
        help="with --format arrow: configs to write beside multimodal",
    )
    add("--density", type=float, default=0.05, help="share of the grid that is observed")
    add("--error-scale", type=float, default=0.25, help="in background error standard deviations")
    add("--network", choices=("column", "stations"), default="column")
    add("--geography", action="store_true", help="add land, heights, texts and relief pictures")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    add("--fresh", action="store_true", help="delete what stands in --out first")
    args = parser.parse_args(argv)
    if args.workers < 1 or args.seed < 0:
        parser.error("--workers must be at least 1 and --seed at least 0")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Build the data set; the exit code."""
    from dambench_hub.building.builder import build_dataset

    args = parse_args(argv)

    def build() -> None:
        observations = ObservationSettings(args.network, args.density, args.error_scale, args.seed)
        world = World(args.preset, args.seed)
        source = partial(open_world, world, args.workers)
        wanted = plan(world, observations, args.format, tuple(args.configs), args.geography)
        build_dataset(args.out, wanted, source, args.fresh)

    return exit_code(build)


if __name__ == "__main__":
    sys.exit(main())
