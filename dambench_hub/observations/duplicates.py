"""The same measurement twice: archives are merged from networks that relay one another."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from dambench_hub.coordinates.places import chord, on_unit_sphere
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.row_groups import row_groups
from dambench_hub.observations.table import ObservationTable


def duplicates(table: ObservationTable, distance_km: float = 1.0) -> np.ndarray:
    """Rows of a time, variable and pressure that an earlier good row has at the same place already.

    The same place is the same station, or less than a distance away under another identifier, as
    of an airport that sends SYNOP and METAR. Identifiers are those of one kind of report: a buoy
    may have the number of a station on land.

    Args:
        table: R rows; those that are not good are neither duplicates nor make others so.
        distance_km: Within which two stations are one place.

    Returns:
        Which rows are duplicates, boolean, (R,).
    """
    good = np.flatnonzero(table.quality == Quality.GOOD)
    twice = np.zeros(len(table), bool)
    if not len(good):
        return twice
    kind = row_groups(table.time[good], table.codes("variable")[good], table.pressure[good])
    who = table.codes("report")[good], table.codes("station")[good]
    _, first = np.unique(row_groups(kind, *who), return_index=True)
    repeated = ~table.is_of("station", "")[good]
    repeated[first] = False
    reach = chord(distance_km)
    places = on_unit_sphere(table.latitude[good], table.longitude[good])
    apart = np.column_stack([places, 2 * reach * kind])  # what is not of one kind is no neighbour
    pairs = cKDTree(apart).query_pairs(reach, output_type="ndarray")
    repeated[pairs.max(axis=1)] = True
    twice[good] = repeated
    return twice
