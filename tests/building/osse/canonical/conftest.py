"""A small simulated world: red spectra for weather, and what a canonical world makes of it."""

import numpy as np
import pytest

from dambench_hub.building.osse.canonical import index
from dambench_hub.building.osse.canonical.packing import Simulated, pack_world
from dambench_hub.building.osse.world import Days
from dambench_hub.coordinates.grids import Grid

GRID = Grid(17, 32)
LEVELS, ORDERS, DEGREES, MEMBERS = 4, 21, 11, 3
SPLITS = {
    "train": Days("2022-01-02", 8, 2),
    "validation": Days("2023-01-02", 3, 12),
    "test": Days("2024-01-02", 4, 3),
}
TINY = {
    split: Days(days.first, count, days.every)
    for (split, days), count in zip(SPLITS.items(), (4, 2, 2), strict=True)
}
DAILY = {**SPLITS, "test": Days("2024-01-02", 5, 1)}
"""Days of the preset `cycle`: two of them are days of `mini`, too."""

SIZES = {"vorticity": 1e-5, "divergence": 1e-6, "t": 3.0, "q": 3e-4, "log_pressure": 0.01}


class RedSpectra:
    """As `archive.States`; a day's weather is keyed by the day, whoever asks."""

    def __init__(self, days):
        self.days = {split: of.times for split, of in days.items()}
        degree = np.arange(DEGREES)
        order = (np.arange(1, ORDERS + 1) // 2)[:, None]
        self.spectrum = (degree >= order) / (1 + degree) ** 1.5
        self.geography = {"land": np.ones((16, 8))}
        for owner in ("reference", "background"):
            self.geography |= {
                f"{owner}/latitude": np.linspace(-80, 80, 8),
                f"{owner}/sigma": np.array([0.1, 0.4, 0.7, 0.95]),
                f"{owner}/surface_height": np.zeros((ORDERS, DEGREES)),
                f"{owner}/near_surface_wind": np.array(0.95),
            }

    def fields(self, split, index):
        reference = self.weather(split, index, 0, 1.0)
        background = self.sum(reference, self.weather(split, index, 1, 0.2))
        return {f"reference/{n}": self.full(n, f) for n, f in reference.items()} | {
            f"background/{n}": self.full(n, f) for n, f in background.items()
        }

    def members(self, split, index):
        reference = self.weather(split, index, 0, 1.0)
        background = self.sum(reference, self.weather(split, index, 1, 0.2))
        each = [
            self.sum(background, self.weather(split, index, 2 + m, 0.2)) for m in range(MEMBERS)
        ]
        return {
            f"members/{n}": np.stack([self.full(n, member[n]) for member in each])
            for n in background
        }

    def weather(self, split, index, purpose, size):
        rng = np.random.default_rng([int(self.days[split][index].astype(int)), purpose])
        found = {}
        for name, scale in SIZES.items():
            levels = 1 if name == "log_pressure" else LEVELS
            noise = rng.standard_normal((levels, ORDERS, DEGREES))
            found[name] = size * scale * self.spectrum * noise
        found["vorticity"][:, 0, 0] = found["divergence"][:, 0, 0] = 0
        for name, scale in {"t2m": 5.0, "precipitation": 2.0, "olr": 20.0}.items():
            found[name] = size * scale * rng.standard_normal((16, 8))
        return found

    @staticmethod
    def sum(one, other):
        return {name: one[name] + other[name] for name in one}

    @staticmethod
    def full(name, field):
        """The field with its mean, as float32, and no rain less than none."""
        mean = {"t2m": 280.0, "olr": 240.0}.get(name, 0.0)
        field = np.maximum(field, 0) if name == "precipitation" else field + mean
        if name in ("t", "q"):
            field[..., 0, 0] += np.sqrt(4 * np.pi) * (250 if name == "t" else 4e-3)
        return field.astype(np.float32)


@pytest.fixture(scope="session")
def simulated():
    return Simulated(
        seed=0,
        grid=GRID,
        states={"mini": RedSpectra(SPLITS), "cycle": RedSpectra(DAILY)},
        presets={"tiny": TINY, "mini": SPLITS, "cycle": DAILY},
        ensemble_splits=("validation", "test"),
        settings={"nature": "red spectra"},
        versions={"jcm": "3.0.0"},
    )


@pytest.fixture(scope="session")
def shipped(simulated, tmp_path_factory):
    """The index of the packed world."""
    folder = tmp_path_factory.mktemp("shipped") / "toy"
    return pack_world(simulated, folder)


@pytest.fixture
def installed(shipped, monkeypatch):
    """The packed world as if it came with the package."""
    monkeypatch.setattr(index, "FOLDER", shipped.folder.parent)
    return shipped


@pytest.fixture
def simulate_red_spectra(monkeypatch):
    """Red spectra as what the model simulates; gives the worlds that it was run for."""
    worlds = []
    dataset = "dambench_hub.building.osse.dataset"
    monkeypatch.setattr(f"{dataset}.simulate", lambda world, folder, workers: worlds.append(world))
    monkeypatch.setattr(
        f"{dataset}.SegmentStates", lambda world, folder: RedSpectra(world.preset.splits)
    )
    monkeypatch.setattr(f"{dataset}.version", lambda package: "3.0.0")
    return worlds
