"""The circulation as a forecast model: flat states, batches of members, and the adjoint.

What the physics carries from step to step is no part of a state: it starts afresh with each
forecast. Of all it carries one thing matters, the longwave fluxes of the step before. Without them
a first step differs by 0.3 % of a day's change in temperature, which thresholds of the convection
turn into gravity waves: two forecasts of 12 h differ from one of 24 h by 1 % (vorticity), 3 % (t),
6 % (q), 8 % (ln p_s) and 15 % (divergence) of the day's change, as from a change of the state by
10⁻³. `ForecastModel`'s rule "two in a row are one" holds to that.

jax is imported in the functions: call `prepare_jax` before the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from dambench_hub.dynamics.circulation import Circulation
from dambench_hub.dynamics.forecast_model import (
    ForecastModel,
    Means,
    Pullback,
    PullbackWithMeans,
)
from dambench_hub.dynamics.state_vector import UPPER_AIR, StateVector
from dambench_hub.errors import ForecastError

PIECE_HOURS = 6.0
"""Forecasts run in pieces of this length, which the physics does not notice: one compiled program
serves them all, another the pieces' adjoints. A remainder has its own."""


class CirculationModel(ForecastModel):
    """A `Circulation` whose states are vectors, see `StateVector`.

    Gradients are the derivatives of the program, in single precision, and know nothing of the jumps
    that its thresholds make. For a cost of vorticity and steps of 0.03 of weather's standard
    deviation along its gradient in vorticity, central differences agree to 0.3 % at 6 and 24 h; for
    costs of the other variables, where convection switches on or off, to between 1 and 10 %. Steps
    of 0.3 at 24 h are 30 % off, at 6 h 5 %: hence `longest_window_hours`.

    Args:
        circulation: The model and its parameters.
    """

    name: ClassVar[str] = "circulation"
    longest_window_hours = 24.0
    mean_names = ("precipitation", "olr")

    def __init__(self, circulation: Circulation) -> None:
        self.circulation = circulation
        orders, degrees = circulation.model.coords.horizontal.modal_shape
        self.vector = StateVector(len(circulation.reference_temperature), orders, degrees)
        self.state_shape = (self.vector.size,)
        self.step_hours = float(circulation.model.dt_si.m) / 3600

    def advance(
        self, states: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> np.ndarray:
        """As `ForecastModel.advance`; the seasons need `start`."""
        return self.advance_with_means(states, hours, start)[0]

    def advance_with_means(
        self, states: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The states `hours` later, and what fell and shone in the last 24 h of the forecast.

        Args:
            states: (N,) or (M, N).
            hours: Length of the forecast.
            start: Valid time of the states.

        Returns:
            The states, float64, and means over the last 24 h, or over all of a shorter forecast:
            `precipitation`, mm/day, and `olr`, W m⁻², on the model's grid, (columns, rows) after
            the members, NaN for a forecast of 0 h.

        Raises:
            ForecastError: As `ForecastModel.advance`; or when there is no `start`.
        """
        members = self.require_states(states)
        shape = members.shape[:-1]
        lengths = list(self._pieces(hours))
        ends, means = [], []
        # One after the other: jax.vmap takes as long, and compiles anew for each size of a batch.
        for member in members.reshape(-1, self.vector.size):
            run, passed = self._start(member, start), []
            for length in lengths:
                run, mean = self.circulation.advance(run, length / 24)
                passed.append(mean)
            ends.append(self.pack(run.dynamics))
            means.append(self._mean_of_last_day(passed, lengths))
        return np.reshape(ends, (*shape, -1)), {
            name: np.reshape([of[name] for of in means], (*shape, *self._grid))
            for name in self.mean_names
        }

    def linearise(
        self, state: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, Pullback]:
        """As `ForecastModel.linearise`; a pullback costs about four forecasts.

        The pieces of the forecast are kept at their starts and run again backward.
        """
        end, passed, _ = self._forecast(state, hours, start)

        def pullback(sensitivity: np.ndarray) -> np.ndarray:
            gradient = self._sensitivity(end, self.require_states(sensitivity, most_axes=0))
            for run, piece in reversed(passed):
                gradient = self._pull(run, gradient, piece / 24)
            return self._to_start(end, gradient)

        return self.pack(end.dynamics), pullback

    def linearise_with_means(
        self, state: np.ndarray, hours: float, start: np.datetime64 | None = None
    ) -> tuple[np.ndarray, Means, PullbackWithMeans]:
        """As `ForecastModel.linearise_with_means`; means are those of `advance_with_means`.

        Clouds and convection have thresholds: the gradient of a day's misfit in radiation is right
        to within a third over large steps, that in precipitation wrong by a factor of 2 or more
        (`python benchmarks/modality_windows.py --data cycle --only gradients`).
        """
        end, passed, of_pieces = self._forecast(state, hours, start)
        shares = [piece / hours for _, piece in passed]
        means = {
            name: np.average([of[name] for of in of_pieces], axis=0, weights=shares)
            for name in self.mean_names
        }

        def pullback(sensitivity: np.ndarray, of_means: Means) -> np.ndarray:
            gradient = self._sensitivity(end, self.require_states(sensitivity, most_axes=0))
            nothing = np.zeros(self._grid)
            for (run, piece), share in zip(reversed(passed), reversed(shares), strict=True):
                of_piece = {
                    name: np.asarray(share * of_means.get(name, nothing), np.float32)
                    for name in self.mean_names
                }
                gradient = self._pull_with_means(run, gradient, of_piece, piece / 24)
            return self._to_start(end, gradient)

        return self.pack(end.dynamics), means, pullback

    def pack(self, dynamics: Any) -> np.ndarray:
        """The vector of jcm's dynamical state, float64."""
        fields = {name: getattr(dynamics, name, None) for name in UPPER_AIR}
        fields["specific_humidity"] = dynamics.tracers["specific_humidity"]
        fields["log_surface_pressure"] = dynamics.log_surface_pressure
        return self.vector.pack(
            {name: np.asarray(field, np.float64) for name, field in fields.items()}
        )

    def unpack(self, state: np.ndarray) -> Any:
        """The dynamical state of jcm that a vector holds, float32."""
        import jax.numpy as jnp
        from dinosaur.primitive_equations import State

        fields = self.vector.unpack(np.asarray(state, np.float32))
        humidity = {"specific_humidity": fields.pop("specific_humidity")}
        return State(**fields, tracers=humidity, sim_time=jnp.zeros(()))

    def _mean_of_last_day(
        self, means: list[dict[str, np.ndarray]], lengths: list[float]
    ) -> dict[str, np.ndarray]:
        if not means:
            return dict.fromkeys(self.mean_names, np.full(self._grid, np.nan))
        last = round(24 / PIECE_HOURS)
        return {
            name: np.average([of[name] for of in means[-last:]], axis=0, weights=lengths[-last:])
            for name in means[0]
        }

    def _forecast(
        self, state: np.ndarray, hours: float, start: np.datetime64 | None
    ) -> tuple[Any, list[tuple[Any, float]], list[dict[str, np.ndarray]]]:
        """The end of a forecast, its pieces (start, length), and their means."""
        run, passed, means = self._start(self.require_states(state, most_axes=0), start), [], []
        for piece in self._pieces(hours):
            passed.append((run, piece))
            run, of_piece = self.circulation.advance(run, piece / 24)
            means.append(of_piece)
        return run, passed, means

    def _to_start(self, end: Any, gradient: list[Any]) -> np.ndarray:
        """The vector of a gradient, given as the leaves of a run like this one."""
        _, rebuild = floats_of(end)
        return self.pack(rebuild(gradient).dynamics)

    @property
    def _grid(self) -> tuple[int, int]:
        """Columns and rows of the model's own grid."""
        return self.circulation.model.coords.horizontal.nodal_shape

    def _start(self, state: np.ndarray, start: np.datetime64 | None) -> Any:
        """The run that begins from a state."""
        if start is None:
            raise ForecastError(
                f"The model {self.name} has seasons: it needs the valid time of its states; "
                "give start=."
            )
        return self.circulation.at(start.astype("datetime64[s]"), self.unpack(state))

    def _pieces(self, hours: float) -> Iterator[float]:
        """Lengths of the pieces of a forecast, the remainder first."""
        whole, rest = divmod(self.steps(hours), self.steps(PIECE_HOURS))
        if rest:
            yield rest * self.step_hours
        yield from [PIECE_HOURS] * whole

    def _sensitivity(self, run: Any, sensitivity: np.ndarray) -> list[Any]:
        """A sensitivity to the dynamics of a run's end, and none to what its physics carries."""
        import jax
        import jax.numpy as jnp

        nothing = jax.tree.map(jnp.zeros_like, run)
        leaves, _ = floats_of(nothing.replace(dynamics=self.unpack(sensitivity)))
        return leaves

    @cached_property
    def _pull(self) -> Callable[[Any, list[Any], float], list[Any]]:
        """From sensitivities to the end of a piece to those to its start."""
        import jax

        def pull(run: Any, sensitivity: list[Any], days: float) -> list[Any]:
            leaves, rebuild = floats_of(run)
            _, pullback = jax.vjp(
                lambda leaves: floats_of(self.circulation.run(rebuild(leaves), days)[0])[0], leaves
            )
            return pullback(sensitivity)[0]

        return jax.jit(pull, static_argnums=2)

    @cached_property
    def _pull_with_means(self) -> Callable[[Any, list[Any], Means, float], list[Any]]:
        """As `_pull`, from sensitivities to the means over the piece, too."""
        import jax

        def pull(run: Any, sensitivity: list[Any], of_means: Means, days: float) -> list[Any]:
            leaves, rebuild = floats_of(run)

            def forecast(leaves: list[Any]) -> tuple[list[Any], Means]:
                end, means = self.circulation.run(rebuild(leaves), days)
                return floats_of(end)[0], means

            _, pullback = jax.vjp(forecast, leaves)
            return pullback((sensitivity, of_means))[0]

        return jax.jit(pull, static_argnums=3)


def floats_of(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves of a tree that have derivatives, and the tree again from other such leaves."""
    import jax
    import jax.numpy as jnp

    leaves, structure = jax.tree.flatten(tree)
    smooth = [jnp.issubdtype(jnp.result_type(leaf), jnp.inexact) for leaf in leaves]

    def rebuild(floats: list[Any]) -> Any:
        given = iter(floats)
        both = zip(leaves, smooth, strict=True)
        return jax.tree.unflatten(structure, [next(given) if s else leaf for leaf, s in both])

    return [leaf for leaf, s in zip(leaves, smooth, strict=True) if s], rebuild
