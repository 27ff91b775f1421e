"""Build a small data set of real ERA5: python builders/era5_sample/build.py --out era5_sample.

The input holds analyses of ERA5's ensemble of data assimilations, twelve hours apart. The reference
of an example is one member at one time; its background is the same member 24 hours earlier
(persistence). The last valid time of member 0 is the test split; all earlier times train, but for
member 0, which validates. Nothing of the test time is in the other splits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dambench_hub.building import Fields, Plan, Source, build_dataset
from dambench_hub.building.examples import Reader
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.times import hours_since_epoch
from dambench_hub.coordinates.variables import VARIABLES
from dambench_hub.errors import BuildError
from dambench_hub.observations import ObservationSettings
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.manifest import FORMATS

SAMPLE = Path(__file__).with_name("era5_eda_2017.nc")
LEAD = np.timedelta64(24, "h")
DIMENSIONS = ("member", "time", "level", "latitude", "longitude")
UNITS = {"z": {"m2 s-2", "m**2 s**-2"}, "t": {"K"}, "level": {"hPa", "millibars", "mb"}}


def read_analyses(path: Path) -> tuple[xr.Dataset, Grid]:
    """Open the input and check that it has the sample's form.

    Raises:
        BuildError: When it has not; the message says what differs.
    """
    try:
        analyses = xr.load_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} cannot be read as NetCDF-4 ({error}).") from error
    for name in ("z", "t"):
        if name not in analyses:
            raise BuildError(f"{path} has no variable {name!r}; it has {', '.join(analyses)}.")
        if set(analyses[name].dims) != set(DIMENSIONS):
            raise BuildError(
                f"{path}: {name} has dimensions {analyses[name].dims}, wanted {DIMENSIONS}."
            )
        if analyses[name].attrs.get("units") not in UNITS[name]:
            raise BuildError(
                f"{path}: {name} has units {analyses[name].attrs.get('units')!r}, "
                f"wanted {VARIABLES[name].units!r}."
            )
    for name in DIMENSIONS[1:]:
        if name not in analyses.coords:
            raise BuildError(f"{path} has no coordinate {name!r}.")
    if analyses.time.dtype.kind != "M":
        raise BuildError(f"{path}: time is not a date; wanted units like 'hours since 1900-01-01'.")
    hours_since_epoch(analyses.time.values)
    levels, units = analyses.level.values, analyses.level.attrs.get("units", "hPa")
    if units not in UNITS["level"] or np.any(levels != np.round(levels)):
        raise BuildError(f"{path}: level must be whole hPa, got {levels} {units}.")
    for name in ("title", "source", "licence"):
        if name not in analyses.attrs:
            raise BuildError(f"{path} has no attribute {name!r}; the card must say it.")
    grid = Grid.from_coordinates(analyses.latitude.values, analyses.longitude.values)
    return analyses[["z", "t"]].transpose(*DIMENSIONS).sortby(["level", "time"]), grid


def split_examples(analyses: xr.Dataset) -> dict[str, list[tuple[np.datetime64, int]]]:
    """(valid time, position of the member) of each example.

    Raises:
        BuildError: When fewer than two times have an analysis 24 hours earlier, or there is only
            one member.
    """
    times = analyses.time.values.astype("datetime64[h]")
    valid = [time for time in times if time - LEAD in times]
    if len(valid) < 2 or analyses.sizes["member"] < 2:
        raise BuildError(
            f"The input has {len(valid)} times with an analysis 24 hours earlier and "
            f"{analyses.sizes['member']} members; at least 2 of each are needed."
        )
    *earlier, last = valid
    others = range(1, analyses.sizes["member"])
    return {
        "train": [(time, member) for time in earlier for member in others],
        "validation": [(time, 0) for time in earlier],
        "test": [(last, 0)],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and build."""
    return exit_code(lambda: build(parse_args(argv)))


def build(args: argparse.Namespace) -> None:
    """Read the input, split it, and write the data set."""
    analyses, grid = read_analyses(args.input)
    examples = split_examples(analyses)
    levels = [int(level) for level in analyses.level.values]
    plan = Plan(
        name="era5-sample",
        channels=tuple(f"{name}{level}" for name in ("z", "t") for level in levels),
        grid=grid,
        times={split: np.array([time for time, _ in pairs]) for split, pairs in examples.items()},
        source={
            "title": "DAMBench: a sample of real ERA5",
            "description": __doc__.split("\n\n", 1)[1].strip(),
            "licence": "cc-by-4.0",
            "attribution": f"{analyses.source}. {analyses.licence}",
            "command": "python builders/era5_sample/build.py --out era5_sample",
            "settings": {"background": "persistence", "input": analyses.title},
        },
        observations=ObservationSettings(seed=args.seed),
        format=args.format,
        configs=tuple(args.configs),
    )
    manifest = build_dataset(
        args.out, plan, lambda work: Source(reader(analyses, examples)), args.fresh
    )
    print(f"{args.out}: {manifest.name}, revision {manifest.revision}")


def reader(analyses: xr.Dataset, examples: dict[str, list[tuple[np.datetime64, int]]]) -> Reader:
    """How `build_dataset` gets the fields of one example."""

    def state(time: np.datetime64, member: int) -> np.ndarray:
        at = analyses.isel(member=member).sel(time=time)
        return np.concatenate([at[name].values for name in ("z", "t")]).astype("f4")

    def read(split: str, index: int) -> Fields:
        time, member = examples[split][index]
        return {"reference": state(time, member), "background": state(time - LEAD, member)}

    return read


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=local_path, required=True, help="folder of the data set")
    parser.add_argument(
        "--input",
        type=local_path,
        default=SAMPLE,
        help="another NetCDF-4 file with z and t (member, time, level, latitude, longitude)",
    )
    parser.add_argument("--format", choices=FORMATS, default="parquet", help="shard format")
    parser.add_argument(
        "--configs",
        nargs="*",
        default=(),
        help="with --format arrow: configs to write beside multimodal",
    )
    parser.add_argument("--seed", type=int, default=0, help="other observations")
    parser.add_argument("--fresh", action="store_true", help="delete an existing data set first")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
