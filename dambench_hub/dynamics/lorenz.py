"""`Lorenz63` and `Lorenz96`: chaos small enough to test every method on, with exact adjoints.

One unit of their time t is 120 h: Lorenz's five days for Lorenz-96, whose errors then double in 2.1
days as the atmosphere's do; Lorenz-63 has no clock of its own and takes the same. So a time step of
0.05 is 6 h, one of 0.01 is 1.2 h.

References:
    Lorenz (1963), J. Atmos. Sci. 20, 130-141; Lorenz (1996), Predictability: a problem partly
    solved, ECMWF Seminar on Predictability 1, 1-18.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from dambench_hub.dynamics.forecast_model import ForecastModel, Pullback
from dambench_hub.errors import ForecastError

HOURS_PER_TIME_UNIT = 120.0

DOUBLINGS_PER_WINDOW = 10
"""Over the longest window small errors grow by 2¹⁰: the best background there is (an error of 0.2
where weather has 3.6) has grown beyond the weather's own size in half of it, and the rest shows
nothing but further minima of the cost."""


class RungeKuttaModel(ForecastModel):
    """dx/dt = f(x), by classical fourth-order Runge-Kutta steps Δt.

    Attributes:
        doubling_time: Of small errors, ln 2 / λ with the leading Lyapunov exponent λ of the
            standard parameters; in units of the model's time.
    """

    doubling_time: float

    def __init__(self, state_shape: tuple[int, ...], time_step: float) -> None:
        if not 0 < time_step < np.inf:
            raise ForecastError(f"A time step must be positive, got {time_step:g}.")
        self.state_shape = state_shape
        self.time_step = time_step
        self.step_hours = HOURS_PER_TIME_UNIT * time_step
        self.longest_window_hours = DOUBLINGS_PER_WINDOW * HOURS_PER_TIME_UNIT * self.doubling_time

    @abstractmethod
    def tendency(self, x: np.ndarray) -> np.ndarray:
        """f(x), (*, *state_shape)."""

    @abstractmethod
    def tendency_adjoint(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """f'(x)ᵀ v, (*, *state_shape)."""

    def advance(
        self, states: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> np.ndarray:
        """As `ForecastModel.advance`."""
        x = self.require_states(states)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self.steps(hours)):
                x, _ = self._step(x)
        return x

    def linearise(
        self, state: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, Pullback]:
        """As `ForecastModel.linearise`; the adjoint is that of the steps, exact to rounding."""
        x = self.require_states(state, most_axes=0)
        stages = []
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self.steps(hours)):
                x, stage = self._step(x)
                stages.append(stage)

        def pullback(v: np.ndarray) -> np.ndarray:
            for stage in reversed(stages):
                v = self._step_adjoint(stage, v)
            return v

        return x, pullback

    def _step(self, x: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """x(t + Δt), and the four states where f was asked for."""
        f, dt = self.tendency, self.time_step
        k1 = f(x)
        x2 = x + dt / 2 * k1
        k2 = f(x2)
        x3 = x + dt / 2 * k2
        k3 = f(x3)
        x4 = x + dt * k3
        k4 = f(x4)
        return x + dt / 6 * (k1 + 2 * (k2 + k3) + k4), (x, x2, x3, x4)

    def _step_adjoint(self, stage: tuple[np.ndarray, ...], v: np.ndarray) -> np.ndarray:
        """Mᵀ v of one step: its lines transposed, last one first."""
        f, dt = self.tendency_adjoint, self.time_step
        x1, x2, x3, x4 = stage
        u4 = f(x4, dt / 6 * v)
        u3 = f(x3, dt / 3 * v + dt * u4)
        u2 = f(x2, dt / 3 * v + dt / 2 * u3)
        u1 = f(x1, dt / 6 * v + dt / 2 * u2)
        return v + u1 + u2 + u3 + u4


class Lorenz63(RungeKuttaModel):
    """dx/dt = σ(y − x), dy/dt = ρx − y − xz, dz/dt = xy − βz with σ = 10, ρ = 28, β = 8/3.

    States are (x, y, z). The leading Lyapunov exponent is 0.906.

    Args:
        time_step: Δt in units of the model's time, 120 h.
    """

    name = "lorenz63"
    doubling_time = 0.77
    SIGMA, RHO, BETA = 10.0, 28.0, 8 / 3

    def __init__(self, *, time_step: float = 0.01) -> None:
        super().__init__((3,), time_step)

    def tendency(self, x: np.ndarray) -> np.ndarray:
        """f(x), (*, 3)."""
        x, y, z = np.moveaxis(x, -1, 0)
        return np.stack(
            [self.SIGMA * (y - x), self.RHO * x - y - x * z, x * y - self.BETA * z], axis=-1
        )

    def tendency_adjoint(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """f'(x)ᵀ v, (*, 3)."""
        x, y, z = np.moveaxis(x, -1, 0)
        a, b, c = np.moveaxis(v, -1, 0)
        return np.stack(
            [(self.RHO - z) * b - self.SIGMA * a + y * c, self.SIGMA * a - b + x * c]
            + [-x * b - self.BETA * c],
            axis=-1,
        )


class Lorenz96(RungeKuttaModel):
    """dx_i/dt = (x_{i+1} − x_{i−2}) x_{i−1} − x_i + F, on a circle of `size` sites.

    With 40 sites and F = 8 the leading Lyapunov exponent is 1.67: errors double in 2.1 days.

    Args:
        size: Number of sites, at least 4.
        forcing: F.
        time_step: Δt in units of the model's time, 120 h.
    """

    name = "lorenz96"
    doubling_time = 0.42

    def __init__(self, *, size: int = 40, forcing: float = 8.0, time_step: float = 0.05) -> None:
        if size < 4:
            raise ForecastError(f"Lorenz-96 needs at least 4 sites, got {size}.")
        super().__init__((size,), time_step)
        self.forcing = forcing

    def tendency(self, x: np.ndarray) -> np.ndarray:
        """f(x), (*, size)."""
        p = _wrapped(x)
        return (p[..., 3:-1] - p[..., :-4]) * p[..., 1:-3] - x + self.forcing

    def tendency_adjoint(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """f'(x)ᵀ v: v_{i−1} x_{i−2} + v_{i+1} (x_{i+2} − x_{i−1}) − v_{i+2} x_{i+1} − v_i."""
        p, q = _wrapped(x), _wrapped(v)
        return (
            q[..., 1:-3] * p[..., :-4]
            + q[..., 3:-1] * (p[..., 4:] - p[..., 1:-3])
            - q[..., 4:] * p[..., 3:-1]
            - v
        )


def _wrapped(x: np.ndarray) -> np.ndarray:
    """The circle with two more sites at either end: x_{i+k} is [..., 2 + k : size + 2 + k]."""
    return np.concatenate([x[..., -2:], x, x[..., :2]], axis=-1)
