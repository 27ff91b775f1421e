"""What a twin experiment simulates: how large it is, on which days, and with which draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dambench_hub.errors import BuildError, did_you_mean

IMPERFECTIONS = {
    "convection.trcnv": 8.0,  # hours; nature 6
    "convection.entmax": 0.425,  # nature 0.5
    "convection.smf": 0.7,  # nature 0.8
    "condensation.trlsc": 5.5,  # hours; nature 4
    "condensation.rhlsc": 0.875,  # nature 0.9
    "vertical_diffusion.trshc": 8.0,  # hours; nature 6
    "vertical_diffusion.trvdi": 32.0,  # hours; nature 24
    "surface_flux.cdl": 2.9e-3,  # nature 2.4e-3
    "surface_flux.cds": 1.2e-3,  # nature 1.0e-3
    "surface_flux.chs": 1.05e-3,  # nature 0.9e-3
}
"""SPEEDY parameters of the forecast model where they differ from the nature run's."""

NATURE, _, GAUGES, PRECIPITATION, OLR, NETWORK, SOUNDINGS = range(7)
"""Purposes of random draws: each has its own streams, keyed by [seed, purpose, hours]."""


@dataclass(frozen=True)
class Days:
    """The valid times of one split, 00 UTC: `count` of them from `first` on, `every` days.

    Attributes:
        also: Further days of the same run, which need not be a split's.
    """

    first: str
    count: int
    every: int
    also: Days | None = None

    @property
    def times(self) -> np.ndarray:
        """datetime64[D], (count,), ascending; more with `also`."""
        own = np.datetime64(self.first, "D") + self.every * np.arange(self.count)
        return np.union1d(own, self.also.times) if self.also else own


@dataclass(frozen=True)
class Preset:
    """One size of the world.

    Attributes:
        grid: Of the data set, Y×X.
        nature: Truncation and time step (minutes) of the nature run.
        forecast: The same of the forecast model.
        splits: Days of each split; each is a nature run of its own.
        members: M, of the cycled ensemble.
        spinup_days: Of the nature run, from a zonally symmetric atmosphere, before the ensemble
            begins.
        cycle_days: Cycles of the ensemble before the first valid time.
        segment_days: What is simulated, stored and resumed in one piece.
    """

    grid: str
    nature: tuple[int, int]
    forecast: tuple[int, int]
    splits: dict[str, Days]
    members: int = 20
    spinup_days: int = 30
    cycle_days: int = 30
    segment_days: int = 20


SIXTY_DAYS = Days("2024-01-02", 60, 1)
MINI = Preset(
    "33x64",
    nature=(21, 72),
    forecast=(21, 60),
    splits={
        "train": Days("2022-01-02", 180, 2),
        "validation": Days("2023-01-02", 30, 12),
        "test": Days("2024-01-02", 120, 3),
    },
)

PRESETS = {
    "tiny": replace(
        MINI,
        splits={
            "train": Days("2022-01-02", 8, 2),
            "validation": Days("2023-01-02", 4, 12),
            "test": Days("2024-01-02", 4, 3),
        },
        members=5,
        spinup_days=15,
        cycle_days=5,
        segment_days=12,
    ),
    "mini": MINI,
    "cycle": replace(MINI, splits=MINI.splits | {"test": SIXTY_DAYS}),
    "t31": replace(
        MINI,
        grid="61x120",
        nature=(31, 30),
        splits={
            "train": Days("2021-01-02", 360, 2),
            "validation": Days("2023-01-02", 60, 6),
            "test": Days("2024-01-02", 120, 3),
        },
    ),
}
"""What can be built; `cycle` is `mini` with test days that follow one another."""

RENAMED = {"cycling": "cycle"}
"""Presets that had another name in earlier versions."""

CANONICAL = replace(
    MINI, splits=MINI.splits | {"test": replace(MINI.splits["test"], also=SIXTY_DAYS)}
)
"""Of the world that comes with the package: `mini` and `cycle` in one."""

FIRST_YEAR = 2000
"""Of training days."""

MEMBERS_IN = ("validation", "test")
"""Splits whose members are kept."""

FEWEST, MOST = 0.1, 4.0
"""Of `World.soundings`: fewer hold no ensemble, and for more there is no room."""


@dataclass(frozen=True)
class World:
    """A preset and a seed, with everything that follows from them.

    Attributes:
        name: Of the preset, or `canonical`.
        seed: Another one, another world.
        more_days: If not 0, the world is made of further training days instead: its splits are
            `train-2021`, `train-2020`, … of as many days each as the preset's training split, the
            last of what is left.
        soundings: How many times as many stations the cycled ensemble lives on as in the canonical
            world; another number, another world. Of two, the smaller one's are among the larger's.

    Raises:
        BuildError: When there is no such preset, there are not so many years, or `soundings` is not
            from `FEWEST` to `MOST`.
    """

    name: str
    seed: int
    more_days: int = 0
    soundings: float = 1.0

    def __post_init__(self) -> None:
        if self.name in RENAMED:
            raise BuildError(f"The preset {self.name} is called {RENAMED[self.name]} now.")
        if self.name not in (*PRESETS, "canonical"):
            advice = did_you_mean(self.name, PRESETS)
            raise BuildError(f"There is no preset {self.name!r}. {advice}")
        if not 0 <= self.more_days <= self.most_more_days:
            raise BuildError(
                f"There can be up to {self.most_more_days} more training days, of the years from "
                f"{FIRST_YEAR} on, not {self.more_days}."
            )
        if not FEWEST <= self.soundings <= MOST:
            raise BuildError(
                f"There can be from {FEWEST:g} to {MOST:g} times as many soundings as usual, not "
                f"{self.soundings:g} times."
            )

    @property
    def most_more_days(self) -> int:
        """How many further training days the years from `FIRST_YEAR` on have."""
        days = (CANONICAL if self.name == "canonical" else PRESETS[self.name]).splits["train"]
        return (int(days.first[:4]) - FIRST_YEAR) * days.count

    @property
    def preset(self) -> Preset:
        """Its settings."""
        preset = CANONICAL if self.name == "canonical" else PRESETS[self.name]
        if not self.more_days:
            return preset
        days, left, splits = preset.splits["train"], self.more_days, {}
        first = np.datetime64(days.first, "D").item()
        while left > 0:
            first = first.replace(year=first.year - 1)
            splits[f"train-{first.year}"] = replace(
                days, first=first.isoformat(), count=min(left, days.count)
            )
            left -= days.count
        return replace(preset, splits=splits)

    def rng(self, purpose: int, hours: int = 0) -> np.random.Generator:
        """The generator of one purpose at one time."""
        return np.random.default_rng([self.seed, purpose, hours])

    def segments(self, split: str) -> list[np.ndarray]:
        """The days of a split in pieces, spin-up first; a day names the 00 UTC at its end."""
        preset = self.preset
        times = preset.splits[split].times
        before = preset.spinup_days + preset.cycle_days
        days = np.arange(times[0] - before + 1, times[-1] + 1)
        return np.array_split(days, math.ceil(len(days) / preset.segment_days))

    def cycle_begins(self, split: str) -> np.datetime64:
        """The first day whose 00 UTC is analysed by the ensemble."""
        preset = self.preset
        return preset.splits[split].times[0] - preset.cycle_days + 1
