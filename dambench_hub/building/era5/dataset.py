"""The benchmark as a data set: what its plan says, and where its examples come from."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from dambench_hub.building.builder import begin_part
from dambench_hub.building.era5.alignment import MODES
from dambench_hub.building.era5.ingestion import Patience, Segments, absent, ingest
from dambench_hub.building.era5.recipe import Recipe
from dambench_hub.building.era5.streams import (
    BACKGROUNDS,
    STATES,
    archives,
    orography,
    product_names,
    regrid_methods,
    streams,
)
from dambench_hub.building.era5.triplets import Triplets
from dambench_hub.building.examples import Source
from dambench_hub.building.plan import Plan
from dambench_hub.building.sources.cds import download as cds
from dambench_hub.building.sources.fengwu.model import STEP_HOURS
from dambench_hub.coordinates.grids import Grid
from dambench_hub.coordinates.variables import STANDARD_CHANNELS
from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.workers import Run

ARCHIVE = "archive"
"""Folder of the segments, inside the folder for intermediate files."""

TITLES = {
    "persistence": "the state {lead} hours earlier (persistence)",
    "forecast": "a {lead}-hour forecast ({title})",
    "fengwu": "a {lead}-hour forecast of FengWu from ERA5",
}


def plan_of(recipe: Recipe, times: dict[str, np.ndarray]) -> Plan:
    """The data set that a recipe asks for."""
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
    folder, found = work / ARCHIVE, streams(recipe, times)
    if finalise and (left := absent(folder, list(found.values()))):
        raise BuildError(
            f"{len(left)} segments are missing, the first of {left[0][0].name} at "
            f"{left[0][0].segments[left[0][1]][0]}. Run the --part that has not ended, then this."
        )
    ingest(folder, list(found.values()), run, patience)
    segments = {name: Segments(folder, stream) for name, stream in found.items()}
    triplets = Triplets(
        times=times,
        states=segments.pop(STATES),
        backgrounds=segments.pop(BACKGROUNDS, None),
        products=segments,
        product_names=product_names(recipe),
        lead_hours=recipe.lead_hours,
        alignment=recipe.alignment,
    )
    heights = orography(recipe, times["train"][0]) if recipe.geography else None
    return Source(triplets.read, triplets.gaps(), heights)


def bring_in_part(
    out: Path,
    plan: Plan,
    recipe: Recipe,
    times: dict[str, np.ndarray],
    run: Run,
    patience: Patience,
    part: tuple[int, int],
) -> None:
    """Bring in the n-th of m parts of what `open_source` needs, into the folder of the data set."""
    with begin_part(out, plan, "part-{}-of-{}".format(*part)) as work:
        ingest(work / ARCHIVE, list(streams(recipe, times).values()), run, patience, part)


def download(recipe: Recipe) -> None:
    """Fetch the files of the Climate Data Store that are not there yet."""
    if recipe.source != "cds":
        raise BuildError("--download is for --source cds; the other sources are read in place.")
    fengwu = recipe.background == "fengwu"
    earlier = np.timedelta64(recipe.lead_hours, "h")
    valid = np.unique(np.concatenate(list(recipe.times().values())))
    times = np.union1d(valid, valid - earlier)
    if fengwu:
        times = np.union1d(times, valid - earlier - np.timedelta64(STEP_HOURS, "h"))
    channels = STANDARD_CHANNELS if fengwu else recipe.channels
    grid = Grid(721, 1440) if fengwu else Grid.parse(recipe.grid)
    cds.download(local_path(str(recipe.path)), cds.requests(channels, times, grid))
