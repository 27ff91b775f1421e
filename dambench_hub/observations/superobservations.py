"""Means of observations over a grid cell and channel, for methods that want them on the grid.

What is averaged are innovations, not values, and the mean is added to the background at the grid
point g of the cell,

    y' = x^b(g) + Σ_r w_r (y_r − o_r − H_r x^b),   w_r = σ_r⁻² / Σ σ_r⁻²

with o_r the offset of H by a station's height, as `blocks.py` does for its means. Stations are not
on grid points, and by the slope of the field their values differ from those there, by nothing but
where they happen to stand. H knows that; a mean of values does not. On 33×64, means of perfect
values are off by 1.7 of the background's error, means of innovations by 0.5
(`benchmarks/off_grid.py`). So there is this one way, and it needs a background. Of an observation
on a grid point and level y' is the observation itself, less its offset.

Errors of the stations of one cell have a part in common, as the state has one value for them all.
With ρ for the correlation between any two of them,

    σ'² = (1 − ρ) / Σ σ_r⁻² + ρ (Σ w_r σ_r)²

which for ρ = 0 is that of the mean of independent errors, and for equal σ never less than ρ σ².

References:
    Berger and Forsythe (2004), Satellite wind superobbing, Met Office Forecasting Research
    Technical Report 451, for means of innovations put on the background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.coordinates.bilinear import nearest_points
from dambench_hub.errors import DataError
from dambench_hub.observations.point_interpolation import (
    Coverage,
    PointInterpolation,
    channels_by_variable,
)

LEVEL_TOLERANCE = 0.1
"""Largest |Δ ln p| between an observation and the level that it counts for. It bridges the gaps
from 700 hPa down, of up to 0.2; of what lies between the higher levels the middle is left out."""

FAR_FROM_LEVELS = "far_from_levels"
"""Of rows that are seen between levels, but near none."""


@dataclass(frozen=True, eq=False)
class Superobservations:
    """Observations on the grid of the state.

    Attributes:
        values: y', float32, (C, Y, X), units of the channels; NaN where nothing is observed.
        error_std: σ', float32, (C, Y, X), NaN where nothing is observed.
        count: Rows in each mean, int32, (C, Y, X).
        left_out: Rows in none, by the reason: names of `Coverage` in lower case, or
            `far_from_levels`.
    """

    values: np.ndarray
    error_std: np.ndarray
    count: np.ndarray
    left_out: dict[str, int]

    @property
    def observed(self) -> np.ndarray:
        """Where there is an observation, bool, (C, Y, X)."""
        return self.count > 0


def superobservations(
    H: PointInterpolation, background: np.ndarray, correlation: float = 0.0
) -> Superobservations:
    """Means of the innovations of a table in each cell and channel, put on a background.

    Cells reach half way to the neighbouring grid points, those at the poles are sectors of a cap.
    Observations on levels count for the nearest within `LEVEL_TOLERANCE`. All rows are used:
    select what is good and not withheld before.

    Args:
        H: The operator of the table.
        background: x^b, (C, Y, X).
        correlation: ρ, from 0 to 1, between the errors of observations of one cell.

    Raises:
        DataError: When the background has another shape, or there is no such correlation.
    """
    if not 0 <= correlation <= 1:
        raise DataError(f"A correlation of errors is from 0 to 1 here, got {correlation}.")
    channel, near = _nearest_channels(H)
    used = H.seen & near
    left_out = {name: n for name, n in H.counts.items() if name != Coverage.SEEN.name.lower()}
    if far := int((H.seen & ~near).sum()):
        left_out[FAR_FROM_LEVELS] = far
    table = H.table
    innovation = table.value - H(background.astype(np.float64)) - H.offset
    std = table.error_std.astype(np.float64)
    place = channel * H.grid.size + nearest_points(H.grid, table.latitude, table.longitude)

    def sums(values: np.ndarray) -> np.ndarray:
        total = np.bincount(place[used], values[used], minlength=background.size)
        return total.reshape(background.shape)

    count = sums(np.ones(len(table))).astype(np.int32)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = sums(std**-2)
        mean = sums(std**-2 * innovation) / precision
        common = sums(std**-1) / precision
        error = np.sqrt((1 - correlation) / precision + correlation * common**2)
    error[count == 0] = np.nan
    values = (background + mean).astype(np.float32)
    return Superobservations(values, error.astype(np.float32), count, left_out)


def _nearest_channels(H: PointInterpolation) -> tuple[np.ndarray, np.ndarray]:
    """The channel that each row counts for, and whether it is near enough, (R,) each."""
    rows = len(H.table)
    channel, near = np.zeros(rows, np.int64), np.ones(rows, bool)
    log_pressure = np.log(H.table.pressure.astype(np.float64))
    for variable, (levels, positions) in channels_by_variable(H.channels).items():
        of = H.table.is_of("variable", variable)
        if np.isnan(levels[0]):
            channel[of] = positions[0]
            continue
        distance = np.abs(log_pressure[of, None] - levels)
        channel[of] = positions[distance.argmin(axis=1)]
        near[of] = distance.min(axis=1) <= LEVEL_TOLERANCE
    return channel, near
