"""A method in its own forecasts: what an operational centre does every day.

    x^b(t_k) = M x^a(t_{k−1})
    x^a(t_k) = x^b(t_k) + G(x^b(t_k), δ),   δ = analysis − what is seen of x^b(t_k)

The method analyses fields on the grid of its data; a `ModelView` sees them in the model's states,
and brings increments δ back. A method that has a window analyses the states themselves. Where
modalities are observed, their equivalents are the means of the forecast that made x^b.

An ensemble of M states cycles M times. A method that works on an ensemble gets it as the batch's
`background_members`. Any other analyses each member for itself, with observations perturbed as
their errors are: an ensemble of data assimilations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.data.batch import Batch, as_numpy
from dambench_hub.dynamics.model_view import ModelView
from dambench_hub.estimation.perturbed_observations import observation_perturbations
from dambench_hub.models.base import Assimilator

PERTURBATIONS = 2
"""Purpose of the draws of a cycle, in their key [seed, hours, purpose]."""


@runtime_checkable
class WindowAssimilator(Protocol):
    """A method that analyses a model's states over a window, as 4D-Var does."""

    def analyse_states(
        self, state: np.ndarray, start: np.datetime64, batches: list[Batch]
    ) -> np.ndarray:
        """The state at the time of the last batch, (*state_shape).

        Args:
            state: Background at the window's start, (*state_shape).
            start: Its valid time.
            batches: Observations, one sample each, at times of the window.
        """


class Cycle:
    """Analyses of the states of a model.

    Args:
        view: Of the model.
        method: Of assimilation, ready to assimilate.
        generator: Source of randomness of methods that ask for one.
        seed: Of perturbed observations; valid times are the other part of their key.
    """

    def __init__(
        self, view: ModelView, method: Assimilator, generator: Any = None, seed: int = 0
    ) -> None:
        self.view, self.method, self.generator, self.seed = view, method, generator, seed

    def analyse(
        self,
        states: np.ndarray,
        batch: Batch,
        before: tuple[np.ndarray, np.datetime64] | None = None,
        equivalents: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """The states of an analysis.

        For every method they are what the cycle knows: of an analysis in fields, the model may not
        hold all.

        Args:
            states: x^b, (M, *state_shape).
            batch: Observations at their valid time, one sample; its background is not used.
            before: The analysed states that x^b are forecasts of and their valid time, where a
                window begins; None at the beginning of a cycle, where a method with a window lets
                the states be.
            equivalents: What the forecasts of x^b say of modalities, by name, (M, Y, X); one that
                is not there is not known.

        Returns:
            x^a, (M, *state_shape).
        """
        if isinstance(self.method, WindowAssimilator):
            return states if before is None else self._in_window(*before, batch)
        seen = self.view.see(states)
        missing = np.full((len(seen), *self.view.grid.shape), np.nan, np.float32)
        modalities = {name: (equivalents or {}).get(name, missing) for name in batch.modalities}
        return self.view.add(states, self._of_fields(seen, modalities, batch) - seen)

    def _of_fields(
        self, seen: np.ndarray, modalities: Mapping[str, np.ndarray], batch: Batch
    ) -> np.ndarray:
        """Analyses of the members' fields, (M, C, Y, X)."""
        if len(seen) == 1 or not self.method.uses_ensemble:
            batch = self._perturbed(batch, len(seen)).with_background(seen, modalities=modalities)
            return as_numpy(self.method.assimilate(batch, self.generator).mean)
        mean = seen.mean(axis=0, dtype=np.float64).astype(seen.dtype)
        batch = batch.with_background(
            mean[None],
            members=seen[None],
            modalities={name: of.mean(axis=0, keepdims=True) for name, of in modalities.items()},
            members_modalities={name: of[None] for name, of in modalities.items()},
        )
        analysis = self.method.assimilate(batch, self.generator)
        if analysis.members is not None:
            return as_numpy(analysis.members)[0]
        return seen + (as_numpy(analysis.mean)[0] - mean)

    def _in_window(self, states: np.ndarray, start: np.datetime64, batch: Batch) -> np.ndarray:
        """The members' states at the batch's time, each after a window from `start` on."""
        values = self._perturbed(batch, len(states)).observation_values
        method: Any = self.method
        return np.stack(
            [
                method.analyse_states(state, start, [replace(batch, observation_values=one[None])])
                for state, one in zip(states, values, strict=True)
            ]
        )

    def _perturbed(self, batch: Batch, members: int) -> Batch:
        """The sample once for each member, observed with errors of its own; one stays as it is."""
        if members == 1:
            return batch
        hours = int(hours_since_epoch(batch.time)[0])
        generator = np.random.default_rng([self.seed, hours, PERTURBATIONS])
        values = batch.observation_values[0]
        std = np.broadcast_to(batch.observation_error_std[:, None], values.shape)
        noise = observation_perturbations(members, std, generator)
        return replace(
            batch,
            time=np.repeat(batch.time, members),
            background=np.repeat(batch.background, members, axis=0),
            observation_index=np.repeat(batch.observation_index, members, axis=0),
            observation_values=(values + noise).astype(values.dtype),
            modalities={
                name: np.repeat(field, members, axis=0) for name, field in batch.modalities.items()
            },
            background_modalities={},
            background_members=None,
            background_members_modalities={},
        )


def first_states(
    view: ModelView, guess: np.ndarray, background: np.ndarray, errors: np.ndarray | None = None
) -> np.ndarray:
    """The states that a cycle begins with: what is seen of them is a background of the data set.

    Increments bring a state of the model to the background. What the channels do not see is the
    guess's; what the model cannot hold is lost, so the increments are given several times.

    Args:
        view: Of the model.
        guess: A state of the model, (*state_shape).
        background: x^b, (C, Y, X).
        errors: Of the members about it, (M, C, Y, X); None for one state without.

    Returns:
        (M, *state_shape), or (1, *state_shape).
    """
    state = guess
    for _ in range(REPETITIONS):
        state = view.add(state, background - view.see(state))
    if errors is None:
        return state[None]
    return view.add(np.repeat(state[None], len(errors), axis=0), errors)


REPETITIONS = 3
