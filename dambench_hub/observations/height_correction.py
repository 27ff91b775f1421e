"""Temperature near the ground at a station's height, not at that of the model's ground.

A grid box has one height, and a station in a valley lies below it. What a model says of the station
is, with the lapse rate Γ of the standard atmosphere, 6.5 K km⁻¹,

    t = t of the model − Γ (elevation of the station − elevation of the model)

which is an offset beside the linear H: y is compared to H x + offset, or y − offset to H x.
Inversions, in which valleys are colder, are not known to it.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.bilinear import interpolate
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.standard_atmosphere import LAPSE_RATE
from dambench_hub.observations.table import ObservationTable

CORRECTED = "t2m"
"""The variable that is brought to the station's height."""


def height_offset(table: ObservationTable, grid: Grid, elevation: np.ndarray) -> np.ndarray:
    """What the height of stations adds to H x.

    Args:
        table: R observations.
        grid: Y×X grid of the model.
        elevation: Of the model's ground above sea level, m, (Y, X).

    Returns:
        K, float64, (R,); 0 for other variables, and where the station's elevation is not known.
    """
    ground = interpolate(elevation, grid, table.latitude, table.longitude)
    offset = -LAPSE_RATE * (table.elevation.astype(np.float64) - ground)
    return np.where(table.is_of("variable", CORRECTED) & ~np.isnan(offset), offset, 0.0)
