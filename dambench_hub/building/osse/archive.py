"""From the model states of a world to examples of the data set."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Protocol

import numpy as np

from dambench_hub.building.osse.instruments import gauge_network, measure_olr, measure_precipitation
from dambench_hub.building.osse.view import ModelView
from dambench_hub.building.osse.world import GAUGES, OLR, PRECIPITATION, World
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import STANDARD_CHANNELS


class States(Protocol):
    """Where the model states of a world's examples come from.

    Attributes:
        geography: `land` (columns, rows) and of `reference` and `background` what `ModelView.of`
            needs, by `OWNER/NAME`.
        days: Valid times of each split, datetime64[D].
    """

    @property
    def geography(self) -> Mapping[str, np.ndarray]:
        """See above."""

    @property
    def days(self) -> Mapping[str, np.ndarray]:
        """See above."""

    def fields(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`reference/NAME` and `background/NAME` of one example: see `ModelView.seen`."""

    def members(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`members/NAME` of one example, (M, *)."""


class Archive:
    """Model states, seen as examples of the data set: the readers of a `Source`.

    Everything is done in double precision and rounded at the end, so that processors differ by no
    more than that.

    Args:
        world: Keys the draws of the instruments.
        grid: Of the data set.
        states: Of the world's model.
    """

    def __init__(self, world: World, grid: Grid, states: States) -> None:
        self.world, self.states, self.grid = world, states, grid
        self.views = {
            owner: ModelView.of(grid, owned(states.geography, owner))
            for owner in ("reference", "background")
        }
        nature = self.views["reference"].post_processor
        self.orography, land = nature.orography, nature.regrid(states.geography["land"])
        self.gauges = gauge_network(grid, land, world.rng(GAUGES))

    def read(self, split: str, index: int) -> dict[str, np.ndarray]:
        """One example, float32.

        Returns:
            `background` and `reference` (C, Y, X); `precipitation` and `olr` as measured, and the
            background's equivalents `background_precipitation` and `background_olr` (Y, X).
        """
        fields = self.states.fields(split, index)
        reference, background = (
            self.views[owner].seen(owned(fields, owner)) for owner in ("reference", "background")
        )
        hours = int(hours_since_epoch(self.states.days[split][index]))
        rng = partial(self.world.rng, hours=hours)
        rain = measure_precipitation(reference.precipitation, self.gauges, rng(PRECIPITATION))
        example = {
            "background": background.channels,
            "reference": reference.channels,
            "precipitation": rain,
            "olr": measure_olr(self.grid, reference.olr, rng(OLR)),
            "background_precipitation": background.precipitation,
            "background_olr": background.olr,
        }
        return {name: field.astype(np.float32) for name, field in example.items()}

    def read_members(self, split: str, index: int) -> dict[str, np.ndarray]:
        """The ensemble of one example, float32.

        Returns:
            `background_members` (M, C, Y, X), and the members' equivalents of the instruments,
            `background_members_precipitation` and `background_members_olr` (M, Y, X).
        """
        fields = owned(self.states.members(split, index), "members")
        members, shape = range(len(fields["t"])), (len(fields["t"]), *self.grid.shape)
        found = {
            "background_members": np.empty((shape[0], len(STANDARD_CHANNELS), *shape[1:]), "f4"),
            "background_members_precipitation": np.empty(shape, "f4"),
            "background_members_olr": np.empty(shape, "f4"),
        }
        for m in members:
            seen = self.views["background"].seen({name: field[m] for name, field in fields.items()})
            for array, field in zip(
                found.values(), (seen.channels, seen.precipitation, seen.olr), strict=True
            ):
                array[m] = field
        return found


def owned(fields: Mapping[str, np.ndarray], owner: str) -> dict[str, np.ndarray]:
    """The fields of one owner, by name."""
    return {
        key.removeprefix(f"{owner}/"): field
        for key, field in fields.items()
        if key.startswith(f"{owner}/")
    }
