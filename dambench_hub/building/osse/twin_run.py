"""One chain of a twin experiment, day by day: the nature run, and the ensemble that follows it.

jax is imported by what this calls: set it up before, with `prepare_jax`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from dambench_hub.building.osse.cycled_ensemble import CycledEnsemble
from dambench_hub.building.osse.soundings import sounding_network
from dambench_hub.building.osse.world import IMPERFECTIONS, NATURE, NETWORK, SOUNDINGS, World
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.dynamics.circulation import Circulation, truncated
from dambench_hub.dynamics.circulation_model import CirculationModel
from dambench_hub.dynamics.postprocessing import post_processor

Fields = Mapping[str, np.ndarray]


class TwinModels:
    """The models of a world, and what is seen of their states; made once a process.

    Attributes:
        nature: The nature run's model.
        forecast: The forecast model.
        ensemble: Of the forecast model.
    """

    def __init__(self, world: World) -> None:
        preset = world.preset
        self.nature = Circulation(*preset.nature, {})
        self.forecast = Circulation(*preset.forecast, IMPERFECTIONS)
        self.model = CirculationModel(self.forecast)
        grid = Grid.parse(preset.grid)
        self.nature_view, self.view = (
            post_processor(circulation.geography(), grid)
            for circulation in (self.nature, self.forecast)
        )
        land = self.nature_view.regrid(np.asarray(self.nature.model.terrain.fmask))
        soundings = sounding_network(grid, land, world.rng(NETWORK), world.soundings)
        self.ensemble = CycledEnsemble(self.model, soundings)

    @cached_property
    def first(self) -> Any:
        """A state of the nature run, for its structure."""
        return self.nature.start(np.datetime64("2000-01-01"), np.random.default_rng(0))


@lru_cache(maxsize=1)
def twin_models(world: World) -> TwinModels:
    """The models of a world."""
    return TwinModels(world)


class TwinRun:
    """A nature run and the cycled ensemble.

    Until the ensemble begins its members are the nature run's states of the last M days: weather of
    the season that knows nothing of today's.

    Args:
        world: What is simulated.
        split: Whose chain.
        models: Of the world.
        state: Of the nature run to go on from; None for the start.
        members: Of the ensemble's analysis at that time, (M, N), or the nature states before it.

    Attributes:
        state: Of the nature run, now.
        members: Of the analysis, now, float32.
    """

    def __init__(
        self,
        world: World,
        split: str,
        models: TwinModels,
        state: Any = None,
        members: np.ndarray | None = None,
    ) -> None:
        self.world, self.models, self.begins = world, models, world.cycle_begins(split)
        if state is None:
            start = world.segments(split)[0][0] - 1
            state = models.nature.start(start, world.rng(NATURE, int(hours_since_epoch(start))))
        if members is None:
            members = np.empty((0, models.model.vector.size), np.float32)
        self.state, self.members = state, members

    def step(self, day: np.datetime64) -> dict[str, Fields]:
        """Go on to the 00 UTC of `day`.

        Returns:
            What happened, on the models' grids and in coefficients: `reference`, `background`, and
            `members`, whose fields have M first. Nothing before the ensemble begins.
        """
        models = self.models
        before = self.state
        self.state, means = models.nature.advance(before)
        if day < self.begins:
            small = models.model.pack(truncated(before.dynamics, models.nature, models.forecast))
            latest = np.concatenate([self.members, small[None].astype(np.float32)])
            self.members = latest[-self.world.preset.members :]
            return {}
        control = self.members.mean(axis=0, dtype=np.float64)
        forecasts = [self._forecast(x, day) for x in (control, *self.members)]
        background, *members = (fields for _, fields in forecasts)
        reference = models.nature.to_fields(self.state) | means
        self.members = self._analysed(
            np.stack([x for x, _ in forecasts[1:]]), members, reference, day
        )
        together = {name: np.stack([fields[name] for fields in members]) for name in background}
        return {"reference": reference, "background": background, "members": together}

    def _forecast(self, x: np.ndarray, day: np.datetime64) -> tuple[np.ndarray, Fields]:
        """The state of the forecast model a day later, at 00 UTC of `day`, and its fields."""
        forecast, model = self.models.forecast, self.models.model
        state, means = forecast.advance(forecast.at(day - 1, model.unpack(x)))
        return model.pack(state.dynamics), forecast.to_fields(state) | means

    def _analysed(
        self, members: np.ndarray, fields: list[Fields], reference: Fields, day: np.datetime64
    ) -> np.ndarray:
        """Members of the analysis at 00 UTC of `day`."""
        ensemble, models = self.models.ensemble, self.models
        rng = self.world.rng(SOUNDINGS, int(hours_since_epoch(day)))
        y = ensemble.soundings.observe(models.nature_view.channels(reference), rng)
        seen = np.stack([ensemble.soundings.see(models.view.channels(one)) for one in fields])
        return ensemble.analyse(members, seen, y).astype(np.float32)
