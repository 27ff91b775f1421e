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
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.building.builder import Source, begin_part, build_dataset
from dambench_hub.building.era5.alignment import MODES
from dambench_hub.building.era5.ingestion import (
    Patience,
    Segments,
    Stream,
    absent,
    forget_gaps,
    ingest,
)
from dambench_hub.building.era5.recipe import (
    BACKGROUNDS,
    CADENCES,
    SOURCES,
    Recipe,
    read_recipe,
    recipe_keys,
)
from dambench_hub.building.era5.triplets import Triplets
from dambench_hub.building.plan import Plan
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS, parse_channel
from dambench_hub.errors import BuildError
from dambench_hub.runtime.signals import exit_code
from dambench_hub.runtime.workers import Run, open_workers
from dambench_hub.storage.manifest import FORMATS

ARCHIVE = "archive"
"""Folder of the segments, inside the folder for intermediate files."""

NEEDED = ("zarr", "gcsfs", "tenacity", "distributed")
"""Packages of the extra `era5` that every build needs."""

TITLES = {
    "persistence": "the state {lead} hours earlier (persistence)",
    "forecast": "a {lead}-hour forecast ({title})",
    "fengwu": "a {lead}-hour forecast of FengWu from ERA5",
}


def plan_of(recipe: Recipe, times: dict[str, np.ndarray]) -> Plan:
    """The data set that a recipe asks for."""
    from dambench_hub.building.era5.streams import archives, regrid_methods

    found, methods = archives(recipe, times), regrid_methods(recipe)
    background = TITLES[recipe.background].format(
        lead=recipe.lead_hours, title=found.get("background", {}).get("title")
    )
    commercial = all(archive.get("commercial", True) for archive in found.values())
    return Plan(
        name=recipe.name,
        channels=recipe.channels,
        grid=Grid.parse(recipe.grid),
        times=times,
        modalities=tuple(recipe.modalities),
        lead_hours=recipe.lead_hours,
        alignment=recipe.alignment,
        observations=recipe.observations(),
        format=recipe.format,
        keep_bits=recipe.keep_bits,
        geography=recipe.geography,
        source={
            "kind": "era5",
            "title": f"DAMBench: {recipe.name}",
            "description": (
                f"Triplets from real archives. The reference is {found['reference']['title']}, the "
                f"background {background}. {MODES[recipe.alignment]} Examples whose inputs reach "
                "into another split are left out."
            ),
            "licence": "cc-by-4.0" if commercial else "cc-by-nc-sa-4.0",
            "attribution": " ".join(
                dict.fromkeys(archive["attribution"] for archive in found.values())
            ),
            "background": background,
            "citation": "; ".join(dict.fromkeys(a["citation"] for a in found.values())),
            "command": "python builders/era5/build.py --recipe RECIPE --out dambench",
            "versions": {name: version(name) for name in ("numpy", "scipy", "xarray", "zarr")},
            "settings": recipe.settings(),
            "archives": {name: _described(a, methods.get(name)) for name, a in found.items()},
        },
    )


def _described(archive: dict[str, Any], method: str | None) -> dict[str, Any]:
    """What the manifest says of an archive."""
    keys = ("title", "source", "licence", "attribution", "citation", "address", "stage", "model")
    described = {key: str(archive[key]) for key in keys if archive.get(key)}
    return described | {"regridding": method or "as the reference"}


def open_source(
    recipe: Recipe,
    times: dict[str, np.ndarray],
    run: Run,
    patience: Patience,
    finalise: bool,
    work: Path,
) -> Source:
    """Bring in what is missing, or refuse to when the parts should have; the examples."""
    from dambench_hub.building.era5.streams import orography, product_names, streams

    folder, found = work / ARCHIVE, streams(recipe, times)
    if finalise and (left := absent(folder, list(found.values()))):
        raise BuildError(
            f"{len(left)} segments are missing, the first of {left[0][0].name} at "
            f"{left[0][0].segments[left[0][1]][0]}. Run the --part that has not ended, then this."
        )
    ingest(folder, list(found.values()), run, patience)
    triplets = put_together(recipe, times, folder, found, product_names(recipe))
    heights = orography(recipe, times["train"][0]) if recipe.geography else None
    return Source(triplets.read, triplets.gaps(), heights)


def put_together(
    recipe: Recipe,
    times: dict[str, np.ndarray],
    folder: Path,
    found: dict[str, Stream],
    products: dict[str, str],
) -> Triplets:
    """The examples of the segments in a folder."""
    segments = {name: Segments(folder, stream) for name, stream in found.items()}
    return Triplets(
        times=times,
        states=segments.pop("states"),
        backgrounds=segments.pop("backgrounds", None),
        products=segments,
        product_names=products,
        lead_hours=recipe.lead_hours,
        alignment=recipe.alignment,
    )


def build(args: argparse.Namespace) -> None:
    """Build the data set, or one part of its intermediate files."""
    for package in NEEDED:
        if find_spec(package) is None:
            raise BuildError(
                f"The package {package} is not installed: pip install 'dambench-hub[era5]'."
            )
    from dambench_hub.building.era5.streams import streams, usable

    recipe = recipe_of(args)
    if args.download:
        download(recipe)
    times = usable(recipe)
    plan, patience = plan_of(recipe, times), Patience(gaps=args.max_gaps)
    with open_workers(args.workers, args.scheduler) as run:
        if args.part:
            with begin_part(args.out, plan, "part-{}-of-{}".format(*args.part)) as work:
                ingest(
                    work / ARCHIVE,
                    list(streams(recipe, times).values()),
                    run,
                    patience,
                    args.part,
                )
            print(f"Part {args.part[0]} of {args.part[1]} is done; after all of them: --finalise")
            return
        if args.retry_gaps and (args.out / ".build").is_dir():
            print(f"{forget_gaps(args.out / '.build' / ARCHIVE)} segments are read again.")
        source = partial(open_source, recipe, times, run, patience, args.finalise)
        manifest = build_dataset(args.out, plan, source, args.fresh, run)
    print(f"{args.out}: {manifest.name}, revision {manifest.revision}, {len(manifest.gaps)} gaps")


def download(recipe: Recipe) -> None:
    """Fetch the files of the Climate Data Store that are not there yet."""
    from dambench_hub.building.sources.cds.download import download, requests

    if recipe.source != "cds":
        raise BuildError("--download is for --source cds; the other sources are read in place.")
    fengwu = recipe.background == "fengwu"
    earlier = np.timedelta64(recipe.lead_hours, "h")
    valid = np.unique(np.concatenate(list(recipe.times().values())))
    times = np.union1d(valid, valid - earlier)
    if fengwu:
        times = np.union1d(times, valid - earlier - np.timedelta64(6, "h"))
    channels = STANDARD_CHANNELS if fengwu else recipe.channels
    grid = Grid(721, 1440) if fengwu else Grid.parse(recipe.grid)
    download(Path(str(recipe.path)), requests(channels, times, grid))


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
    add("--recipe", type=Path, metavar="FILE", help="YAML with any of the options of the data")
    add("--out", type=Path, required=True, help="folder of the data set")

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
    args = parse_args(argv)
    return exit_code(lambda: build(args))


if __name__ == "__main__":
    sys.exit(main())
