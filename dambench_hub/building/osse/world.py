"""What a twin experiment simulates: how large it is, on which days, and with which draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch

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


PRESETS = {  # `cycling` is the year of `mini`, with days that follow one another
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
    "cycling": Preset(
        "33x64",
        nature=(21, 72),
        forecast=(21, 60),
        splits={
            "train": Days("2022-01-02", 359, 1),
            "validation": Days("2023-01-02", 30, 12),
            "test": Days("2024-01-02", 60, 1),
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


def analysis_error(world: World, day: np.datetime64, past: list[Any]) -> Any:
    """What is wrong with the analysis of the day before `day`: ± α (x(−a) − x(−a−5 days)).

    Two states of the same season differ by weather, so the error has the structures of weather, but
    not of today's. The age a, 2 to 5 days, and the sign are drawn for each day.
    """
    rng = world.rng(ANALYSIS, int(hours_since_epoch(day)))
    age, sign = rng.integers(2, 6), rng.choice([-1.0, 1.0])
    return sign * world.preset.analysis_error * (past[-age] - past[-age - 5])
