"""What a state of the circulation model is on the grid of the data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.dynamics.postprocessing import PostProcessor, post_processor


@dataclass(frozen=True)
class Seen:
    """One state on the grid, float64.

    Attributes:
        channels: (C, Y, X).
        precipitation: Mean of the day before, mm/day, (Y, X).
        olr: Mean of the day before, W m⁻², (Y, X).
    """

    channels: np.ndarray
    precipitation: np.ndarray
    olr: np.ndarray

    def stacked(self) -> np.ndarray:
        """Channels, precipitation and olr, (C + 2, Y, X)."""
        return np.concatenate([self.channels, self.precipitation[None], self.olr[None]])


@dataclass(frozen=True)
class ModelView:
    """Sees states of one model in double precision."""

    post_processor: PostProcessor

    @classmethod
    def of(cls, grid: Grid, geography: Mapping[str, np.ndarray]) -> ModelView:
        """The view of a model with this surface, these levels and this grid of its own.

        Args:
            grid: To see states on.
            geography: `latitude`, `sigma`, `surface_height`, `near_surface_wind`; see
                `PostProcessor`.
        """
        return cls(post_processor(geography, grid, np.float64))

    def seen(self, fields: Mapping[str, np.ndarray]) -> Seen:
        """A state on the grid.

        Args:
            fields: As for `PostProcessor.channels`, with `precipitation` (mm/day) and `olr` (W m⁻²)
                on the model's grid, (columns, rows).
        """
        double = {name: np.asarray(field, np.float64) for name, field in fields.items()}
        rain, olr = (
            self.post_processor.regrid(double.pop(name)) for name in ("precipitation", "olr")
        )
        return Seen(self.post_processor.channels(double), rain, olr)
