"""Of what a station reports several times in a window, the last counts for its end."""

from __future__ import annotations

import numpy as np

from dambench_hub.observations.quality import Quality
from dambench_hub.observations.row_groups import row_groups
from dambench_hub.observations.table import ObservationTable


def latest_reports(table: ObservationTable) -> ObservationTable:
    """The last good row of each station, variable and pressure, and all rows that are not good.

    For analyses of a single time at the end of the window: an earlier row is of other weather, and
    its errors are those of the later one. Identifiers are those of one kind of report; rows without
    one are told apart by their places.

    Args:
        table: R rows, ascending in time.
    """
    good = table.quality == Quality.GOOD
    unnamed = table.is_of("station", "")
    places = [np.where(unnamed, at, 0.0) for at in (table.latitude, table.longitude)]
    who = table.codes("report"), table.codes("station"), *places
    group = row_groups(*who, table.codes("variable"), table.pressure)
    last = np.full(len(table), -1)
    rows = np.flatnonzero(good)
    np.maximum.at(last, group[rows], rows)
    return table.where(~good | (last[group] == np.arange(len(table))))
