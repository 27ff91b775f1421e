"""The command `dambench build`; `builders/osse/build.py` is the same under another name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dambench_hub.errors import BuildError
from dambench_hub.runtime.files import local_path


def build(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="PRESET", help="tiny, mini or cycle, which come with the package; or t31."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", parser=local_path, help="Where it goes; new or empty."
        ),
    ],
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Add the members of validation and test (1.3 GB).")
    ] = False,
    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="parquet, arrow or hdf5.")
    ] = "parquet",
    density: Annotated[
        float, typer.Option("--density", help="Share of the grid that is observed.")
    ] = 0.05,
    error_scale: Annotated[
        float,
        typer.Option("--error-scale", help="In standard deviations of the background error."),
    ] = 0.25,
    network: Annotated[
        str,
        typer.Option(
            "--network",
            help="column: other points each day; stations: always the same; network: of those, a "
            "quarter sees more than the surface.",
        ),
    ] = "column",
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Another one is another world, simulated here.")
    ] = 0,
    soundings: Annotated[
        float,
        typer.Option(
            "--soundings",
            metavar="TIMES",
            help="Times as many stations of what backgrounds live on, 0.1 to 4: another world.",
        ),
    ] = 1.0,
    days: Annotated[
        int | None,
        typer.Option(
            "--days",
            metavar="N",
            help="Of training, for mini: more than its 180 are simulated here; the rest, and the "
            "board, stay the same. Up to 4140, those of all years from 2000 on.",
        ),
    ] = None,
    geography: Annotated[
        bool, typer.Option("--geography", help="Add land, heights, texts and relief pictures.")
    ] = False,
    configs: Annotated[
        str,
        typer.Option(
            "--configs",
            metavar="NAMES",
            help="With --format arrow: configs to write beside multimodal, separated by commas.",
        ),
    ] = "",
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes that simulate.")
    ] = os.cpu_count() or 1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete a data set that stands in --out first.")
    ] = False,
) -> None:
    r"""Make a data set: a twin experiment with a general circulation model.

    What comes with the package is the same everywhere, and there in seconds.
    Other seeds, other soundings and t31 are simulated: pip install "dambench-hub\[simulate]".
    Interrupted, the same command goes on where it stopped.
    """
    from dambench_hub.building.osse.build import build_world
    from dambench_hub.building.osse.dataset import world_of
    from dambench_hub.observations import ObservationSettings

    observations = {
        "network": network,
        "density": density,
        "error_scale": error_scale,
        "seed": seed,
    }
    try:
        manifest = build_world(
            world_of(preset, seed, days, soundings),
            out,
            ObservationSettings.from_dict(observations),
            file_format=format,
            configs=[name for name in configs.split(",") if name],
            geography=geography,
            ensemble=ensemble,
            workers=workers,
            fresh=fresh,
        )
    except KeyboardInterrupt:
        raise BuildError("Interrupted. Run the same command again to go on.") from None
    typer.echo(f"{out}: {manifest.name}, revision {manifest.revision}")
