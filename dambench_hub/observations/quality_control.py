"""Checks of measured values. A value that fails one is kept, marked, counted, and not assimilated.

Each check says which rows fail, boolean (R,); `mark` writes the reason into the column `quality`,
where the first reason stays. `check_reports` makes those that need nothing but the table;
`far_from_background` needs a forecast, and so never judges a row that is withheld: a method would
be scored against observations that were chosen to be like the forecast it began with.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from dambench_hub.observations.duplicates import duplicates
from dambench_hub.observations.moved_stations import moved_stations
from dambench_hub.observations.observed_variables import OBSERVED_VARIABLES
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.row_groups import repetitions, row_groups
from dambench_hub.observations.table import ObservationTable

WINDS = (("u10", "v10"), ("u", "v"))
"""Components that were measured as one vector: if one is wrong, so is the other."""


def check_reports(table: ObservationTable, blacklist: Collection[str] = ()) -> ObservationTable:
    """The same rows, marked by all checks that know no forecast.

    A row that another check refused does not make a later one its duplicate, so that a correction
    takes the place of what it corrects.

    Args:
        table: Reports of the whole time that stations are judged by, the longer the better.
        blacklist: Identifiers of stations that are known to be wrong.
    """
    table = mark(table, blacklisted(table, blacklist), Quality.BLACKLISTED)
    table = mark(table, gross_errors(table), Quality.GROSS)
    table = mark(table, moved_stations(table), Quality.MOVED)
    return mark(table, duplicates(table), Quality.DUPLICATE)


def mark(table: ObservationTable, failed: np.ndarray, reason: Quality) -> ObservationTable:
    """The same rows, with `reason` where a check failed that found no other reason before.

    Args:
        table: R rows.
        failed: Which of them failed, boolean, (R,).
        reason: Why.
    """
    quality = np.where(failed & (table.quality == Quality.GOOD), reason, table.quality)
    return table.replace(quality=quality.astype(np.uint8))


def counts_by_reason(table: ObservationTable) -> dict[str, int]:
    """How many rows have which quality, `good` among them, for manifest and card."""
    codes, counts = np.unique(table.quality, return_counts=True)
    return {Quality(c).name.lower(): int(n) for c, n in zip(codes, counts, strict=True)}


def blacklisted(table: ObservationTable, stations: Collection[str]) -> np.ndarray:
    """Rows of stations that are known to be wrong, boolean, (R,)."""
    known = np.array([name in stations for name in table.names("station")], bool)
    return known[table.codes("station")] if len(known) else np.zeros(len(table), bool)


def gross_errors(table: ObservationTable) -> np.ndarray:
    """Rows whose value nature does not have, and other components of such a wind; boolean, (R,)."""
    names = table.names("variable")
    if not names:
        return np.zeros(len(table), bool)
    possible = np.array([OBSERVED_VARIABLES[name].possible for name in names])
    low, high = possible[table.codes("variable")].T
    return whole_winds(table, (table.value < low) | (table.value > high))


def far_from_background(
    table: ObservationTable,
    innovation: np.ndarray,
    background_std: np.ndarray | float,
    factor: float = 4.0,
) -> np.ndarray:
    """Rows that are farther from the background than both errors explain.

    |y − H(x^b)| > k √(σ_o² + σ_b²). Withheld rows never fail, see the module.

    Args:
        table: R rows, with σ_o in `error_std`.
        innovation: y − H(x^b), units of the values, (R,). NaN, as below the model's ground, passes.
        background_std: σ_b at the observations, the same units, (R,) or one number.
        factor: k.

    Returns:
        Which rows fail, with the other components of their winds, boolean, (R,).

    References:
        Järvinen and Undén (1997), ECMWF Technical Memorandum 236.
    """
    explained = np.sqrt(np.square(table.error_std, dtype=float) + np.square(background_std))
    failed = whole_winds(table, np.abs(innovation) > factor * explained)
    return failed & ~table.withheld


def whole_winds(table: ObservationTable, failed: np.ndarray) -> np.ndarray:
    """The rows that failed, and the other component of each wind among them, boolean, (R,).

    Where a station has several winds of one time, the first u belongs to the first v, and so on.
    """
    variable = table.labels("variable")
    vector = np.select([np.isin(variable, pair) for pair in WINDS], range(len(WINDS)), -1)
    winds = np.flatnonzero(vector >= 0)
    if not np.any(failed[winds]):
        return failed
    place = (table.time, table.latitude, table.longitude, table.pressure, table.codes("station"))
    here = row_groups(vector[winds], *(column[winds] for column in place))
    component = row_groups(here, table.codes("variable")[winds])
    measured = row_groups(here, repetitions(component))
    spoilt = np.zeros(len(winds), bool)
    np.logical_or.at(spoilt, measured, failed[winds])
    both = failed.copy()
    both[winds] = spoilt[measured]
    return both
