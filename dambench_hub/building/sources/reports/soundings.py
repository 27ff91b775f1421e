"""Reports of levels above a station, of whatever archive."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dambench_hub.building.sources.reports.humidity import specific_humidity
from dambench_hub.building.sources.reports.reading import Header, Reports
from dambench_hub.building.sources.reports.wind import wind_components
from dambench_hub.coordinates.constants import GRAVITY

BELOW_GROUND = 10.0
"""m, by which the height of the lowest level may differ from the station's."""


def sounding_reports(
    header: Header,
    pressure: np.ndarray,
    measured: Mapping[str, np.ndarray],
    suspect: Mapping[str, np.ndarray] | None = None,
) -> Reports:
    """Levels as reports, with the variables of the state. L levels of any number of soundings.

    A geopotential below the station was computed, not measured, and is left out.

    Args:
        header: Who, where and when, of each level.
        pressure: Pa, (L,).
        measured: `temperature` and `dew_point` in K, `direction` in degrees, `speed` in m/s and
            `geopotential` in m² s⁻², (L,) each; NaN where one is missing.
        suspect: As in `Reports`.
    """
    u, v = wind_components(measured["direction"], measured["speed"])
    geopotential = measured["geopotential"]
    underground = geopotential < GRAVITY * (header.elevation - BELOW_GROUND)
    values = {
        "t": measured["temperature"],
        "u": u,
        "v": v,
        "q": specific_humidity(measured["dew_point"], pressure),
        "z": np.where(underground, np.nan, geopotential),
    }
    return Reports("temp", header, values, pressure, suspect=suspect or {})
