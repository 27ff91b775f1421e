"""From the states of a spectral model on sigma levels to the channels of a data set.

Fields are arrays of numpy or of jax: functions come from the namespace of the arrays, `xp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike

from dambench_hub.coordinates.constants import GRAVITY
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.regridding import interpolation_weights
from dambench_hub.coordinates.spherical_harmonics import Synthesis
from dambench_hub.coordinates.variables import STANDARD_LEVELS
from dambench_hub.dynamics.sigma_levels import SigmaColumns


@dataclass(frozen=True)
class PostProcessor:
    """Sees the states of one model on a grid with poles and on pressure levels.

    Spectral fields are summed at the grid points; fields that only exist on the model's own grid
    are interpolated bilinearly.

    Attributes:
        grid: Y×X grid to see them on.
        sigma: Full levels from top to bottom, (K,).
        surface_height: Coefficients, m, (orders, degrees); see `spherical_harmonics`.
        latitude: Rows of the model's grid, degrees, south to north, (rows,).
        columns: Number of its evenly spaced longitudes from 0.
        near_surface_wind: Wind at 10 m in units of the wind on the lowest level.
        dtype: Of the sums over harmonics, and of what comes out. In double precision, processors
            agree to 1e-11 of a channel.
    """

    grid: Grid
    sigma: np.ndarray
    surface_height: np.ndarray
    latitude: np.ndarray
    columns: int
    near_surface_wind: float
    dtype: DTypeLike = np.float32

    def channels(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The 69 standard channels of a state, (C, Y, X).

        Args:
            state: Coefficients of `vorticity` and `divergence` (s⁻¹), `t` (K) and `q` (kg kg⁻¹),
                (K, orders, degrees), and of `log_pressure`, ln(p_s / 1000 hPa), (1, orders,
                degrees); `t2m` (K) on the model's grid, (columns, rows).
        """
        xp = state["t"].__array_namespace__()
        u, v = self._synthesis.wind(state["vorticity"], state["divergence"])
        t, q = (self._synthesis.scalar(state[name]) for name in "tq")
        columns = SigmaColumns(
            sigma=self.sigma,
            surface_pressure=1e5 * xp.exp(self._synthesis.scalar(state["log_pressure"])[0]),
            surface_geopotential=GRAVITY * self.orography,
            temperature=t,
            specific_humidity=xp.maximum(q, 0),  # truncated series ring below zero where it is dry
        )
        at = columns.on_pressure(100.0 * np.array(STANDARD_LEVELS))
        u10, v10 = self.near_surface_wind * u[-1], self.near_surface_wind * v[-1]
        single = xp.stack([u10, v10, self.regrid(state["t2m"]), columns.sea_level_pressure()])
        humidity, wind = columns.specific_humidity, (at.constant_beyond(u), at.constant_beyond(v))
        upper = [at.geopotential(), at.constant_beyond(humidity), *wind, at.temperature()]
        return xp.concatenate([xp.asarray(field, dtype=self.dtype) for field in (single, *upper)])

    def regrid(self, field: np.ndarray) -> np.ndarray:
        """A field on the model's grid (columns, rows), bilinearly on ours, (Y, X).

        A pole has the mean of the nearest row.
        """
        meridians, circles = self._weights
        xp = field.__array_namespace__()
        south, north = (xp.full((1, self.columns), field[:, row].mean()) for row in (0, -1))
        with_poles = xp.concatenate([south, field.T, north])
        return (meridians @ with_poles @ circles).astype(self.dtype)

    def regrid_adjoint(self, sensitivity: np.ndarray) -> np.ndarray:
        """From sensitivities to what `regrid` returned, (Y, X), to its field, (columns, rows)."""
        meridians, circles = self._weights
        of_rows = meridians.T @ sensitivity @ circles.T
        field = of_rows[1:-1].T.copy()
        for row, pole in (0, of_rows[0]), (-1, of_rows[-1]):
            field[:, row] += pole.sum() / self.columns
        return field

    @cached_property
    def _synthesis(self) -> Synthesis:
        orders, degrees = self.surface_height.shape
        return Synthesis(self.grid, orders, degrees, self.dtype)

    @cached_property
    def orography(self) -> np.ndarray:
        """Height of the surface on our grid, (Y, X), m."""
        return self._synthesis.scalar(self.surface_height)

    @cached_property
    def _weights(self) -> tuple[np.ndarray, np.ndarray]:
        """(Y, rows + 2) and (columns, X)."""
        rows = np.concatenate([[-90.0], self.latitude, [90.0]])
        columns = np.arange(self.columns) * 360 / self.columns
        to_columns = interpolation_weights(columns, self.grid.longitude, period=360)
        return interpolation_weights(rows, self.grid.latitude), to_columns.T


def post_processor(
    geography: Mapping[str, np.ndarray], grid: Grid, dtype: type[np.floating] = np.float32
) -> PostProcessor:
    """What is seen on a grid of the states of a model with this `Circulation.geography`."""
    latitude = geography["latitude"]
    return PostProcessor(
        grid=grid,
        sigma=geography["sigma"],
        surface_height=geography["surface_height"],
        latitude=latitude,
        columns=2 * len(latitude),
        near_surface_wind=float(geography["near_surface_wind"]),
        dtype=dtype,
    )
