"""What observers see of the circulation model's states: the 69 channels, and their linearisation.

The channels are those of the data set, by the same code (`PostProcessor`, here on arrays of jax),
but for t2m. The data set has it from the model's last step of physics, which is up to a step before
the valid time; a state alone knows no such thing, so it is diagnosed from the state as that physics
does it, from the two lowest levels.

jax is imported in the functions: call `prepare_jax` before the first of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.dynamics.circulation import Circulation
from dambench_hub.dynamics.circulation_model import CirculationModel
from dambench_hub.dynamics.forecast_model import Pullback
from dambench_hub.dynamics.model_view import LinearIncrement, ModelView
from dambench_hub.dynamics.postprocessing import post_processor
from dambench_hub.dynamics.state_increments import StateIncrements
from dambench_hub.errors import ForecastError

SPIN_UP_DAYS = 30
"""After ten days eddies are full grown, after twenty moisture and rain are steady."""


class CirculationView(ModelView):
    """Sees the states of a model on a grid with poles and on pressure levels.

    Args:
        model: The model.
        grid: Y×X grid of the channels.
    """

    model: CirculationModel

    def __init__(self, model: CirculationModel, grid: Grid) -> None:
        self.model, self.channels, self.grid = model, STANDARD_CHANNELS, grid
        self.post_processor = post_processor(model.circulation.geography(), grid)

    def see(self, states: np.ndarray) -> np.ndarray:
        """The 69 standard channels of (N,) or (M, N) states, float32, (C, Y, X) or (M, C, Y, X)."""
        states = self.model.require_states(states).astype(np.float32)
        members = states.reshape(-1, states.shape[-1])
        seen = np.stack([np.asarray(self._see(member)) for member in members])
        return seen.reshape(*states.shape[:-1], *seen.shape[1:])

    def linearise(self, state: np.ndarray) -> tuple[np.ndarray, Pullback]:
        """The channels of one state, and the adjoint of their linearisation, (C, Y, X) to (N,).

        Where humidity is clipped at 0, nothing depends on it.
        """
        point = self.model.require_states(state, most_axes=0).astype(np.float32)

        def pullback(sensitivity: np.ndarray) -> np.ndarray:
            return np.asarray(self._pull(point, np.asarray(sensitivity, np.float32)), np.float64)

        return np.asarray(self._see(point)), pullback

    def add(self, states: np.ndarray, increments: np.ndarray) -> np.ndarray:
        """As `ModelView.add`, see `StateIncrements`.

        Raises:
            ForecastError: When the increments do not belong to the states, or are not finite.
        """
        states = self.model.require_states(states)
        increments = self.require_increments(states, increments)
        if not np.isfinite(increments).all():
            raise ForecastError(
                "Increments to a state must be finite, and some are not: the analysis diverged."
            )
        shape = (-1, len(self.channels), *self.grid.shape)
        both = zip(states.reshape(-1, states.shape[-1]), increments.reshape(shape), strict=True)
        return np.reshape([self._increments.add(*one) for one in both], states.shape)

    def linear_increments(self, state: np.ndarray) -> tuple[LinearIncrement, Pullback]:
        """As `ModelView.linear_increments`, but for humidity not the derivative of `add`.

        Humidity may fall below zero, and what the channels ask of it is analysed once, as if all of
        a ringing series were seen. The derivative's one repeated correction would hold for small
        increments only: those of analyses go astray with it where it is dry.
        """
        inversion = self._increments.columns(self.model.require_states(state, most_axes=0))
        shape = (len(self.channels), *self.grid.shape)

        def forward(increment: np.ndarray) -> np.ndarray:
            of_columns = inversion(np.reshape(increment, (len(self.channels), -1)))
            return self._increments.to_state(of_columns)

        def adjoint(sensitivity: np.ndarray) -> np.ndarray:
            of_columns = self._increments.to_state_adjoint(sensitivity)
            return inversion.adjoint(of_columns).reshape(shape)

        return forward, adjoint

    def guess(self, time: np.datetime64, seed: int) -> np.ndarray:
        """A state with weather, grown from rest in `SPIN_UP_DAYS`."""
        circulation, begin = self.model.circulation, time - np.timedelta64(SPIN_UP_DAYS, "D")
        rest = circulation.start(begin, np.random.default_rng(seed)).dynamics
        return self.model.advance(self.model.pack(rest), 24 * SPIN_UP_DAYS, begin)

    def regrid(self, mean: np.ndarray) -> np.ndarray:
        """As `PostProcessor.regrid`."""
        return self.post_processor.regrid(mean)

    def regrid_adjoint(self, sensitivity: np.ndarray) -> np.ndarray:
        """As `PostProcessor.regrid_adjoint`."""
        return self.post_processor.regrid_adjoint(sensitivity)

    def fields(self, vector: Any) -> dict[str, Any]:
        """What `PostProcessor.channels` needs, from a vector of numpy or jax."""
        fields = self.model.vector.unpack(vector)
        temperature = fields["temperature_variation"] + self._reference
        return {
            "vorticity": fields["vorticity"],
            "divergence": fields["divergence"],
            "t": temperature,
            "q": fields["specific_humidity"],
            "log_pressure": fields["log_surface_pressure"],
            "t2m": self._near_surface_temperature(temperature[-2:]),
        }

    def _near_surface_temperature(self, coefficients: Any) -> Any:
        """T at the surface on the model's grid, K, from those of the two lowest levels.

        With σ_K the lowest level and T_(K−1) at σ = 0.835, an unstable lowest layer's lapse rate is
        continued to σ = 0.99 and, over sea, from the smooth orography Φ_s down to sea level:

            T_2m = T_K + δ (1 − (1 − land) Φ_s / (R · 288 K · ln σ_K)),
            δ = (ln 0.99 − ln σ_K) / (ln σ_K − ln 0.835) · max(T_K − T_(K−1), 0)

        References:
            Kucharski et al. (2013), Bull. Amer. Meteor. Soc. 94, 25-29: SPEEDY's surface fluxes.
        """
        import jax.numpy as jnp
        from jcm import constants

        terrain = self.model.circulation.model.terrain
        above, lowest = self.model.circulation.model.coords.horizontal.to_nodal(coefficients)
        log_sigma = math.log(self.post_processor.sigma[-1])
        ratio = (math.log(0.99) - log_sigma) / (log_sigma - math.log(0.835))
        down = terrain.orog * constants.grav / (constants.rd * 288.0 * log_sigma)
        return lowest + ratio * jnp.maximum(lowest - above, 0) * (1 - (1 - terrain.fmask) * down)

    @cached_property
    def _increments(self) -> StateIncrements:
        return StateIncrements(
            vector=self.model.vector,
            grid=self.grid,
            sigma=self.post_processor.sigma,
            reference_temperature=self._reference,
            orography=self.post_processor.orography,
            near_surface_wind=self.post_processor.near_surface_wind,
        )

    @cached_property
    def _reference(self) -> np.ndarray:
        """Coefficients of the reference temperature, float32, (K, orders, degrees)."""
        vector = self.model.vector
        reference = np.zeros((vector.levels, vector.orders, vector.degrees), np.float32)
        # The harmonic of degree and order 0 is the constant 1 / √4π.
        profile = self.model.circulation.reference_temperature
        reference[:, 0, 0] = np.float64(profile) * math.sqrt(4 * math.pi)
        return reference

    @cached_property
    def _see(self) -> Callable[[Any], Any]:
        import jax

        return jax.jit(lambda vector: self.post_processor.channels(self.fields(vector)))

    @cached_property
    def _pull(self) -> Callable[[Any, Any], Any]:
        import jax

        return jax.jit(lambda vector, v: jax.vjp(self._see, vector)[1](v)[0])


def circulation_view(settings: Mapping[str, Any], grid: Grid) -> CirculationView:
    """The forecast model of a twin experiment, seen in its channels.

    Args:
        settings: `settings` of the data set's `source`, in its manifest.
        grid: Of the data set.

    Raises:
        ForecastError: When no circulation model made the data set.
    """
    try:
        truncation, step_minutes = settings["forecast"]
        changes = settings["forecast_parameters"]
    except (KeyError, TypeError, ValueError) as error:
        raise ForecastError(
            "This data set was not made by a circulation model, so there is none to cycle with. "
            "Use an emulator that was trained from it."
        ) from error
    return CirculationView(CirculationModel(Circulation(truncation, step_minutes, changes)), grid)
