"""The model states of a world as its simulation stored them, segment by segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from dambench_hub.building.osse.simulation import segment_path
from dambench_hub.building.osse.world import Days, World

GEOGRAPHY = ("land", "surface_height", "sigma", "latitude", "near_surface_wind")
"""Ends of the names of what does not change from day to day."""


class SegmentStates:
    """The model's states on the days of a simulated world, as `archive.States`.

    Args:
        world: What was simulated.
        folder: Where its segments are.
        splits: The days that are asked for; None for all that were kept.
    """

    def __init__(
        self, world: World, folder: Path, splits: Mapping[str, Days] | None = None
    ) -> None:
        self.folder = folder
        self.days = {s: days.times for s, days in (splits or world.preset.splits).items()}
        self.places = {
            split: list(places(world, split, times)) for split, times in self.days.items()
        }
        split, number = next((s, found[0][0]) for s, found in self.places.items())
        with self._segment(split, number) as file:
            self.geography: Mapping[str, np.ndarray] = {
                name: file.get_tensor(name)
                for name in file.keys()  # noqa: SIM118
                if name.endswith(GEOGRAPHY)
            }

    def fields(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`reference/NAME` and `background/NAME` of one example, shaped as the model's."""
        return self._read(split, index, ("reference/", "background/"))

    def members(self, split: str, index: int) -> dict[str, np.ndarray]:
        """`members/NAME` of one example, (M, *)."""
        return self._read(split, index, ("members/",))

    def _read(self, split: str, index: int, owners: tuple[str, ...]) -> dict[str, np.ndarray]:
        number, position = self.places[split][index]
        with self._segment(split, number) as file:
            return {
                name: file.get_slice(name)[position]
                for name in file.keys()  # noqa: SIM118
                if name.startswith(owners) and not name.endswith(GEOGRAPHY)
            }

    def _segment(self, split: str, number: int) -> Any:
        return safe_open(segment_path(self.folder, split, number), "numpy")


def places(world: World, split: str, times: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where each of some days of a split is stored: segment number, position in the segment."""
    kept = world.preset.splits[split].times
    for number, days in enumerate(world.segments(split)):
        for position, day in enumerate(days[np.isin(days, kept)]):
            if day in times:
                yield number, position
