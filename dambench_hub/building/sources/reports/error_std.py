"""Default standard deviations of observation errors, by report, variable and pressure.

They hold what the instrument errs by and what a grid cell cannot represent, and are prescribed, not
estimated: a method that knows better may replace the column.

References:
    ECMWF, IFS documentation CY25r1, part I, chapter 3: prescribed errors of conventional
    observations, as tabulated in DART's `ecmwf_obs_err_mod.f90` (release Manhattan, 2017), the
    source of all numbers here but for precipitation: 2 mm a day is our assumption.
"""

from __future__ import annotations

import numpy as np

from dambench_hub.building.sources.reports.humidity import specific_humidity
from dambench_hub.coordinates.constants import GRAVITY

AIR_DENSITY = 1.225
"""Of the standard atmosphere at the surface, kg m⁻³: pressure errors were given as heights."""

STATION_PRESSURE = 7.0 * AIR_DENSITY * GRAVITY
SHIP_PRESSURE = 11.5 * AIR_DENSITY * GRAVITY
"""Pa; errors of 7 and 11.5 m."""

LAND = {"t2m": 2.0, "u10": 3.0, "v10": 3.0, "ps": STATION_PRESSURE, "msl": STATION_PRESSURE}
SURFACE = {
    "synop": LAND | {"precipitation": 2.0},
    "metar": LAND | {"precipitation": 2.0},
    "gauge": {"precipitation": 2.0},
    "ship": {"t2m": 1.8, "u10": 2.4, "v10": 2.4, "ps": SHIP_PRESSURE, "msl": SHIP_PRESSURE}
    | {"precipitation": 2.0},
}
"""By report and variable, units of `OBSERVED_VARIABLES`."""

HECTOPASCALS = (10, 20, 30, 50, 70, 100, 150, 200, 250, 300, 400, 500, 700, 850, 1050)
SONDE_WIND = (4.5, 3.6, 3.3, 3.2, 3.2, 3.3, 3.4, 3.5, 3.5, 3.7, 3.5, 3.0, 2.5, 2.3, 2.3)
SONDE_TEMPERATURE = (2.5, 2.2, 2.0, 1.9, 1.8, 1.7, 1.6, 1.5, 1.5, 1.4, 1.2, 1.2, 1.3, 1.5, 1.7)
SONDE_HEIGHT = (
    *(40.0, 32.0, 25.0, 22.5, 19.5, 18.1, 15.2, 13.2, 11.8, 10.7, 9.8, 8.4, 5.2, 4.4, 4.3),
)
AIRCRAFT_WIND = (4.0,) * 11 + (3.5, 3.0, 2.5, 2.5)
AIRCRAFT_TEMPERATURE = (2.2, 2.0, 1.8, 1.6, 1.5, 1.4, 1.4, 1.4, 1.3, 1.3, 1.2, 1.2, 1.2, 1.3, 1.4)
LEVELS: dict[str, dict[str, tuple[float, ...]]] = {
    "temp": {"u": SONDE_WIND, "v": SONDE_WIND, "t": SONDE_TEMPERATURE}
    | {"z": tuple(GRAVITY * metres for metres in SONDE_HEIGHT)},
    "aircraft": {"u": AIRCRAFT_WIND, "v": AIRCRAFT_WIND, "t": AIRCRAFT_TEMPERATURE},
}
"""At the pressures of `HECTOPASCALS`; between them linear in ln p, beyond them constant."""

RELATIVE_HUMIDITY = 0.17
COLD, RELATIVE_HUMIDITY_COLD = 233.0, 0.28
"""Of relative humidity as a share of saturation, and below so many K, where sensors are slow."""


def error_std(
    report: str, variable: str, pressure: np.ndarray, temperature: np.ndarray
) -> np.ndarray:
    """Standard deviation of the observation error, units of `OBSERVED_VARIABLES`, (N,).

    Args:
        report: Who measured.
        variable: What.
        pressure: Pa, (N,), of variables on levels; not used of others.
        temperature: Of the air, K, (N,), for humidity; where it is NaN, 273.15 K.
    """
    if variable == "q":
        return _humidity_std(pressure, temperature)
    if variable in SURFACE.get(report, {}):
        return np.full(pressure.shape, SURFACE[report][variable])
    at = np.log(100.0 * np.array(HECTOPASCALS))
    return np.interp(np.log(pressure), at, LEVELS[report][variable])


def _humidity_std(pressure: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Of q, kg/kg: the error of relative humidity times q at saturation."""
    kelvin = np.clip(np.nan_to_num(temperature, nan=273.15), 180.0, 320.0)
    relative = np.where(kelvin < COLD, RELATIVE_HUMIDITY_COLD, RELATIVE_HUMIDITY)
    saturated = np.nan_to_num(specific_humidity(kelvin, pressure), nan=1.0)
    return relative * saturated
