"""A tiny synthetic atmosphere, for tests of this package and of other people's methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Fields, Members, Source
from dambench_hub.building.plan import Plan
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import equivalent_of, members_equivalent_of, parse_channels
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable
from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.statistics import Statistics

TYPICAL = {
    "u10": (0.0, 5.0),
    "v10": (0.0, 4.0),
    "t2m": (285.0, 12.0),
    "msl": (101_300.0, 900.0),
    "z": (55_000.0, 2_500.0),
    "q": (3e-3, 2e-3),
    "u": (8.0, 10.0),
    "v": (0.0, 7.0),
    "t": (255.0, 12.0),
}
"""Mean and standard deviation of each variable of the synthetic atmosphere."""


def smooth_field(grid: Grid, scale: float, rng: np.random.Generator) -> np.ndarray:
    """A random field with mean 0 and variance about 1 everywhere, single-valued at the poles.

    A sum of 200 plane waves in R³, seen on the sphere.

    Args:
        grid: Y×X grid.
        scale: Length scale of its Gaussian correlation, in Earth radii (chordal).
        rng: Source of randomness.

    Returns:
        float64, (Y, X).
    """
    waves = rng.standard_normal((200, 3)) / scale
    phases = rng.uniform(0, 2 * np.pi, 200)
    field = np.sqrt(2 / 200) * np.cos(grid.unit_vectors() @ waves.T + phases).sum(axis=1)
    return field.reshape(grid.shape)


class TinyAtmosphere:
    """Smooth fields that correlate between channels and days, with smooth background errors.

    Reference, background error (a fifth of the variability), precipitation, outgoing longwave
    radiation and the background's equivalents of one example depend on (seed, split, index) alone.
    """

    def __init__(self, plan: Plan, seed: int = 0) -> None:
        self.plan = plan
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.mixing = np.eye(len(plan.channels)) + 0.3 * rng.standard_normal(
            (len(plan.channels), len(plan.channels))
        )
        channels = parse_channels(plan.channels)
        self.mean, self.std = np.array([TYPICAL[c.variable.name] for c in channels]).T
        self.gauges = rng.random(plan.grid.shape) < 0.2

    def read(self, split: str, index: int) -> Fields:
        """The fields of one example, as `build_dataset` wants them."""
        rng = np.random.default_rng([self.seed, list(self.plan.times).index(split), index])
        grid = self.plan.grid
        reference = self._mixed(0.5, rng) + self.mean[:, None, None]
        fields = {
            "reference": reference.astype("f4"),
            "background": (reference + 0.2 * self._mixed(0.3, rng)).astype("f4"),
        }
        if self.plan.modalities:
            rain = np.maximum(0, 3 * smooth_field(grid, 0.3, rng))
            clear = 240 + 40 * smooth_field(grid, 0.3, rng)
            olr = clear.copy()
            olr[:, rng.integers(grid.longitudes)] = np.nan
            fields["precipitation"] = np.where(self.gauges, rain, np.nan).astype("f4")
            fields["olr"] = olr.astype("f4")
            errors = [smooth_field(grid, 0.3, rng) for _ in range(2)]
            fields["background_precipitation"] = np.maximum(0, rain + errors[0]).astype("f4")
            fields["background_olr"] = (clear + 10 * errors[1]).astype("f4")
        return fields

    def read_members(self, split: str, index: int) -> Members:
        """The members of one example: its background, with errors as large as its own."""
        rng = np.random.default_rng([self.seed, list(self.plan.times).index(split), index, 1])
        fields, size = self.read(split, index), range(self.plan.ensemble_size)
        errors = np.stack([0.2 * self._mixed(0.3, rng) for _ in size])
        members = {"background_members": (fields["background"] + errors).astype("f4")}
        for name in self.plan.modalities:
            noise = np.stack([smooth_field(self.plan.grid, 0.3, rng) for _ in size])
            equivalents = np.maximum(0, fields[equivalent_of(name)] + noise)
            members[members_equivalent_of(name)] = equivalents.astype("f4")
        return members

    def source(self) -> Source:
        """All that `build_dataset` may ask for; statistics where it cannot take them itself."""
        known = Statistics(self.mean, self.std, 0.2 * self.std)
        return Source(
            self.read,
            read_members=self.read_members,
            read_reports=lambda split: tiny_reports(self.plan.times[split], seed=self.seed),
            statistics=known if self.plan.reference_is_reports else None,
        )

    def _mixed(self, scale: float, rng: np.random.Generator) -> np.ndarray:
        """Smooth fields that correlate between channels, (C, Y, X)."""
        fields = np.stack([smooth_field(self.plan.grid, scale, rng) for _ in self.plan.channels])
        return np.tensordot(self.mixing, fields, axes=1) * self.std[:, None, None]


def tiny_reports(times: np.ndarray, rows: int = 60, seed: int = 0) -> ObservationTable:
    """Temperatures of 20 stations in the 12 h around each time; one in ten is wrong.

    Every fifth station is withheld.

    Args:
        times: Valid times, datetime64.
        rows: How many around each.
        seed: Of everything but the stations' places.
    """
    rng, places = np.random.default_rng([seed, 1]), np.random.default_rng(0)
    latitude, longitude = places.uniform(-80, 80, 20), places.uniform(-180, 180, 20)
    minutes = rng.integers(-6 * 60, 6 * 60, (len(times), rows))
    station = rng.integers(0, 20, minutes.size)
    return ObservationTable.from_columns(
        time=(np.asarray(times, "datetime64[m]")[:, None] + minutes).ravel(),
        latitude=latitude[station],
        longitude=longitude[station],
        elevation=10.0 * station,
        variable="t2m",
        value=rng.normal(285, 10, minutes.size),
        error_std=1.5,
        station=np.char.add("S", station.astype(str)),
        report="synop",
        quality=np.where(rng.random(minutes.size) < 0.1, Quality.BACKGROUND, Quality.GOOD),
        withheld=station % 5 == 0,
    )


def tiny_plan(**changes: Any) -> Plan:
    """A plan for 8, 4 and 5 examples of 5 channels on a 9×16 grid; any field can be changed."""
    days = {"train": ("2001-03-01", 8), "validation": ("2023-03-01", 4), "test": ("2024-02-27", 5)}
    values: dict[str, Any] = {
        "name": "tiny",
        "channels": ("t2m", "msl", "z500", "q700", "t850"),
        "grid": Grid(9, 16),
        "times": {
            split: np.datetime64(start, "h") + 24 * np.arange(count)
            for split, (start, count) in days.items()
        },
        "modalities": ("precipitation", "olr"),
        "observations": ObservationSettings(density=0.1),
        "source": {
            "title": "Tiny synthetic atmosphere",
            "description": "Smooth random fields for tests; no atmosphere looks like this.",
            "licence": "cc0-1.0",
            "attribution": "Made by dambench_hub.testing.",
            "settings": {"seed": 0},
        },
    }
    return Plan(**{**values, **changes})


def write_tiny_dataset(folder: Path, **changes: Any) -> Manifest:
    """Build the tiny data set in `folder`; `changes` are fields of its plan."""
    plan = tiny_plan(**changes)
    seed = plan.source["settings"]["seed"]
    world = TinyAtmosphere(plan, seed)
    return build_dataset(folder, plan, lambda work: world.source())
