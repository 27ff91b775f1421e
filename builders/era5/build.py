"""Build the benchmark from the archives: ERA5, forecasts, rain gauges, satellite.

    python builders/era5/build.py --source wb2 --start 2018-01-01 --end 2022-12-31 --out dambench
    python builders/era5/build.py --recipe builders/era5/benchmark.yaml --out dambench --workers 8

Fields are read from the archives in segments, regridded, and kept in OUT/.build until the data set
is complete; a killed build, run again, goes on. README.md says what comes from where.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec

from dambench_hub.building.era5.alignment import MODES
from dambench_hub.building.era5.recipe import (
    BACKGROUNDS,
    CADENCES,
    SOURCES,
    Recipe,
    read_recipe,
    recipe_keys,
)
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channel
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.manifest import FORMATS

NEEDED = ("zarr", "gcsfs", "tenacity", "distributed")
"""Packages of the extra `era5` that every build needs."""


def build(args: argparse.Namespace) -> None:
    """Build the data set, or one part of its intermediate files."""
    for package in NEEDED:
        if find_spec(package) is None:
            raise BuildError(
                f"The package {package} is not installed: pip install 'dambench-hub[era5]'."
            )
    # Not at the top: these take seconds, and the packages above must be named first.
    from dambench_hub.building.builder import build_dataset
    from dambench_hub.building.era5.dataset import (
        ARCHIVE,
        bring_in_part,
        download,
        open_source,
        plan_of,
    )
    from dambench_hub.building.era5.ingestion import Patience, forget_gaps
    from dambench_hub.building.era5.streams import usable
    from dambench_hub.building.workspace import WORK
    from dambench_hub.runtime.workers import open_workers

    recipe = recipe_of(args)
    if args.download:
        download(recipe)
    times = usable(recipe)
    plan, patience = plan_of(recipe, times), Patience(gaps=args.max_gaps)
    with open_workers(args.workers, args.scheduler) as run:
        if args.part:
            bring_in_part(args.out, plan, recipe, times, run, patience, args.part)
            print(f"Part {args.part[0]} of {args.part[1]} is done; after all of them: --finalise")
            return
        if args.retry_gaps and (work := args.out / WORK).is_dir():
            print(f"{forget_gaps(work / ARCHIVE)} segments are read again.")
        source = partial(open_source, recipe, times, run, patience, args.finalise)
        manifest = build_dataset(args.out, plan, source, args.fresh, run)
    print(f"{args.out}: {manifest.name}, revision {manifest.revision}, {len(manifest.gaps)} gaps")


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe of the file and the options, which win."""
    changes = {key: value for key, value in vars(args).items() if key in recipe_keys()}
    if args.levels:
        levels = {None, *args.levels}
        changes["channels"] = [n for n in STANDARD_CHANNELS if parse_channel(n).level in levels]
    return read_recipe(args.recipe, changes)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--recipe", type=local_path, metavar="FILE", help="YAML with options of the data")
    add("--out", type=local_path, required=True, help="folder of the data set")

    data = parser.add_argument_group("data (keys of a recipe)").add_argument
    data("--source", choices=SOURCES, help="of the reference: WeatherBench 2, ARCO-ERA5, CDS")
    data("--path", metavar="URL_OR_DIR", help="of the source; default: the public store")
    data("--start", metavar="DATE", help="first day; default: where the splits begin")
    data("--end", metavar="DATE", help="last day")
    data("--name", help="of the data set (default: era5)")
    data("--background", choices=BACKGROUNDS, help="default: persistence")
    data("--background-path", metavar="P", help="name or store of forecasts, folder of FengWu")
    data("--precipitation", metavar="P", help="files of NOAA CPC unified precipitation")
    data("--olr", metavar="P", help="files of a daily outgoing longwave radiation product")
    data("--cadence", choices=CADENCES, help="24h, at 00 UTC (default), or 6h")
    data("--lead-hours", type=int, help="age of the background (default: 24)")
    data("--channels", nargs="+", metavar="NAME", help="default: the 69 standard channels")
    data("--levels", nargs="+", type=int, metavar="HPA", help="standard channels on these only")
    data("--grid", help="default: 121x240")
    data("--alignment", choices=MODES, help="of daily products (default: nominal)")
    data("--network", choices=("column", "stations"), help="default: column")
    data("--density", type=float, help="share of the grid that is observed (default: 0.05)")
    data("--error-scale", type=float, help="of observations (default: 0.25)")
    data("--seed", type=int, help="of observations (default: 0)")
    data("--format", choices=FORMATS, help="of the shards (default: parquet)")
    data(
        "--geography",
        action=argparse.BooleanOptionalAction,
        help="add land, heights, texts and relief pictures (default: yes)",
    )
    data("--keep-bits", type=int, metavar="N", help="round backgrounds to N bits of mantissa")

    work = parser.add_argument_group("work").add_argument
    work("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    work("--scheduler", metavar="ADDRESS", help="of a Dask cluster, instead of processes")
    work("--part", type=_part, metavar="n/m", help="bring in the n-th of m parts only")
    work("--finalise", action="store_true", help="complete what all the parts brought in")
    work("--max-gaps", type=float, default=0.02, help="share that may be missing (default: 0.02)")
    work("--retry-gaps", action="store_true", help="read again what was missing")
    work("--download", action="store_true", help="with --source cds: fetch missing files first")
    work("--fresh", action="store_true", help="delete an existing data set first")
    args = parser.parse_args(argv)
    if args.part and args.finalise:
        parser.error("--part and --finalise are one after the other, not together")
    return args


def _part(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"wanted is a part like 2/4, got {text!r}")
    return int(match[1]), int(match[2])


def main(argv: Sequence[str] | None = None) -> int:
    """Build; the exit code."""
    return exit_code(lambda: build(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
