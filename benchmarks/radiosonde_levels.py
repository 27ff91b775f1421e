"""What H misses between pressure levels, on real radiosondes.

    python benchmarks/radiosonde_levels.py

Of each sounding of a morning in December 2008, the values at the 13 standard levels are a state,
and `PointInterpolation` says from it what the sonde measured between them. The table has, by layer,
root mean squares of what it misses, and the error that the reader gives such a report, which has to
hold it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dambench_hub.building.sources.reports.temp import read_temp
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_LEVELS, VARIABLES
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.quality_control import check_reports
from dambench_hub.observations.table import ObservationTable
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code

SAMPLE = Path(__file__).parents[1] / "builders" / "synop" / "temp_20081208.bufr"
GRID = Grid(3, 4)
LAYERS = ((50, 150), (150, 300), (300, 500), (500, 700), (700, 850), (850, 1000))
"""hPa, top and bottom."""
NAMES = ("t", "u", "v", "q", "z")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("--input", type=local_path, default=SAMPLE, help="radiosondes, BUFR")
    return parser.parse_args(argv)


def misses(rows: ObservationTable, variable: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one sounding and variable: pressure in hPa, H(x) − y and σ_o between levels, (R,) each."""
    hectopascals = rows.pressure / 100
    at = {level: np.flatnonzero(np.isclose(hectopascals, level)) for level in STANDARD_LEVELS}
    levels = [level for level, found in at.items() if len(found) == 1]
    between = rows.where(~np.isclose(hectopascals[:, None], STANDARD_LEVELS).any(axis=1))
    if not levels or not len(between):
        return np.empty(0), np.empty(0), np.empty(0)
    values = rows.value[[at[level][0] for level in levels]].astype(np.float64)
    state = np.broadcast_to(values[:, None, None], (len(levels), *GRID.shape))
    H = PointInterpolation([f"{variable}{level}" for level in levels], GRID, between)
    pressure = between.pressure / 100
    # A level that was not reported leaves a gap that the state of a model does not have.
    below = np.searchsorted(STANDARD_LEVELS, pressure)
    near = np.array([set(STANDARD_LEVELS[max(n - 1, 0) : n + 1]) <= set(levels) for n in below])
    kept = H.seen & near
    return pressure[kept], (H(state) - between.value)[kept], between.error_std[kept]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    args = parse_args(argv)

    def run() -> None:
        table = check_reports(read_temp(args.input).table)
        table = table.where(table.quality == Quality.GOOD)
        stations = table.names("station")
        for variable in NAMES:
            of = table.where(table.is_of("variable", variable))
            parts = [
                misses(of.where(of.is_of("station", station)), variable)
                for station in track(stations, len(stations), variable)
            ]
            pressure, error, error_std = map(np.concatenate, zip(*parts, strict=True))
            print(f"{variable}, {VARIABLES[variable].units}, {len(error)} values between levels")
            for top, bottom in LAYERS:
                its = (pressure > top) & (pressure < bottom)
                missed, held = (np.sqrt(np.mean(x[its] ** 2)) for x in (error, error_std))
                print(f"  {top:4}-{bottom:<4} hPa  missed {missed:.3g}  held {held:.3g}")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
