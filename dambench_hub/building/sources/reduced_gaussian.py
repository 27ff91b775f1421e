"""A forecast field on ECMWF's reduced Gaussian grid, from GRIB, brought to a grid with poles.

Rows of a reduced grid have fewer points towards the poles. The field is interpolated linearly along
each row, then between rows; the poles have the mean of the row nearest to them. That is right for
grids about as fine as the file's, and finer; for much coarser ones it would sample, not average.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import BuildError

KEYS = ("shortName", "units", "gridType", "dataDate", "dataTime", "validityDate", "validityTime")
LAYOUT = {"bitmapPresent": 0, "iScansNegatively": 0, "jScansPositively": 0}
"""A value at every point, eastward, from the north."""


@dataclass(frozen=True, eq=False)
class GaussianField:
    """A forecast of one field. R rows of points.

    Attributes:
        name: ECMWF's short name, like `2t`.
        units: As the file has them.
        init_time: When the forecast started, datetime64[h].
        valid_time: When it is valid, datetime64[h].
        latitude: Of the rows, degrees, north to south, (R,).
        rows: Values of each row, eastward from longitude 0 in equal steps.
    """

    name: str
    units: str
    init_time: np.datetime64
    valid_time: np.datetime64
    latitude: np.ndarray
    rows: tuple[np.ndarray, ...]

    @property
    def lead_hours(self) -> int:
        """Age of the forecast at its valid time."""
        return int((self.valid_time - self.init_time) / np.timedelta64(1, "h"))

    def on(self, grid: Grid) -> np.ndarray:
        """The field on a grid with poles, (Y, X), float32."""
        columns = np.arange(grid.longitudes) / grid.longitudes
        by_row = np.stack(
            [np.interp(columns, np.arange(len(row)) / len(row), row, period=1) for row in self.rows]
        )
        poles = [np.full((1, grid.longitudes), self.rows[at].mean()) for at in (0, -1)]
        known = np.concatenate([[90.0], self.latitude, [-90.0]])
        values = np.concatenate([poles[0], by_row, poles[1]])
        place = np.interp(-grid.latitude, -known, np.arange(len(known)))
        north = np.minimum(place.astype(int), len(known) - 2)
        share = (place - north)[:, None]
        return ((1 - share) * values[north] + share * values[north + 1]).astype(np.float32)


def read_gaussian_field(path: Path) -> GaussianField:
    """The field of a file that holds one.

    Raises:
        BuildError: When the file cannot be read, holds several fields or none, or lies on another
            grid; or eccodes is not installed.
    """
    try:
        import eccodes
    except ImportError as error:
        raise BuildError(
            f"{path} needs eccodes: install it with pip install 'dambench-hub[observations]'."
        ) from error
    try:
        with path.open("rb") as file:
            message, further = (eccodes.codes_grib_new_from_file(file) for _ in range(2))
    except (OSError, eccodes.CodesInternalError) as error:
        raise BuildError(f"{path} cannot be read ({error}). Fetch it again.") from error
    if message is None or further is not None:
        many = "several messages" if message is not None else "no GRIB message"
        raise BuildError(f"{path} holds {many}; wanted is a single field, as `grib_copy -w` cuts.")
    try:
        found = {key: eccodes.codes_get(message, key) for key in KEYS}
        if found["gridType"] != "reduced_gg":
            raise BuildError(
                f"{path} lies on a grid of type {found['gridType']}; wanted is a reduced Gaussian "
                "one, as ECMWF's forecasts are stored."
            )
        laid_out = {key: eccodes.codes_get(message, key) for key in LAYOUT}
        if laid_out != LAYOUT:
            raise BuildError(
                f"{path} has values that are missing, or are not in rows eastward from the north "
                f"({laid_out}); wanted is {LAYOUT}, as ECMWF's forecasts are stored."
            )
        latitude = eccodes.codes_get_array(message, "distinctLatitudes")
        counts = eccodes.codes_get_array(message, "pl")
        values = eccodes.codes_get_values(message)
    except eccodes.CodesInternalError as error:
        raise BuildError(f"{path} is damaged ({error}). Fetch it again.") from error
    finally:
        eccodes.codes_release(message)
    return GaussianField(
        name=found["shortName"],
        units=found["units"],
        init_time=_time(found["dataDate"], found["dataTime"]),
        valid_time=_time(found["validityDate"], found["validityTime"]),
        latitude=np.sort(latitude)[::-1],
        rows=tuple(np.split(values, np.cumsum(counts)[:-1])),
    )


def _time(date: int, clock: int) -> np.datetime64:
    """From ecCodes' numbers, like 20181120 and 1200."""
    text = f"{date:08d}"
    day = np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}", "h")
    return day + np.timedelta64(clock // 100, "h")
