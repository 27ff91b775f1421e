"""Fixed stations that report from elsewhere: a wrong list of stations, or a typing error."""

from __future__ import annotations

import numpy as np

from dambench_hub.observations.station_places import FIXED_REPORTS, station_places
from dambench_hub.observations.table import ObservationTable


def moved_stations(table: ObservationTable, tolerance_km: float = 5.0) -> np.ndarray:
    """Rows of fixed stations that lie away from where most rows of their station lie.

    Args:
        table: R rows.
        tolerance_km: What coordinates of one station may differ by: older messages round them to a
            hundredth of a degree or a minute, and instruments stand apart.

    Returns:
        Which rows are elsewhere, boolean, (R,).
    """
    return station_places(table, FIXED_REPORTS).away_km(table) > tolerance_km
