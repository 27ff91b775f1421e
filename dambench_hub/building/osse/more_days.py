"""More training days for a canonical world: further chains of years before, simulated here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dambench_hub.building.osse.archive import States
from dambench_hub.building.osse.world import World
from dambench_hub.storage.manifest import TRAIN_SPLIT


class WithMoreDays:
    """Model states of a world, with those of further training days before its own, as `States`.

    Args:
        own: Of the world.
        further: Of the days to add, whose splits are years; see `World.more_days`.
    """

    def __init__(self, own: States, further: States) -> None:
        self.own, self.further = own, further
        self.geography: Mapping[str, np.ndarray] = own.geography
        self.places = [
            (split, n) for split in sorted(further.days) for n in range(len(further.days[split]))
        ]
        added = [further.days[split][n] for split, n in self.places]
        self.days = {**own.days, TRAIN_SPLIT: np.array([*added, *own.days[TRAIN_SPLIT]])}

    def fields(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`reference/NAME` and `background/NAME` of one example."""
        if split != TRAIN_SPLIT:
            return self.own.fields(split, index)
        if index < len(self.places):
            return self.further.fields(*self.places[index])
        return self.own.fields(split, index - len(self.places))

    def members(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`members/NAME` of one example of validation or test, (M, *)."""
        return self.own.members(split, index)


def added_times(world: World) -> np.ndarray:
    """The training days that are added to a world, ascending, datetime64[D]."""
    return np.sort(np.concatenate([days.times for days in world.preset.splits.values()]))
