"""From the stored model states of a world to examples of the data set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from dambench_hub.building.osse.instruments import gauge_network, measure_olr, measure_precipitation
from dambench_hub.building.osse.simulation import MEANS, STATE, segment_path
from dambench_hub.building.osse.world import GAUGES, OLR, PRECIPITATION, World
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.dynamics.postprocessing import PostProcessor


class Archive:
    """The stored segments, read as examples of the data set."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.grid = world, folder, Grid.parse(world.preset.grid)
        self.places = {split: list(places(world, split)) for split in world.preset.splits}
        with self._segment("train", self.places["train"][0][0]) as file:
            self.views = {owner: self._view(file, owner) for owner in ("reference", "background")}
            land = self.views["reference"].regrid(file.get_tensor("land"))
        self.gauges = gauge_network(self.grid, land, world.rng(GAUGES))

    def read(self, split: str, index: int) -> dict[str, np.ndarray]:
        """One example: background and reference (C, Y, X), precipitation and olr (Y, X)."""
        number, position = self.places[split][index]
        hours = int(hours_since_epoch(self.world.preset.splits[split].times[index]))
        with self._segment(split, number) as file:
            example = {
                owner: view.channels(
                    {name: file.get_slice(f"{owner}/{name}")[position] for name in STATE}
                )
                for owner, view in self.views.items()
            }
            regrid = self.views["reference"].regrid
            rain, olr = (regrid(file.get_slice(name)[position]) for name in MEANS)
        rng = partial(self.world.rng, hours=hours)
        return example | {
            "precipitation": measure_precipitation(rain, self.gauges, rng(PRECIPITATION)),
            "olr": measure_olr(self.grid, olr, rng(OLR)),
        }

    def _view(self, file: Any, owner: str) -> PostProcessor:
        latitude = file.get_tensor(f"{owner}/latitude")
        return PostProcessor(
            grid=self.grid,
            sigma=file.get_tensor(f"{owner}/sigma"),
            surface_height=file.get_tensor(f"{owner}/surface_height"),
            latitude=latitude,
            columns=2 * len(latitude),
            near_surface_wind=float(file.get_tensor(f"{owner}/near_surface_wind")),
        )

    def _segment(self, split: str, number: int) -> Any:
        return safe_open(segment_path(self.folder, split, number), "numpy")


def places(world: World, split: str) -> Iterator[tuple[int, int]]:
    """Where each example of a split is stored: segment number, position in the segment."""
    times = world.preset.splits[split].times
    for number, days in enumerate(world.segments(split)):
        for position in range(np.isin(days, times).sum()):
            yield number, position
