"""A world that turns: each day all fields move eastward by one column, and a model that does so."""

import numpy as np

from dambench_hub.building.builder import build_dataset
from dambench_hub.building.examples import Source
from dambench_hub.coordinates.grids import Grid
from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.observations import ObservationSettings
from dambench_hub.testing import smooth_field, tiny_plan

CHANNELS, GRID = ("z500", "u500"), Grid(9, 16)
SCALE = np.array([2500.0, 10.0])[:, None, None]


class Turning(ForecastModel):
    """Turns all fields by one column a day, and damps what differs from the mean of a row.

    Args:
        damping: Of each day; 0 makes the model perfect, a negative one unstable.
    """

    name = "turning"
    state_shape = (len(CHANNELS), *GRID.shape)
    step_hours = 24.0
    longest_window_hours = 48.0

    def __init__(self, damping=0.0):
        self.damping = damping

    def advance(self, states, hours, start=None):
        states = self.require_states(states)
        for _ in range(self.steps(hours)):
            mean = states.mean(axis=-1, keepdims=True)
            states = mean + (1 - self.damping) * (np.roll(states, 1, axis=-1) - mean)
        return states


class TurningWorld:
    """Fields of each split turn day by day; backgrounds have smooth errors."""

    def __init__(self, times):
        self.times = times

    def read(self, split, index):
        split = list(self.times).index(split)
        fixed, daily = np.random.default_rng(split), np.random.default_rng([split, index])
        reference = np.stack([smooth_field(GRID, 0.5, fixed) for _ in CHANNELS])
        error = np.stack([smooth_field(GRID, 0.5, daily) for _ in CHANNELS])
        reference = np.roll(reference, index, axis=-1)
        fields = {"reference": reference, "background": reference + 0.7 * error}
        return {name: (SCALE * field).astype("f4") for name, field in fields.items()}


def build_turning_world(folder):
    """Its data set: 40 training days, 4 of validation, 24 to cycle through."""
    days = {
        "train": ("2022-01-01", 40),
        "validation": ("2023-01-01", 4),
        "test": ("2024-01-01", 24),
    }
    times = {
        split: np.datetime64(start, "h") + 24 * np.arange(count)
        for split, (start, count) in days.items()
    }
    plan = tiny_plan(
        name="turning",
        channels=CHANNELS,
        times=times,
        modalities=(),
        observations=ObservationSettings(density=0.1),
    )
    build_dataset(folder, plan, lambda work: Source(TurningWorld(times).read))
