"""The way back: from increments of the 69 channels on a grid to increments of a model state.

x_a = x_b + G(x_b) δ: a state keeps what the channels cannot see of it. In the vertical each column
is inverted (`ColumnInversion`), in the horizontal its increments become spherical harmonics up to
the truncation. G is linear in δ but for humidity, of which only what is above zero is seen.

The top level lies above the channels; 50 hPa sees it by half where the surface is low.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dambench_hub.coordinates.constants import GRAVITY
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.harmonic_analysis import HarmonicAnalysis, largest_degree
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.dynamics.column_inversion import ColumnInversion
from dambench_hub.dynamics.sigma_levels import SigmaColumns
from dambench_hub.dynamics.state_vector import StateVector

CORRECTIONS = 10
"""Of humidity. One recovers 78 and 91 % of its variance on levels 2 and 3, ten 96 and 98 %."""


@dataclass(frozen=True, eq=False)
class StateIncrements:
    """G for the states of one model on one grid.

    Attributes:
        vector: Where the coefficients stand in a state.
        grid: Of the channels.
        sigma: Full levels from top to bottom, (K,).
        reference_temperature: Coefficients of what T is a variation of, K, (K, orders, degrees).
        orography: Height of the surface on the grid, m, (Y, X).
        near_surface_wind: Wind at 10 m in units of the wind on the lowest level.
    """

    vector: StateVector
    grid: Grid
    sigma: np.ndarray
    reference_temperature: np.ndarray
    orography: np.ndarray
    near_surface_wind: float

    def add(self, state: np.ndarray, increment: np.ndarray) -> np.ndarray:
        """x_a.

        Args:
            state: x_b, (N,).
            increment: δ, (C, Y, X); zero returns the same bits.
        """
        inversion = self.columns(state)
        of_columns = inversion.solve(increment.reshape(len(increment), -1).astype(np.float64))
        q = self._levels(1)
        wanted = np.maximum(inversion.columns.specific_humidity + of_columns[q], 0)
        of_columns[q] = 0
        return state + self.to_state(of_columns) + self._to_humidity(state, wanted)

    def _to_humidity(self, state: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The increment of a state's humidity after which max(q, 0) is what is wanted, (K, Y·X).

        Where a truncated series rings below zero, nothing is seen of it: a repeated correction,
        S c ← S c + (wanted − max(S c, 0)), lets it ring as it must.
        """
        before = self.vector.unpack(state)
        c, wanted = before["specific_humidity"], wanted.reshape(-1, *self.grid.shape)
        for _ in range(CORRECTIONS):
            seen = np.maximum(self._synthesis.scalar(c), 0)
            c = c + self._padded(self._analysis.scalar(wanted - seen))
        increment = {name: np.zeros_like(field) for name, field in before.items()}
        increment["specific_humidity"] = c - before["specific_humidity"]
        return self.vector.pack(increment)

    def columns(self, state: np.ndarray) -> ColumnInversion:
        """The columns of a state on the grid, and the way back to them."""
        fields, synthesis = self.vector.unpack(state), self._synthesis
        wind = synthesis.wind(fields["vorticity"], fields["divergence"])
        temperature = fields["temperature_variation"] + self.reference_temperature
        t, q = (synthesis.scalar(field) for field in (temperature, fields["specific_humidity"]))
        log_pressure = synthesis.scalar(fields["log_surface_pressure"])[0]
        t, q, u, v = (field.reshape(len(self.sigma), -1) for field in (t, q, *wind))
        columns = SigmaColumns(
            sigma=self.sigma,
            surface_pressure=1e5 * np.exp(log_pressure.reshape(-1)),
            surface_geopotential=GRAVITY * self.orography.reshape(-1).astype(np.float64),
            temperature=t,
            specific_humidity=np.maximum(q, 0),
        )
        return ColumnInversion(columns, u, v, self.near_surface_wind)

    def to_state(self, of_columns: np.ndarray) -> np.ndarray:
        """Increments of T, q, u, v on the levels and ln p_s, (4 K + 1, Y·X), as a state's, (N,)."""
        on_grid = of_columns.reshape(-1, *self.grid.shape)
        t, q, u, v = (on_grid[self._levels(n)] for n in range(4))
        vorticity, divergence = self._analysis.wind(u, v)
        scalars = (self._analysis.scalar(field) for field in (t, q, on_grid[-1:]))
        names = ("temperature_variation", "specific_humidity", "log_surface_pressure")
        fields = dict(zip(names, scalars, strict=True))
        fields |= {"vorticity": vorticity, "divergence": divergence}
        return self.vector.pack({name: self._padded(field) for name, field in fields.items()})

    def to_state_adjoint(self, sensitivity: np.ndarray) -> np.ndarray:
        """Adjoint of `to_state`, (N,) to (4 K + 1, Y·X)."""
        fields = {name: self._cut(field) for name, field in self.vector.unpack(sensitivity).items()}
        wind = self._analysis.wind_adjoint(fields["vorticity"], fields["divergence"])
        t, q, log_pressure = (
            self._analysis.scalar_adjoint(fields[name])
            for name in ("temperature_variation", "specific_humidity", "log_surface_pressure")
        )
        return np.concatenate([t, q, *wind, log_pressure]).reshape(-1, self.grid.size)

    def _levels(self, number: int) -> slice:
        """Where the levels of one of T, q, u and v stand."""
        return slice(number * len(self.sigma), (number + 1) * len(self.sigma))

    def _padded(self, field: np.ndarray) -> np.ndarray:
        """Coefficients of the model's truncation from ours, which may be lower."""
        result = np.zeros((len(field), self.vector.orders, self.vector.degrees))
        result[:, : field.shape[1], : field.shape[2]] = field
        return result

    def _cut(self, field: np.ndarray) -> np.ndarray:
        largest = self._analysis.largest
        return field[:, : 2 * largest + 1, : largest + 1]

    @cached_property
    def _analysis(self) -> HarmonicAnalysis:
        # A state's last degree is there for products, and empty.
        return HarmonicAnalysis(self.grid, min(self.vector.degrees - 2, largest_degree(self.grid)))

    @cached_property
    def _synthesis(self) -> Synthesis:
        return Synthesis(self.grid, self.vector.orders, self.vector.degrees, np.float64)
