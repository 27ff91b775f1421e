"""What precipitation and radiation say of the background's error: the page `departures.md`.

    python builders/osse/build.py --preset mini --out dambench
    python builders/osse/build.py --preset mini --soundings 0.3 --out sparse
    python builders/osse/build.py --preset mini --soundings 3 --out dense
    python benchmarks/departures.py --data dambench --other sparse dense --out departures.md

The data are the canonical `mini`: of its shipped states come the soundings that its backgrounds
live on, and what a satellite without errors would see. The other ones are simulated, in hours.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from string import Template

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from dambench_hub.building.osse.archive import Archive, owned
from dambench_hub.building.osse.canonical.index import canonical_index
from dambench_hub.building.osse.canonical.states import CanonicalStates
from dambench_hub.building.osse.soundings import sounding_network
from dambench_hub.building.osse.world import NETWORK, World
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.neighbourhoods import within_distances
from dambench_hub.data import Data, load_data
from dambench_hub.data.explained_errors import (
    BACKGROUND,
    OLR,
    RAIN,
    RAW_OLR,
    RAW_RAIN,
    Samples,
    explained_errors,
    read_samples,
)
from dambench_hub.errors import BuildError
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path, write_atomic
from dambench_hub.runtime.progress import track
from dambench_hub.runtime.signals import exit_code
from dambench_hub.storage.revision import CANONICAL

CHANNELS = ("t850", "q700", "v850", "u500", "msl", "t500", "z500", "q850")
SHOWN, MIDDLE = "t850", "20–60°"
NEAR_KM, FAR_KM = 500.0, 1000.0
"""From soundings: 500 km are less than a column of the grid at the equator."""
EARLIER, TOO_LITTLE = 0.34, 0.2
"""R² of t850 in an earlier world, and below which the page says that this one has less."""

PAGE = Path(__file__).with_name("departures_page.txt")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("--data", default="dambench", help="the canonical mini")
    parser.add_argument(
        "--other", nargs="*", default=[], metavar="DATA", help="worlds of other soundings"
    )
    parser.add_argument("--out", type=local_path, help="the page, Markdown; printed in any case")
    return parser.parse_args(argv)


def latitudes(grid: Grid) -> dict[str, np.ndarray]:
    """Area weights of each belt, (Y, X)."""
    latitude = np.abs(grid.latitude)
    belts = {
        "20° S–20° N": latitude <= 20,
        MIDDLE: (latitude > 20) & (latitude <= 60),
        "65–90°": latitude >= 65,
    }
    return {name: _on_grid(grid, rows * grid.weights) for name, rows in belts.items()}


def canonical_archive(data: Data) -> Archive:
    """The shipped states of a data set, refused if it is not the canonical mini."""
    world = World("mini", seed=0)
    index = canonical_index(world)
    if index is None or data.manifest.name != "osse-mini" or CANONICAL not in data.manifest.source:
        raise BuildError(
            f"{data.manifest.name} is not the canonical mini. Build that: dambench build mini "
            "--out dambench; then give --data dambench."
        )
    return Archive(world, data.grid, CanonicalStates(index, world.name))


def near_and_far(archive: Archive) -> dict[str, np.ndarray]:
    """Weights of what is near to a sounding, and of what is far from all, at 20–60°."""
    grid, nature = archive.grid, archive.views["reference"].post_processor
    land = nature.regrid(archive.states.geography["land"])
    stations = sounding_network(grid, land, archive.world.rng(NETWORK)).stations
    points = np.zeros(grid.shape, bool)
    points.flat[stations] = True
    near, reached = within_distances(points, grid, [NEAR_KM, FAR_KM])
    middle = latitudes(grid)[MIDDLE]
    within = f"within {NEAR_KM:.0f} km of one ({_share(near, middle)} of the area)"
    beyond = f"beyond {FAR_KM:.0f} km of all ({_share(~reached, middle)})"
    return {within: middle * near, beyond: middle * ~reached}


def true_olr(archive: Archive, split: str) -> np.ndarray:
    """OLR of the nature run, (1, N, Y, X)."""
    view, days = archive.views["reference"], len(archive.states.days[split])
    fields = (
        view.seen(owned(archive.states.fields(split, n), "reference")).olr
        for n in track(range(days), days, f"Nature's OLR, {split}")
    )
    return np.stack(list(fields))[None]


def by_predictor(train: Samples, test: Samples, grid: Grid) -> Iterator[str]:
    """The first table: what each says alone, by belt."""
    rows = [
        ("OLR departure", [OLR], OLR),
        ("OLR as measured", [RAW_OLR], OLR),
        ("both departures", [OLR, RAIN], OLR),
        ("precipitation departure, at gauges", [RAIN], RAIN),
        ("precipitation as measured, at gauges", [RAW_RAIN], RAIN),
        ("OLR departure, at gauges", [OLR], RAIN),
        ("both departures, at gauges", [OLR, RAIN], RAIN),
    ]
    yield from _head("belt", "from")
    found = {
        label: explained_errors(train, test, names, latitudes(grid), at=at)
        for label, names, at in rows
    }
    for belt in latitudes(grid):
        for label, shares in found.items():
            yield _row(belt, label, values=shares[belt])


def beside_the_background(train: Samples, test: Samples, grid: Grid) -> Iterator[str]:
    """The second table: what they add to what the background tells itself."""
    yield from _head("from")
    extras = {
        f"the {len(CHANNELS)} channels of the background": [],
        "these and OLR as measured": [RAW_OLR],
        "these and the OLR departure": [OLR],
        "these and both": [OLR, RAW_OLR],
    }
    for label, names in extras.items():
        shares = explained_errors(train, test, [BACKGROUND, *names], latitudes(grid), at=OLR)
        yield _row(label, values=shares[MIDDLE])


def by_neighbourhood(train: Samples, test: Samples, grid: Grid) -> Iterator[str]:
    """The third table: OLR departures of smaller and larger neighbourhoods."""
    yield from _head("neighbourhood")
    for radius in range(3):
        shares = explained_errors(train, test, [OLR], latitudes(grid), at=OLR, radius=radius)
        size = 2 * radius + 1
        yield _row(f"{size}×{size}", values=shares[MIDDLE])


def by_soundings(worlds: Sequence[tuple[Data, Samples, Samples]]) -> Iterator[str]:
    """The fourth table: worlds whose backgrounds live on fewer or more soundings."""
    yield from _head("soundings", f"error of {SHOWN}, K", "from")
    of = CHANNELS.index(SHOWN)
    for data, train, test in sorted(worlds, key=lambda world: soundings(world[0])):
        middle = latitudes(data.grid)[MIDDLE]
        square = np.average(np.square(test.errors[of]).mean(axis=0), weights=middle)
        scale = data.statistics.background_error_std[data.channels.index(SHOWN)]
        for label, name in ("OLR departure", OLR), ("OLR as measured", RAW_OLR):
            found = explained_errors(train, test, [name], {MIDDLE: middle}, at=OLR)
            error = f"{np.sqrt(square) * scale:.2f}"
            yield _row(f"× {soundings(data):g}", error, label, values=found[MIDDLE])


def soundings(data: Data) -> float:
    """How many times as many of them as usual the backgrounds of a data set live on."""
    return float(data.manifest.source["settings"].get("soundings", 1.0))


def by_distance(train: Samples, test: Samples, archive: Archive) -> Iterator[str]:
    """The fifth table: where the network of soundings is dense, and where it is empty."""
    yield from _head("where", "from")
    for region, weights in near_and_far(archive).items():
        for label, name in ("OLR departure", OLR), ("OLR as measured", RAW_OLR):
            found = explained_errors(
                train, test, [name], {region: weights}, at=OLR, within=weights > 0
            )
            yield _row(region, label, values=found[region])


def by_satellite(train: Samples, test: Samples, archive: Archive) -> Iterator[str]:
    """The last table: OLR departures of satellites that see better, or worse."""
    yield from _head("satellite")
    # Measured less true, by split.
    errors = [
        samples.predictors[RAW_OLR] - true_olr(archive, split)
        for samples, split in ((train, "train"), (test, "test"))
    ]
    for label, factor in ("errors of 2 %, as shipped", 1), ("no errors", 0), ("errors of 4 %", 2):
        seeing = [
            replace(s, predictors={OLR: s.predictors[OLR] + (factor - 1) * error})
            for s, error in zip((train, test), errors, strict=True)
        ]
        shares = explained_errors(*seeing, [OLR], latitudes(archive.grid), at=OLR)
        yield _row(label, values=shares[MIDDLE])


def verdict(train: Samples, test: Samples, grid: Grid) -> str:
    """What it comes to, in words."""
    of = CHANNELS.index(SHOWN)
    departure, raw, both = (
        explained_errors(train, test, names, latitudes(grid), at=OLR)[MIDDLE][of]
        for names in ([OLR], [RAW_OLR], [OLR, RAIN])
    )
    said = (
        f"At {MIDDLE} OLR departures explain {departure:.2f} of the variance of {SHOWN}'s error, "
        f"OLR as measured {raw:.2f}, departures of OLR and precipitation {both:.2f}."
    )
    if departure >= TOO_LITTLE:
        return said
    return said + (
        f" That is little; in an earlier world of this project it was {EARLIER}. There backgrounds "
        "were wrong by one scaled difference of weather, the same everywhere. The canonical ones "
        "are those of a cycled ensemble, and neither its soundings nor the satellite were tuned to "
        "make departures look useful: see [other networks](#other-networks)."
    )


def samples_of(data: Data) -> tuple[Samples, Samples]:
    """Of the training and of the test split."""
    train, test = (read_samples(data, split, CHANNELS) for split in ("train", "test"))
    return train, test


def page(args: argparse.Namespace) -> str:
    """Load, regress, and put the tables into the page."""
    data = load_data(args.data)
    train, test = samples_of(data)
    others = [(other, *samples_of(other)) for other in map(load_data, args.other)]
    archive = canonical_archive(data)
    tables = {
        "by_predictor": by_predictor(train, test, data.grid),
        "beside_the_background": beside_the_background(train, test, data.grid),
        "by_neighbourhood": by_neighbourhood(train, test, data.grid),
        "by_soundings": by_soundings([(data, train, test), *others]),
        "by_distance": by_distance(train, test, archive),
        "by_satellite": by_satellite(train, test, archive),
    }
    return Template(PAGE.read_text("utf-8")).substitute(
        {name: "\n".join(lines) for name, lines in tables.items()},
        other=" ".join([" --other", *args.other]) if args.other else "",
        name=data.manifest.name,
        revision=data.revision,
        verdict=verdict(train, test, data.grid),
        olr_there=f"{np.isfinite(test.predictors[OLR]).mean():.0%}",
        rain_there=f"{np.isfinite(test.predictors[RAIN]).mean():.0%}",
    )


def _on_grid(grid: Grid, rows: np.ndarray) -> np.ndarray:
    return np.broadcast_to(rows[:, None], grid.shape)


def _share(points: np.ndarray, weights: np.ndarray) -> str:
    return f"{np.sum(points * weights) / np.sum(weights):.0%}"


def _head(*labels: str) -> Iterator[str]:
    yield "| " + " | ".join([*labels, *CHANNELS]) + " |"
    yield "|" + "---|" * len(labels) + "---:|" * len(CHANNELS)


def _row(*labels: str, values: np.ndarray) -> str:
    shown = [f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−") for value in values]
    return "| " + " | ".join([*labels, *shown]) + " |"


def write(args: argparse.Namespace) -> None:
    """Print the page, and write it if there is a place for it."""
    text = page(args)
    print(text)
    if args.out:
        write_atomic(args.out, text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: write(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
