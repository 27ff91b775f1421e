"""Fields of another grid on ours: conservatively, or bilinearly where ours is the finer one.

Both are separable, x̂ = A x Bᵀ with A over latitude and B over longitude, so two small matrices do
it. Conservative weights are the overlaps of cells, in sin φ and in λ; the area mean of a field
stays what it was. Cells reach half-way to their neighbours, the first and last up to the poles.

References:
    Jones (1999), Mon. Wea. Rev. 127, 2204-2210, first order; Rasp et al. (2024),
    doi:10.1029/2023MS004019, whose coarse ERA5 has these cells.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from dambench_hub.coordinates.grids import (
    TOLERANCE_DEGREES,
    Grid,
    latitude_overlaps,
    longitude_overlaps,
)
from dambench_hub.errors import GridError

WINDS = ("u10", "v10", "u", "v")
"""Components of a vector: at a pole they turn with the meridian along which they are given."""


class Regridder:
    """Fields of one rectilinear global grid on a `Grid`.

    Attributes:
        grid: The target, Y×X.
        method: `none` when the source already is that grid, `conservative` when no source cell is
            larger than ours, else `bilinear`.
    """

    def __init__(self, latitude: np.ndarray, longitude: np.ndarray, grid: Grid) -> None:
        """Prepare the weights.

        Args:
            latitude: Of the source, degrees north, (Ys,), either direction.
            longitude: Of the source, degrees east, (Xs,), ascending, evenly spaced.
            grid: The target.

        Raises:
            GridError: When the source does not cover the globe.
        """
        latitude, longitude = np.asarray(latitude, float), np.asarray(longitude, float)
        _require_globe(latitude, longitude)
        self.grid, self.shape = grid, (len(latitude), len(longitude))
        finer = len(latitude) >= grid.latitudes - 1 and len(longitude) >= grid.longitudes
        self.method = "conservative" if finer else "bilinear"
        if self.shape == grid.shape and not grid.coordinate_problems(latitude, longitude):
            self.method = "none"
        elif finer:
            rows = latitude_overlaps(grid.latitude, latitude)
            columns = longitude_overlaps(grid.longitude, longitude)
        else:
            rows = interpolation_weights(latitude, grid.latitude)
            columns = interpolation_weights(longitude, grid.longitude, period=360)
        if self.method != "none":
            self._rows = csr_array(rows.astype(np.float32))
            self._columns = np.ascontiguousarray(columns.T, np.float32)

    def __call__(self, fields: np.ndarray) -> np.ndarray:
        """The fields, (…, Ys, Xs), on the grid, (…, Y, X), float32.

        Fields are finite; `masked` is for those with gaps. Constants stay exactly what they are.
        """
        fields = np.asarray(fields, np.float32)
        if fields.shape[-2:] != self.shape:
            raise GridError(f"Fields of shape {self.shape} are wanted, got {fields.shape}.")
        if self.method == "none":
            return fields
        flat = fields.reshape(-1, *self.shape)
        coarse = np.empty((len(flat), *self.grid.shape), np.float32)
        for field, out in zip(flat, coarse, strict=True):
            # Deviations from any value of the field: float32 then rounds weather, not the mean.
            level = field[0, 0]
            np.matmul(self._rows @ (field - level), self._columns, out=out)
            out += level
        return coarse.reshape(*fields.shape[:-2], *self.grid.shape)

    def masked(self, fields: np.ndarray, coverage: float = 0.5) -> np.ndarray:
        """The same for fields with gaps: means over what was measured.

        Args:
            fields: (…, Ys, Xs), NaN where nothing was measured.
            coverage: A cell less of which was measured is NaN.

        Returns:
            (…, Y, X), float32.
        """
        measured = np.isfinite(fields)
        share = self(measured.astype(np.float32))
        total = self(np.where(measured, fields, np.float32(0)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(share >= coverage - 1e-6, total / share, np.float32(np.nan))


def unify_poles(field: np.ndarray, vector: bool = False) -> np.ndarray:
    """The field, (…, Y, X), with pole rows that are one place, in place.

    A scalar has one value there, its mean over the row; NaN are left out of the mean. A component
    of the wind is that of one vector seen along each meridian: the part of zonal wavenumber 1.
    """
    for row in (field[..., 0, :], field[..., -1, :]):
        if vector:
            waves = np.fft.rfft(row.astype(np.float64))
            waves[..., :1] = waves[..., 2:] = 0
            row[...] = np.fft.irfft(waves, row.shape[-1])
        else:
            measured = np.isfinite(row)
            count = measured.sum(axis=-1, keepdims=True)
            total = np.where(measured, row, 0).sum(axis=-1, keepdims=True, dtype=np.float64)
            row[...] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return field


def interpolation_weights(
    source: np.ndarray, target: np.ndarray, period: float | None = None
) -> np.ndarray:
    """Weights of linear interpolation, (T, S); beyond the first and last point, these count."""
    points = source if source[0] < source[-1] else -source
    wanted = target if source[0] < source[-1] else -target
    units = np.eye(len(points))
    return np.stack([np.interp(wanted, points, unit, period=period) for unit in units], axis=1)


def _require_globe(latitude: np.ndarray, longitude: np.ndarray) -> None:
    north, south = np.diff(latitude), np.diff(longitude)
    if len(latitude) < 2 or len(longitude) < 2 or not (np.all(north > 0) or np.all(north < 0)):
        raise GridError("A source grid needs latitudes in one direction, and two of each axis.")
    gap = 90 - np.abs([latitude.min(), latitude.max()])
    if np.any(gap > np.abs(north).max() + TOLERANCE_DEGREES):
        raise GridError(
            f"The source covers latitudes {latitude.min():g} to {latitude.max():g}; wanted is the "
            "whole globe."
        )
    around = len(longitude) * south[0]
    if not np.allclose(south, south[0], atol=1e-3) or abs(around - 360) > 0.1:
        raise GridError(
            f"The source covers longitudes {longitude[0]:g} to {longitude[-1]:g} with steps of "
            f"{south.min():g} to {south.max():g}; wanted is the whole circle, evenly."
        )
