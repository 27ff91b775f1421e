"""Aircraft in BUFR (AMDAR and the like): t, u and v where they fly, one row a level.

An aircraft measures pressure and reports it as an altitude of the standard atmosphere, from which
it is computed again where the message does not give it. Heights by satellite navigation are no
such altitude and are not used.

References:
    WMO-No. 306, volume I.2: templates 3 11 001, 3 11 005 and 3 11 010 (AMDAR), 3 11 008 (profiles).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dambench_hub.building.sources.reports.bufr import Subset, column, levels, read_subsets
from dambench_hub.building.sources.reports.headers import headers
from dambench_hub.building.sources.reports.reading import Reading, Reports, read_reports
from dambench_hub.building.sources.reports.wind import wind_components
from dambench_hub.coordinates.standard_atmosphere import pressure_at

SINGLE_LEVELS = 4
"""Category of table A: above the ground, not by satellite."""

AIRFRAME = (1008, 1110, 1006)
"""Registration, tail number, and else the number of the flight."""
PRESSURE, ALTITUDE = 7004, (7010, 7002, 10070)
"""Pa; m of the standard atmosphere: flight level, altitude, indicated altitude."""
TEMPERATURE, DIRECTION, SPEED = (12001, 12101), 11001, 11002
MEMBERS = (PRESSURE, *ALTITUDE, *TEMPERATURE, DIRECTION, SPEED)
"""Elements of a level; one that comes again is of the next."""


def read_aircraft(path: Path) -> Reading:
    """All reports from aircraft of a file of BUFR messages.

    Raises:
        BuildError: When the file cannot be opened, or ecCodes is not installed.
    """
    refused: Counter[str] = Counter()
    subsets = list(read_subsets(path, (SINGLE_LEVELS,), refused))
    return read_reports(_reports(subsets), refused)


def _reports(subsets: Sequence[Subset]) -> Reports:
    flights = [list(levels(subset, MEMBERS)) for subset in subsets]
    found = [level for flight in flights for level in flight]
    airframe = [next((s.texts[t] for t in AIRFRAME if t in s.texts), "") for s in subsets]
    header = replace(
        headers(subsets),
        station=np.array(airframe, str),
        elevation=np.full(len(subsets), np.nan),  # it has none
    ).at(np.repeat(np.arange(len(subsets)), [len(flight) for flight in flights]))
    pressure = column(found, PRESSURE)
    pressure = np.where(np.isnan(pressure), pressure_at(column(found, *ALTITUDE)), pressure)
    u, v = wind_components(column(found, DIRECTION), column(found, SPEED))
    values = {"t": column(found, *TEMPERATURE), "u": u, "v": v}
    return Reports("aircraft", header, values, pressure)
