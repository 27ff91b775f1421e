"""A world that drifts eastward, a differentiable model of it, and observations in a window."""

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.data.batch import Batch
from dambench_hub.dynamics.forecast_model import ForecastModel
from dambench_hub.estimation.best_linear import best_linear_estimate
from dambench_hub.testing import smooth_field

CHANNELS, GRID = ("z500", "u500"), Grid(9, 16)
SCALE = np.array([250.0, 3.0])[:, None, None]
OBSERVATION_ERROR = 0.25 * SCALE[:, 0, 0]
SHAPE = (len(CHANNELS), *GRID.shape)
START = np.datetime64("2022-01-01T00", "h")


class Drifting(ForecastModel):
    """Every 6 h all fields move by one column, and grow by a little that depends on them.

    Args:
        curvature: c of x ↦ x + c σ sin(x / σ); 0 makes the model linear.
        growth: Factor of each step.
        shift: What all fields gain in each step, (C, Y, X) or a number.
    """

    name = "drifting"
    state_shape = SHAPE
    step_hours = 6.0
    longest_window_hours = 48.0

    def __init__(self, curvature=0.0, growth=1.0, shift=0.0):
        self.curvature, self.growth, self.shift = curvature, growth, shift

    def advance(self, states, hours, start=None):
        states = self.require_states(states)
        for _ in range(self.steps(hours)):
            states = self.growth * np.roll(states, 1, axis=-1)
            states = states + self.curvature * SCALE * np.sin(states / SCALE) + self.shift
        return states

    def linearise(self, state, hours, start=None):
        passed = [self.advance(state, self.step_hours * n) for n in range(self.steps(hours))]

        def pullback(sensitivity):
            for before in reversed(passed):
                moved = self.growth * np.roll(before, 1, axis=-1)
                slope = 1 + self.curvature * np.cos(moved / SCALE)
                sensitivity = self.growth * np.roll(slope * sensitivity, -1, axis=-1)
            return sensitivity

        return self.advance(state, hours), pullback


class Shining(Drifting):
    """Drifting, and shining: the mean of exp(z / 4σ) over its steps, of the states after each.

    Args:
        options: Of `Drifting`.
    """

    name = "shining"
    mean_names = ("olr",)

    def advance_with_means(self, states, hours, start=None):
        shone = [
            self._shine(self.advance(states, 6.0 * n)) for n in range(1, self.steps(hours) + 1)
        ]
        return self.advance(states, hours), {"olr": np.mean(shone[-4:], axis=0)}

    def linearise_with_means(self, state, hours, start=None):
        count = self.steps(hours)
        ends = [self.linearise(state, 6.0 * n) for n in range(1, count + 1)]

        def pullback(sensitivity, of_means):
            gradient = ends[-1][1](sensitivity)
            for end, pull in ends:
                of_end = np.zeros_like(state)
                of_end[0] = of_means["olr"] * self._shine(end) / (4 * SCALE[0]) / count
                gradient = gradient + pull(of_end)
            return gradient

        mean = np.mean([self._shine(end) for end, _ in ends], axis=0)
        return ends[-1][0], {"olr": mean}, pullback

    def _shine(self, states):
        return np.exp(states[..., 0, :, :] / (4 * SCALE[0]))


def error(rng):
    """A background error, (C, Y, X)."""
    return SCALE * np.stack([smooth_field(GRID, 0.7, rng) for _ in CHANNELS])


def training(size=30):
    """Batches of a training split."""
    rng = np.random.default_rng(1)
    for day in range(size):
        reference = error(rng)
        background = (reference + error(rng))[None].astype(np.float32)
        batch = observe(reference, 24 * day, 10, rng)
        yield Batch(**{**vars(batch), "background": background, "reference": reference[None]})


def observe(truth, hours, points, rng, noise=1.0):
    """Observations of some random columns of a state, so many hours after START."""
    index = np.sort(rng.choice(GRID.size, points, replace=False))
    values = truth.reshape(len(CHANNELS), -1)[:, index]
    values = values + noise * OBSERVATION_ERROR[:, None] * rng.normal(size=values.shape)
    return Batch(
        channels=CHANNELS,
        grid=GRID,
        time=np.array([START + np.timedelta64(hours, "h")]),
        background=np.full((1, *SHAPE), np.nan, np.float32),
        observation_index=index[None].astype(np.int32),
        observation_values=values[None].astype(np.float32),
        observation_error_std=OBSERVATION_ERROR,
    )


def dense_analysis(model, background, B, Q, batches):
    """The best linear estimate of x_0 … x_L, (L + 1, C, Y, X): the Kalman smoother, if Q is given.

    Of z = (x_0, η_1 … η_L), whose linear functions x_l = M x_{l−1} + η_l are, all as matrices.

    Args:
        model: Linear.
        background: x_0 before the observations, (C, Y, X).
        B: Its covariance in units of SCALE, (N, N).
        Q: That of η_l, or None for a perfect model.
        batches: Observations, one or none at each time; the first time is that of the background.
    """
    hours = [float((batch.time[0] - START) / np.timedelta64(1, "h")) for batch in batches]
    units, size = np.broadcast_to(SCALE, SHAPE).ravel(), background.size
    blocks = len(hours) if Q is not None else 1
    covariance = np.kron(np.eye(blocks), B if Q is None else Q)
    covariance[:size, :size] = B
    x = np.eye(size, blocks * size)
    states = [x]
    for step, length in enumerate(np.diff(hours), 1):
        fields = (units[:, None] * x).T.reshape(-1, *SHAPE)
        moved = [model.advance(field, length).ravel() for field in fields]
        x = np.stack(moved, axis=1) / units[:, None]
        if Q is not None:
            x += np.eye(size, blocks * size, step * size)
        states.append(x)
    rows, values = [], []
    for x, batch in zip(states, batches, strict=True):
        index = batch.observation_index[0] + GRID.size * np.arange(len(CHANNELS))[:, None]
        precision = (units[index] / OBSERVATION_ERROR[:, None]).ravel()
        rows.append(precision[:, None] * x[index.ravel()])
        values.append((batch.observation_values[0] / OBSERVATION_ERROR[:, None]).ravel())
    mean = np.concatenate([background.ravel() / units, np.zeros((blocks - 1) * size)])
    H, y = np.concatenate(rows), np.concatenate(values)
    estimate = best_linear_estimate(covariance, H, np.eye(len(y)))(mean, y)
    return np.stack([(units * (x @ estimate)).reshape(SHAPE) for x in states])


def dense(covariance):
    """B in units of SCALE, (N, N)."""
    units = np.broadcast_to(SCALE, SHAPE).ravel()
    columns = covariance(np.diag(1 / units).reshape(-1, *SHAPE))
    return columns.reshape(len(units), -1) / units
