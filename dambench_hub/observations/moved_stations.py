"""Fixed stations that report from elsewhere: a wrong list of stations, or a typing error."""

from __future__ import annotations

import numpy as np

from dambench_hub.coordinates.places import distance_km, on_unit_sphere
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
    places = station_places(table, FIXED_REPORTS)
    rows = np.flatnonzero(places.station >= 0)
    home = on_unit_sphere(places.latitude, places.longitude)[places.station[rows]]
    moved = np.zeros(len(table), bool)
    here = on_unit_sphere(table.latitude[rows], table.longitude[rows])
    moved[rows] = distance_km(here, home) > tolerance_km
    return moved
