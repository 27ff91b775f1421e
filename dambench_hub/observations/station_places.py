"""Where a station stands, though its reports may not agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dambench_hub.coordinates.places import distance_km, on_unit_sphere
from dambench_hub.observations.table import ObservationTable

FIXED_REPORTS = ("synop", "metar", "gauge")
"""Of stations that do not move; ships, aircraft and satellites do, and balloons drift."""


@dataclass(frozen=True)
class StationPlaces:
    """One place a station. S stations, in the order of `names`.

    Attributes:
        names: Identifiers, ascending, str, (S,).
        latitude: Degrees north, (S,).
        longitude: Degrees east, (S,).
        station: Which of them a row is of, int, (R,); −1 for rows that were not looked at.
    """

    names: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    station: np.ndarray

    def away_km(self, table: ObservationTable) -> np.ndarray:
        """How far each row is from its station's place, (R,); NaN for rows not looked at."""
        rows = np.flatnonzero(self.station >= 0)
        home = on_unit_sphere(self.latitude, self.longitude)[self.station[rows]]
        here = on_unit_sphere(table.latitude[rows], table.longitude[rows])
        away = np.full(len(table), np.nan)
        away[rows] = distance_km(here, home)
        return away


def station_places(table: ObservationTable, reports: tuple[str, ...]) -> StationPlaces:
    """The position that most rows of a station give; the earliest of them if two are as frequent.

    Args:
        table: R rows.
        reports: Kinds of report whose rows are looked at; those without an identifier are not.
    """
    wanted = np.any([table.is_of("report", name) for name in reports], axis=0)
    rows = np.flatnonzero(wanted & ~table.is_of("station", ""))
    names, station = np.unique(table.labels("station")[rows], return_inverse=True)
    latitude, longitude = table.latitude[rows], table.longitude[rows]
    order = np.lexsort((longitude, latitude, station))  # stable: the earliest row leads its place
    keys = np.stack([station, latitude, longitude])[:, order]
    begins = np.flatnonzero(np.any(np.diff(keys, prepend=np.nan) != 0, axis=0))
    counts = np.diff(begins, append=len(rows))
    first = order[begins]
    ranked = np.lexsort((first, -counts, station[first]))
    leads = np.flatnonzero(np.diff(station[first][ranked], prepend=-1))
    chosen = first[ranked][leads]
    of_rows = np.full(len(table), -1)
    of_rows[rows] = station
    return StationPlaces(names, latitude[chosen], longitude[chosen], of_rows)
