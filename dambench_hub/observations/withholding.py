"""Which stations are kept for scoring, and never given to a method.

A station is drawn by a hash of its identifier, keyed by the seed: the same on each machine, at all
times, and whatever other stations there are. Stations that stand together would tell a method what
it is scored on, so they share the draw of the first of their identifiers, in alphabetical order.
With one seed a smaller share is part of a larger one. Rows without an identifier are not withheld:
others of the same ship or aircraft would tell what they measured.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from dambench_hub.coordinates.places import chord, on_unit_sphere
from dambench_hub.errors import DataError
from dambench_hub.observations.station_places import FIXED_REPORTS, StationPlaces, station_places
from dambench_hub.observations.table import ObservationTable

PLACED = (*FIXED_REPORTS, "temp", "ship")
"""Reports of stations that have a place: platforms and moored buoys report as ships. What moves
passes by many stations, and is drawn alone."""


def withhold(
    table: ObservationTable, share: float, seed: int = 0, distance_km: float = 5.0
) -> ObservationTable:
    """The same rows with `withheld` set, for all rows of a station or for none.

    Give it the reports of all times at once: where a station stands is taken from all its rows.

    Args:
        table: R rows.
        share: Of the stations, 0 to 1; what is withheld comes near it as stations are many.
        seed: Makes another choice.
        distance_km: Stations this near to one another are withheld together, and so are those that
            a chain of such steps joins.

    Raises:
        DataError: When `share` is no share.
    """
    if not 0 <= share <= 1:
        raise DataError(f"The share of withheld stations is from 0 to 1, got {share}.")
    places = station_places(table, PLACED)
    still = _still(table, places, distance_km)
    names, of_rows = np.unique(table.labels("station"), return_inverse=True)
    if not len(names):
        return table
    drawn_as = dict(zip(names.tolist(), names.tolist(), strict=True))
    groups = _neighbours(places.latitude[still], places.longitude[still], distance_km)
    _, first = np.unique(groups, return_index=True)  # names of places ascend
    placed = places.names[still]
    drawn_as |= dict(zip(placed.tolist(), placed[first][groups].tolist(), strict=True))
    draws = np.array([uniform(drawn_as[name], seed) for name in names.tolist()])
    kept = (draws < share) & (names != "")
    return table.replace(withheld=kept[of_rows])


def uniform(identifier: str, seed: int) -> float:
    """A number in [0, 1) that belongs to an identifier: BLAKE2b, keyed by the seed."""
    digest = blake2b(identifier.encode(), digest_size=6, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") / 2**48


def _still(table: ObservationTable, places: StationPlaces, distance_km: float) -> np.ndarray:
    """Which places are of stations that do not move, int: all but those of ships under way."""
    away = table.is_of("report", "ship") & (places.away_km(table) > distance_km)
    return np.setdiff1d(np.arange(len(places.names)), places.station[away])


def _neighbours(latitude: np.ndarray, longitude: np.ndarray, distance_km: float) -> np.ndarray:
    """The group that each of S places belongs to, int, (S,)."""
    if not len(latitude):
        return np.empty(0, int)
    tree = cKDTree(on_unit_sphere(latitude, longitude))
    pairs = tree.query_pairs(chord(distance_km), output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(latitude),) * 2)
    return connected_components(graph, directed=False)[1]
