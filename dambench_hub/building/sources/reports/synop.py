"""Surface reports in BUFR: SYNOP from land, SHIP and buoys from sea.

What is read: t2m, u10 and v10, ps, msl, and precipitation where it is a total of 24 hours, which is
then a mean in mm/day; totals of other periods are left out, since they are of another day. A trace
is 0 mm.

References:
    WMO-No. 306, volume I.2: templates 3 07 080 (SYNOP), 3 08 009 (SHIP), 3 15 009 (buoys), and
    ECMWF's 3 07 005 and 3 07 007, whose elements are said to be at 2 and 10 m.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dambench_hub.building.sources.reports.bufr import Subset, read_subsets
from dambench_hub.building.sources.reports.headers import headers
from dambench_hub.building.sources.reports.reading import (
    Reading,
    Refusal,
    Reports,
    join,
    read_reports,
)
from dambench_hub.building.sources.reports.wind import wind_components

REPORT = {0: "synop", 1: "ship"}
"""By category of table A: surface data from land and from sea."""

ELEMENTS = {
    "ps": (10004,),
    "msl": (10051,),
    "t2m": (12004,),
    "direction": (11011,),
    "speed": (11012,),
    "precipitation": (13023,),
}
"""Elements that say by themselves where and how long; K, Pa, m/s, degrees, kg m⁻²."""

SENSOR_HEIGHT = (7032, 7033)
"""Of what follows, m above the ground or the sea."""
SENSORS = {
    "t2m": ((12101, 12001), (1.0, 3.0)),
    "direction": ((11001,), (8.0, 12.0)),
    "speed": ((11002,), (8.0, 12.0)),
}
"""Elements whose height is said before them, and between which heights they are taken for values
at 2 and 10 m; so they are where none is said, as regulations ask for these."""

HOURS, RAIN = 4024, 13011
BAROMETER = 7031
"""Its height above sea level, m; the station's where it is not given."""


def read_synop(path: Path) -> Reading:
    """All surface reports of a file of BUFR messages.

    Raises:
        BuildError: When the file cannot be opened, or ecCodes is not installed.
    """
    refused: Counter[str] = Counter()
    subsets = list(read_subsets(path, tuple(REPORT), refused))
    of_kinds = [
        _reports(report, [subset for subset in subsets if subset.category == category], refused)
        for category, report in REPORT.items()
    ]
    return join([read_reports(reports) for reports in of_kinds], refused)


def _reports(report: str, subsets: Sequence[Subset], refused: Counter[str]) -> Reports:
    measured = [_measured(subset, refused) for subset in subsets]
    values = {name: np.array([one[name] for one in measured], float) for name in ELEMENTS}
    u10, v10 = wind_components(values.pop("direction"), values.pop("speed"))
    values["precipitation"] = np.where(  # a trace is coded as -0.1
        values["precipitation"] == -0.1, 0.0, values["precipitation"]
    )
    header = headers(subsets)
    barometer = np.array([subset.first(BAROMETER) for subset in subsets], float)
    barometer = np.where(np.isnan(barometer), header.elevation, barometer)
    values |= {"u10": u10, "v10": v10}
    return Reports(report, header, values, elevations={"ps": barometer})


def _measured(subset: Subset, refused: Counter[str]) -> dict[str, float]:
    """Values of one report by the names of `ELEMENTS`; NaN where there is none."""
    values = {name: subset.first(*elements) for name, elements in ELEMENTS.items()}
    sensor, hours = np.nan, np.nan
    for descriptor, value in subset.elements:
        if descriptor in SENSOR_HEIGHT:
            sensor = value
        elif descriptor == HOURS:
            hours = value
        elif descriptor == RAIN and hours == -24 and np.isnan(values["precipitation"]):
            values["precipitation"] = value
        for name, (elements, (low, high)) in SENSORS.items():
            if descriptor in elements and value == value and np.isnan(values[name]):
                if sensor < low or sensor > high:
                    refused[Refusal.SENSOR] += 1
                else:
                    values[name] = value
    return values
