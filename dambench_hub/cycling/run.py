"""Run a cycle from the first time of a task to the last; interrupted, it goes on where it stopped.

What is done lies in the folder of the prediction's parts: each analysis, and one checkpoint with
the states and all errors so far, which is replaced when a cycle is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from dambench_hub.cycling.cycle import Cycle
from dambench_hub.cycling.record import CycleRecord
from dambench_hub.cycling.verification import Verification, verify
from dambench_hub.data.batch import Batch
from dambench_hub.data.dataset import Data
from dambench_hub.errors import DataError, ForecastError
from dambench_hub.predictions.parts import Parts
from dambench_hub.runtime.files import write_atomic
from dambench_hub.tasks.task import Task

CHECKPOINT = "cycle.safetensors"


@dataclass(frozen=True, eq=False)
class Plan:
    """What a cycle does besides its analyses.

    Attributes:
        hours: Between two analyses.
        leads: Number of forecasts, each `hours` longer than the one before.
        every: From every how many-th analysis they start.
        keep_members: Whether the analyses keep their members.
    """

    hours: int
    leads: int
    every: int
    keep_members: bool = False


class CycleRun:
    """The cycles of one task.

    Args:
        cycle: Method and model.
        data: Observations, and the references that analyses and forecasts are compared with.
        task: What is assimilated.
        plan: Forecasts.
        parts: Where the analyses are kept.
        record: Where errors are noted; filled from the checkpoint, if there is one.

    Attributes:
        states: x^a of the last cycle, (M, *state_shape), or None before the first.

    Raises:
        DataError: When the checkpoint cannot be read.
    """

    def __init__(
        self, cycle: Cycle, data: Data, task: Task, plan: Plan, parts: Parts, record: CycleRecord
    ) -> None:
        self.cycle, self.data, self.task, self.plan = cycle, data, task, plan
        self.parts, self.record = parts, record
        self.states: np.ndarray | None = None
        if self._path.exists():
            self._resume()

    @property
    def left(self) -> int:
        """How many cycles are left."""
        return len(self.record.times) - self.record.done

    def run(self, first: np.ndarray | None) -> Iterator[np.datetime64]:
        """Cycle, one valid time after the other.

        Args:
            first: x^b of the first cycle, (M, *state_shape); not needed to go on.

        Yields:
            The valid time of each cycle that is complete.

        Raises:
            ForecastError: When the cycle diverges: a forecast or an analysis is not finite. Then
                `record.diverged` says so.
        """
        indices = np.arange(self.record.done, len(self.record.times)) * self.task.stride
        for batch in self.data.batches(self.task, indices=indices):
            time = batch.time[0]
            before, states = None, first
            equivalents: Mapping[str, np.ndarray] = {}
            if self.states is not None:
                before = (self.states, time - np.timedelta64(self.plan.hours, "h"))
                states, equivalents = self.cycle.view.advance_with_means(
                    self.states, self.plan.hours, before[1]
                )
            assert states is not None  # there is a state to begin with, or one to go on from
            if not np.isfinite(states).all():
                raise self._diverged(time, "the forecast is not finite")
            if not self._one(states, batch, before, equivalents):
                raise self._diverged(time, "the analysis is not finite")
            yield time

    def _one(
        self,
        states: np.ndarray,
        batch: Batch,
        before: tuple[np.ndarray, np.datetime64] | None,
        equivalents: Mapping[str, np.ndarray],
    ) -> bool:
        """One analysis, the forecasts from it, and the checkpoint; False if it is not finite."""
        time, reference = batch.time[0], batch.reference
        assert reference is not None  # all data sets have one
        background = self._verify(self.cycle.view.see(states), reference[0])
        states = self.cycle.analyse(states, batch.without_reference(), before, equivalents)
        if not np.isfinite(states).all():
            return False
        analysed = self.cycle.view.see(states)
        number = self.record.done
        if number % self.plan.every == 0:
            self._forecast(states, number)
        self.record.add(background, self._verify(analysed, reference[0]))
        kept = analysed if self.plan.keep_members else analysed.mean(axis=0, dtype=np.float64)
        self.parts.add(np.array([time]), kept[None])
        self._save(states)
        return True

    def _forecast(self, states: np.ndarray, number: int) -> None:
        """Forecasts from an analysis, as far as there are references to compare with."""
        arrays, view, hours = self.record.arrays, self.cycle.view, self.plan.hours
        control, members = states.mean(axis=0, keepdims=True), states
        start = self.record.times[number]
        for lead in range(min(self.plan.leads, len(self.record.times) - number - 1)):
            valid = start + np.timedelta64(hours * lead, "h")
            reference = self.data.reference(self.task.split, (number + lead + 1) * self.task.stride)
            control = view.model.advance(control, hours, valid)
            found = self._verify(view.see(control), reference)
            arrays["forecast_error"][number, lead] = found.error
            if len(members) > 1:
                members = view.model.advance(members, hours, valid)
                found = self._verify(view.see(members), reference)
                arrays["ensemble_error"][number, lead] = found.error
                arrays["ensemble_spread"][number, lead] = found.spread

    def _verify(self, members: np.ndarray, reference: np.ndarray) -> Verification:
        return verify(members, reference, self.data.grid.weights)

    def _diverged(self, time: np.datetime64, why: str) -> ForecastError:
        record = self.record
        record.diverged = f"{why} in cycle {record.done + 1}, {time}"
        return ForecastError(
            f"The cycle of {record.method} diverged: {record.diverged}. Its analyses until then "
            f"are in {self.parts.folder}. Look at its errors; more inflation, a shorter "
            "localisation or more observations may keep it."
        )

    @property
    def _path(self) -> Path:
        return self.parts.folder / CHECKPOINT

    def _save(self, states: np.ndarray) -> None:
        self.states = states
        arrays = {name: np.ascontiguousarray(a) for name, a in self.record.arrays.items()}
        done = np.array([self.record.done])
        write_atomic(
            self._path, save(arrays | {"states": np.ascontiguousarray(states), "done": done})
        )

    def _resume(self) -> None:
        try:
            arrays = load_file(self._path)
            self.states, self.record.done = arrays.pop("states"), int(arrays.pop("done")[0])
        except (OSError, KeyError, SafetensorError) as error:
            raise DataError(
                f"{self._path} cannot be read ({error}). Delete {self.parts.folder} and run this "
                "again from the start."
            ) from error
        self.record.arrays |= arrays
