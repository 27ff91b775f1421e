"""What can be measured at a point: names, units, and the values that are possible.

The state's own variables have the names and units of `coordinates/variables.py`; a value of one of
them that lies on a level has its pressure beside it, and not in its name.
"""

from __future__ import annotations

from dataclasses import dataclass

from dambench_hub.coordinates.variables import MODALITIES, VARIABLES


@dataclass(frozen=True)
class ObservedVariable:
    """A measured quantity.

    Attributes:
        name: As in the column `variable` of a table.
        long_name: Words for people.
        units: CF units.
        possible: Smallest and largest value that nature has; what lies outside is a gross error.
        on_levels: Whether it is measured at a pressure; if not, at the surface or from space.
    """

    name: str
    long_name: str
    units: str
    possible: tuple[float, float]
    on_levels: bool = False


POSSIBLE = {
    "u10": (-90.0, 90.0),
    "v10": (-90.0, 90.0),
    "t2m": (183.0, 333.0),
    "msl": (85_000.0, 109_000.0),
    "z": (-7_000.0, 500_000.0),
    "q": (0.0, 0.05),
    "u": (-200.0, 200.0),
    "v": (-200.0, 200.0),
    "t": (150.0, 333.0),
    "precipitation": (0.0, 2_000.0),
    "olr": (50.0, 400.0),
}
"""By variable, units of `coordinates/variables.py`: records of the Earth with a margin."""

OBSERVED_VARIABLES = {
    variable.name: variable
    for variable in (
        *(
            ObservedVariable(v.name, v.long_name, v.units, POSSIBLE[v.name], v.on_levels)
            for v in (*VARIABLES.values(), *MODALITIES.values())
        ),
        ObservedVariable("ps", "pressure at the station", "Pa", (40_000.0, 109_000.0)),
        ObservedVariable("brightness_temperature", "brightness temperature", "K", (50.0, 400.0)),
    )
}
"""What the column `variable` of a table may hold."""

REPORTS = ("synop", "metar", "ship", "temp", "aircraft", "satellite", "gauge")
"""What the column `report` may hold: who measures, after the WMO's names of messages."""
