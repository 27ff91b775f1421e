"""A cycled ensemble: where the backgrounds of a twin experiment come from.

Each day M members and the unperturbed run, all of the imperfect forecast model, go on for 24 hours.
Then soundings of the nature run are assimilated by an LETKF (see `ensemble_transform`): the weights
of each column of the model's own grid are applied to the model's own variables there,

    x_i^a = x̄ + Σ_j (w + T)_ij (x_j − x̄),   x: u, v, T, q, ln p_s

and the increments are transformed to coefficients. (Wind, not vorticity: where weights change from
column to column, increments of vorticity would make wind far away.) The unperturbed run goes on
from the mean analysis. Members know nothing of the model's errors, so their spread is relaxed to
what it was before the analysis.

References:
    Miyoshi (2005), Ensemble Kalman filter experiments with a primitive-equation global model, PhD
    thesis, University of Maryland (SPEEDY-LETKF); Whitaker and Hamill (2012), Mon. Wea. Rev. 140,
    3078-3089.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dambench_hub.building.osse.soundings import Soundings
from dambench_hub.coordinates.grids import unit_vectors
from dambench_hub.dynamics.circulation_model import CirculationModel
from dambench_hub.dynamics.state_vector import UPPER_AIR
from dambench_hub.estimation.ensemble_transform import letkf_updates, updated
from dambench_hub.estimation.localisation import Localisation

NAMES = (*UPPER_AIR, "log_surface_pressure")
"""Fields of a state."""


@dataclass(frozen=True, eq=False)
class CycledEnsemble:
    """The filter of one forecast model.

    Attributes:
        model: The forecast model.
        soundings: What is assimilated.
        localisation_km: L, see `Localisation`.
        relaxation: α to the spread before the analysis, see `relax_to_prior_spread`.
    """

    model: CirculationModel
    soundings: Soundings
    localisation_km: float = 900.0
    relaxation: float = 0.7

    def analyse(
        self, members: np.ndarray, seen: np.ndarray, observations: np.ndarray
    ) -> np.ndarray:
        """Members of the analysis.

        Args:
            members: x_i, (M, N).
            seen: H(x_i), (M, C, P).
            observations: y, (C, P).

        Returns:
            x_i^a, float64, (M, N).
        """
        mean = seen.mean(axis=0)
        updates = letkf_updates(
            seen - mean,
            observations - mean,
            self.soundings.error_std**2,
            np.arange(len(self.soundings.stations)),
            self._localisation,
        )
        on_grid = self._to_grid(members)
        analysed = updated(on_grid, updates, self.relaxation)
        # What the grid and back changes is not given to the members.
        return members + self._from_grid(analysed - on_grid)

    def _to_grid(self, members: np.ndarray) -> np.ndarray:
        """u, v, T, q, ln p_s at their levels on the model's grid, (M, 4K + 1, columns · rows)."""
        from dinosaur.spherical_harmonic import vor_div_to_uv_nodal

        states = [self.model.vector.unpack(member.astype(np.float32)) for member in members]
        fields = [np.stack([state[name] for state in states]) for name in NAMES]
        wind = vor_div_to_uv_nodal(self._horizontal, *fields[:2], clip=False)
        others = (self._horizontal.to_nodal(field) for field in fields[2:])
        rows = np.concatenate([*wind, *others], axis=1)
        return rows.astype(np.float64).reshape(*rows.shape[:2], -1)

    def _from_grid(self, values: np.ndarray) -> np.ndarray:
        """Vectors of what is on the model's grid, (M, N)."""
        from dinosaur.spherical_harmonic import uv_nodal_to_vor_div_modal

        levels, horizontal = self.model.vector.levels, self._horizontal
        rows = values.astype(np.float32).reshape(*values.shape[:2], *horizontal.nodal_shape)
        u, v, *others = np.split(rows, levels * np.arange(1, len(UPPER_AIR) + 1), axis=1)
        wind = uv_nodal_to_vor_div_modal(horizontal, u, v)
        fields = [np.array(field) for field in (*wind, *map(horizontal.to_modal, others))]
        for field in fields:
            field[..., -1] = 0  # the last degree is no part of a state, it is there for products
        states = (dict(zip(NAMES, member, strict=True)) for member in zip(*fields, strict=True))
        return np.stack([self.model.vector.pack(state) for state in states]).astype(np.float64)

    @property
    def _horizontal(self) -> Any:
        return self.model.circulation.model.coords.horizontal

    @cached_property
    def _localisation(self) -> Localisation:
        points = self.soundings.grid.unit_vectors()[self.soundings.stations]
        return Localisation(self._columns, points, self.localisation_km)

    @cached_property
    def _columns(self) -> np.ndarray:
        """Unit vectors of the columns of the model's grid, (columns · rows, 3)."""
        latitude = np.asarray(self._horizontal.latitudes, np.float64)
        columns = self._horizontal.nodal_shape[0]
        longitude = 2 * np.pi * np.arange(columns) / columns
        east, north = np.meshgrid(longitude, latitude, indexing="ij")
        return unit_vectors(north, east).reshape(-1, 3)
