"""A small synthetic atmosphere for learned methods: 19 channels on 32×64, and tensors of it."""

import numpy as np
import pytest

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import MODALITIES, equivalent_of
from dambench_hub.data.batch import Batch
from dambench_hub.observations import ObservationSettings, draw_observations
from dambench_hub.storage.statistics import Statistics
from dambench_hub.testing import TinyAtmosphere, tiny_plan

CHANNELS = ("u10", "v10", "t2m", "msl") + tuple(
    f"{variable}{level}" for variable in "zquvt" for level in (250, 500, 850)
)


class World:
    """Batches of a synthetic atmosphere whose background errors are large and smooth.

    `batch(size, first)` has samples `first` … `first + size − 1`, with their reference.
    """

    def __init__(self, channels=CHANNELS, grid=None, density=0.1):
        self.channels, self.grid = channels, grid or Grid(32, 64)
        self.atmosphere = TinyAtmosphere(tiny_plan(channels=channels, grid=self.grid))
        self.settings = ObservationSettings(density=density)
        self.fields = {}
        reference = np.stack([self.sample(n)["reference"] for n in range(8)]).astype("f8")
        background = np.stack([self.sample(n)["background"] for n in range(8)]).astype("f8")
        axes = (0, 2, 3)
        self.statistics = Statistics(
            mean=reference.mean(axes),
            std=reference.std(axes),
            background_error_std=(background - reference).std(axes),
        )

    def sample(self, number):
        if number not in self.fields:
            self.fields[number] = self.atmosphere.read("train", number)
        return self.fields[number]

    def batch(self, size=2, first=0, density=None, redraw=None, **changes):
        """`density` 0 means no observations at all."""
        samples = [self.sample(n) for n in range(first, first + size)]
        time = np.datetime64("2001-01-01", "h") + 24 * np.arange(first, first + size)
        error_std = 0.25 * self.statistics.background_error_std
        settings = self.settings if not density else ObservationSettings(density=density)
        drawn = [
            draw_observations(settings, self.grid, s["reference"], error_std, t, redraw)
            for s, t in zip(samples, time, strict=True)
        ]
        index = np.stack([index for index, _ in drawn]).astype(np.int32)
        values = np.stack([values for _, values in drawn]).astype("f4")
        if density == 0:
            index, values = index[:, :0], values[..., :0]
        fields = {
            "channels": self.channels,
            "grid": self.grid,
            "time": time,
            "background": np.stack([s["background"] for s in samples]),
            "reference": np.stack([s["reference"] for s in samples]),
            "observation_index": index,
            "observation_values": values,
            "observation_error_std": error_std,
            "modalities": {name: np.stack([s[name] for s in samples]) for name in MODALITIES},
            "background_modalities": {
                name: np.stack([s[equivalent_of(name)] for s in samples]) for name in MODALITIES
            },
        }
        return Batch(**{**fields, **changes})


@pytest.fixture(scope="session")
def world():
    return World()


@pytest.fixture(scope="session")
def small_world():
    """5 channels, one variable with two levels, on a 9×16 grid: for what needs no resolution."""
    return World(("t2m", "msl", "z500", "z850", "t850"), Grid(9, 16))
