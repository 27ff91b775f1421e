"""Build a data set of real station reports: python builders/synop/build.py --out synop.

The background is ECMWF's forecast of the temperature at 2 m, 48 hours old, valid on 20 November
2018 at 12 UTC; the observations are the surface reports from Europe of the same hour. There is no
reference field: a fifth of the stations is withheld, and analyses are scored against what these
measured. Stations are drawn by a hash of their identifiers, those within 5 km together. Withheld
reports passed only checks that do not know the forecast. The model's ground is a map of half a
degree; temperatures are compared at the height of the station, 6.5 K per km from the model's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr

from dambench_hub.building import Plan, Source, build_dataset
from dambench_hub.building.screening import screen
from dambench_hub.building.sources.reduced_gaussian import read_gaussian_field
from dambench_hub.building.sources.reports.synop import read_synop
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import BuildError
from dambench_hub.observations.latest_reports import latest_reports
from dambench_hub.observations.quality_control import check_reports
from dambench_hub.observations.window import Window
from dambench_hub.runtime.files import local_path, sha256
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.revision import CANONICAL, content_hash
from dambench_hub.storage.statistics import Statistics

HERE = Path(__file__).parent
CHANNEL, SHORT_NAME = "t2m", "2t"
WINDOW = Window(-3.0, 0.0)
EXPANSION = 1
"""Version of what is made of the files; another one makes another revision."""
ATTRIBUTION = (
    "Reports and forecast: ECMWF, from the examples of metview 1.16.2, Apache-2.0. Heights: ITU-R "
    "P.1511-1, from the package itur 0.4.0, MIT."
)


def read_elevation(path: Path) -> tuple[Grid, np.ndarray]:
    """Height of the ground above sea level, m, (Y, X), and its grid, which is the data set's.

    Raises:
        BuildError: When the file does not hold it.
    """
    try:
        found = xr.load_dataarray(path, engine="h5netcdf")
        grid = Grid.from_coordinates(found.latitude.values, found.longitude.values)
        if found.attrs.get("units") != "m" or found.dims != ("latitude", "longitude"):
            raise ValueError(f"dimensions {found.dims}, units {found.attrs.get('units')!r}")
    except (OSError, ValueError, AttributeError) as error:
        raise BuildError(
            f"{path} holds no elevation in m on latitude and longitude ({error}); wanted is a "
            "NetCDF-4 file like the one beside this script."
        ) from error
    return grid, found.values.astype(np.float32)


def build(args: argparse.Namespace) -> None:
    """Read forecast and reports, check them, withhold stations, and write the data set."""
    grid, elevation = read_elevation(args.elevation)
    forecast, reading = read_gaussian_field(args.background), read_synop(args.reports)
    if forecast.name != SHORT_NAME:
        raise BuildError(f"{args.background} holds {forecast.name}; wanted is {SHORT_NAME}, in K.")
    background = forecast.on(grid)[None]
    time = forecast.valid_time
    # Before all but the last are left out, a station's other reports tell where it stands.
    table = latest_reports(check_reports(reading.table).window(time, WINDOW))
    if not len(table):
        raise BuildError(
            f"{args.reports} has no reports in the window of {time}, the forecast's valid time; it "
            f"holds {reading.table}."
        )
    table, error_std = screen(
        table, background, (CHANNEL,), grid, elevation, args.withheld, args.seed
    )
    statistics = Statistics(
        mean=background.mean(axis=(1, 2), dtype=np.float64),
        std=background.std(axis=(1, 2), dtype=np.float64),
        background_error_std=error_std,
    )
    inputs = {"reports": args.reports, "background": args.background, "elevation": args.elevation}
    settings = {name: f"{path.name}, sha256 {sha256(path)}" for name, path in inputs.items()}
    settings |= {"withheld": str(args.withheld), "seed": str(args.seed)}
    plan = Plan(
        name="synop-europe",
        channels=(CHANNEL,),
        grid=grid,
        times={"test": np.array([time])},
        lead_hours=forecast.lead_hours,
        geography=True,
        reports_window=WINDOW,
        reference_is_reports=True,
        source={
            "title": "DAMBench: station reports from Europe",
            "description": __doc__.split("\n\n", 1)[1].strip(),
            "licence": "apache-2.0",
            "attribution": ATTRIBUTION,
            "command": "python builders/synop/build.py --out synop",
            "versions": {"eccodes": version("eccodes")},
            "statistics": "Mean and deviation are the background's over the grid; its error is "
            "estimated from the reports that are not withheld",
            "settings": settings | {"refused": dict(reading.refused)},
            # Rounding differs between processors, files and options do not.
            CANONICAL: {"index_sha256": content_hash(settings), "expansion": EXPANSION},
        },
    )
    source = Source(
        lambda split, index: {"background": background},
        orography=elevation,
        statistics=statistics,
        read_reports=lambda split: table,
    )
    manifest = build_dataset(args.out, plan, lambda work: source, args.fresh)
    print(f"{args.out}: {manifest.name}, revision {manifest.revision}")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=local_path, required=True, help="folder of the data set")
    parser.add_argument(
        "--reports",
        type=local_path,
        default=HERE / "synop_europe_20181120.bufr",
        help="another file of surface reports, BUFR",
    )
    parser.add_argument(
        "--background",
        type=local_path,
        default=HERE / "t2m_forecast_20181120.grib",
        help="another forecast of t2m on a reduced Gaussian grid, GRIB",
    )
    parser.add_argument(
        "--elevation",
        type=local_path,
        default=HERE / "elevation.nc",
        help="another height of the ground, NetCDF-4; its grid is that of the data set",
    )
    parser.add_argument("--withheld", type=float, default=0.2, help="share of the stations (0.2)")
    parser.add_argument("--seed", type=int, default=0, help="withhold other stations")
    parser.add_argument("--fresh", action="store_true", help="delete an existing data set first")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    args = parse_args(argv)
    return exit_code(lambda: build(args))


if __name__ == "__main__":
    sys.exit(main())
