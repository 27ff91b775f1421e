"""How much better than the forecast is optimal interpolation at stations that it has not seen?

    python builders/synop/build.py --out synop
    python benchmarks/withheld_stations.py --data synop

Ten times, other stations are withheld from the reports of the task `synop`. All that is estimated
is estimated from the others. RMSE in K at withheld stations, of forecast and analysis, plain and
with weights that thin dense networks; with temperatures brought to the stations' heights, and as
they are. The last line has the forecast on an eighth of a degree, so as on its own grid.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.spatial import cKDTree

from dambench_hub.building.screening import screen
from dambench_hub.building.sources.reduced_gaussian import read_gaussian_field
from dambench_hub.building.sources.reports.synop import read_synop
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.places import on_unit_sphere
from dambench_hub.data import Data, load_data
from dambench_hub.metrics.station_scores import thinning_weights
from dambench_hub.models.station_interpolation import StationInterpolation
from dambench_hub.observations.point_interpolation import PointInterpolation
from dambench_hub.observations.quality import Quality
from dambench_hub.observations.table import ObservationTable
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code

FILES = Path(__file__).parents[1] / "builders" / "synop"
CHANNELS = ("t2m",)
FINE = Grid(1441, 2880)
"""Of an eighth of a degree: on it, the forecast is as on its own grid of about 0.56°."""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("--data", default="synop", help="what builders/synop/build.py made")
    parser.add_argument("--draws", type=int, default=10, help="choices of withheld stations (10)")
    parser.add_argument("--share", type=float, default=0.2, help="of the stations (0.2)")
    return parser.parse_args(argv)


def rmse(error: np.ndarray, weight: np.ndarray) -> float:
    """Root of the weighted mean square."""
    return float(np.sqrt(np.average(error**2, weights=weight)))


def errors(
    field: np.ndarray, grid: Grid, table: ObservationTable, elevation: np.ndarray | None
) -> np.ndarray:
    """H(x) − y, (R,)."""
    H = PointInterpolation(CHANNELS, grid, table, elevation)
    return H(field.astype(np.float64)) + H.offset - table.value


def draw(
    data: Data, table: ObservationTable, elevation: np.ndarray | None, share: float, seed: int
) -> dict[str, float]:
    """RMSE at withheld stations, K, by what has it."""
    background, grid = data.background("test", 0), data.grid
    table, _ = screen(table, background, CHANNELS, grid, elevation, share, seed)
    table = table.where(table.is_of("variable", "t2m") & (table.quality == Quality.GOOD))
    kept = table.where(table.withheld)
    batch = next(data.batches("synop"))
    given = table.where(~table.withheld)
    innovation = -errors(background, grid, given, elevation)
    order = np.random.default_rng(seed).permutation(len(given))
    shuffled = given.replace(value=given.value - innovation + innovation[order])

    def analysis(reports: ObservationTable) -> np.ndarray:
        sample = replace(batch, reports=(reports,), elevation=elevation)
        field = StationInterpolation().assimilate(sample).mean[0]
        return errors(field, grid, kept, elevation)

    forecast = errors(background, grid, kept, elevation)
    candidates = {
        "forecast": forecast,
        "analysis": analysis(given),
        "inverse distance": forecast + inverse_distance(given, innovation, kept),
        "shuffled reports": analysis(shuffled),
    }
    thin, plain = thinning_weights(kept.latitude, kept.longitude), np.ones(len(kept))
    found = {}
    for name, weight in (("plain", plain), ("thinned", thin)):
        found |= {f"{what}, {name}": rmse(error, weight) for what, error in candidates.items()}
        found[f"ratio, {name}"] = found[f"analysis, {name}"] / found[f"forecast, {name}"]
    return found


def inverse_distance(
    given: ObservationTable, innovation: np.ndarray, kept: ObservationTable
) -> np.ndarray:
    """Mean innovation around each withheld station, by 1 / distance² of the ten nearest, K."""
    tree = cKDTree(on_unit_sphere(given.latitude, given.longitude))
    distance, nearest = tree.query(on_unit_sphere(kept.latitude, kept.longitude), 10)
    weight = 1 / np.maximum(distance, 1e-4) ** 2
    return (weight * innovation[nearest]).sum(axis=1) / weight.sum(axis=1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    args = parse_args(argv)

    def run() -> None:
        data = load_data(args.data)
        table = read_synop(FILES / "synop_europe_20181120.bufr").table
        for title, elevation in (("at their heights", data.elevation), ("as they are", None)):
            seeds = track(range(args.draws), args.draws, title)
            draws = [draw(data, table, elevation, args.share, seed) for seed in seeds]
            print(f"temperatures {title}, mean (standard deviation) over {args.draws} draws")
            for name in draws[0]:
                values = np.array([found[name] for found in draws])
                print(f"  {name:20} {values.mean():.3f} ({values.std(ddof=1):.3f})")
        every = table.where(table.is_of("variable", "t2m"))
        fine = read_gaussian_field(FILES / "t2m_forecast_20181120.grib").on(FINE)[None]
        for name, field, grid in (
            (str(data.grid), data.background("test", 0), data.grid),
            ("its own grid", fine, FINE),
        ):
            error = errors(field, grid, every, None)
            value = rmse(error, np.ones(len(error)))
            print(f"forecast on {name}, all {len(every)} stations as they are: {value:.3f}")

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
