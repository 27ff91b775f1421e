"""Radiosondes in BUFR: t, u, v, q and z at all levels that are reported, mandatory and significant.

Each level is a report of its own, with its pressure; where the message says how far the balloon had
drifted and when, it has that place and time, else those of the launch. Specific humidity comes from
the dew point. A geopotential below the station is computed, not measured, and left out.

References:
    WMO-No. 306, volume I.2: templates 3 09 052 (TEMP) and 3 09 007 (the same with less).
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
from dambench_hub.building.sources.reports.soundings import sounding_reports
from dambench_hub.coordinates.constants import GRAVITY

SOUNDINGS = 2
"""Category of table A."""

PRESSURE, SECONDS, NORTHWARD, EASTWARD = 7004, 4086, 5015, 6015
"""Pa; s since the launch; displacement since then, degrees."""
GEOPOTENTIAL, GEOPOTENTIAL_HEIGHT = (10003, 10008), 10009
"""m² s⁻², and geopotential metres."""
TEMPERATURE, DEW_POINT, DIRECTION, SPEED = (12001, 12101), (12003, 12103), 11001, 11002

MEMBERS = (
    *(PRESSURE, SECONDS, NORTHWARD, EASTWARD, *GEOPOTENTIAL, GEOPOTENTIAL_HEIGHT),
    *(*TEMPERATURE, *DEW_POINT, DIRECTION, SPEED),
)
"""Elements of a level; one that comes again is of the next."""


def read_temp(path: Path) -> Reading:
    """All radiosondes of a file of BUFR messages.

    Raises:
        BuildError: When the file cannot be opened, or ecCodes is not installed.
    """
    refused: Counter[str] = Counter()
    subsets = list(read_subsets(path, (SOUNDINGS,), refused))
    return read_reports(_reports(subsets), refused)


def _reports(subsets: Sequence[Subset]) -> Reports:
    """Each level is a report. L levels of all soundings."""
    profiles = [list(levels(subset, MEMBERS)) for subset in subsets]
    sounding = np.repeat(np.arange(len(subsets)), [len(profile) for profile in profiles])
    found = [level for profile in profiles for level in profile]
    launch = headers(subsets).at(sounding)
    geopotential = column(found, *GEOPOTENTIAL)
    height = GRAVITY * column(found, GEOPOTENTIAL_HEIGHT)
    measured = {
        "temperature": column(found, *TEMPERATURE),
        "dew_point": column(found, *DEW_POINT),
        "direction": column(found, DIRECTION),
        "speed": column(found, SPEED),
        "geopotential": np.where(np.isnan(geopotential), height, geopotential),
    }
    seconds, north, east = (np.nan_to_num(column(found, e)) for e in (SECONDS, NORTHWARD, EASTWARD))
    longitude = launch.longitude + east
    possible = np.abs(launch.longitude - 90) <= 270
    header = replace(
        launch,
        time=launch.time + np.round(1000 * seconds).astype("timedelta64[ms]"),
        latitude=launch.latitude + north,
        longitude=np.where(possible, longitude % 360, longitude),  # also across the date line
    )
    return sounding_reports(header, column(found, PRESSURE), measured)
