"""Small tables of reports: one station at noon, but for what a test says."""

import numpy as np

from dambench_hub.observations.table import ObservationTable

NOON = np.datetime64("2018-11-20T12:00", "ms")
HOUR = np.timedelta64(1, "h")


def table_of(**columns) -> ObservationTable:
    defaults = {"time": NOON, "latitude": 50.0, "longitude": 8.0, "variable": "t2m"} | {
        "value": 280.0,
        "error_std": 1.0,
        "station": "10637",
        "report": "synop",
    }
    return ObservationTable.from_columns(**(defaults | columns))
