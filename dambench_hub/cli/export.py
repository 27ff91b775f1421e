"""The command `dambench export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from dambench_hub.cli.options import DATA, DataOption, TaskOption
from dambench_hub.cli.printing import print_rich
from dambench_hub.errors import DambenchError
from dambench_hub.runtime.files import local_path


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_DATA",
            help="Prediction file, or a data set: a folder, or ORG/NAME on the Hub.",
        ),
    ],
    zarr: Annotated[
        Path,
        typer.Option(
            "--zarr", metavar="OUT", parser=local_path, help="The store; its name ends in .zarr."
        ),
    ],
    data: DataOption = DATA,
    task: TaskOption = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="SPLIT", help="Of a data set. Default: test."),
    ] = None,
    background: Annotated[
        bool,
        typer.Option("--background", help="Of a data set, its backgrounds, not its reference."),
    ] = False,
) -> None:
    """Write fields as Zarr with WeatherBench 2's names, for WeatherBench-X and xarray.

    Of a data set the reference of a split, or with --background its backgrounds; of a prediction
    file, made for --data, the analyses.
    """
    from dambench_hub.data.dataset import load_data
    from dambench_hub.interop.weatherbench import export_data, export_prediction, refuse_place
    from dambench_hub.predictions.reader import CONTAINERS

    refuse_place(zarr)
    place = local_path(source)
    if place.suffix not in CONTAINERS:
        export_data(load_data(source), split or "test", zarr, background=background)
    elif split or background:
        raise DambenchError(
            f"{source} is a prediction file; --split and --background are of data sets."
        )
    else:
        export_prediction(place, load_data(data), zarr, task)
    print_rich(f"[green]✓[/] {escape(str(zarr))}")
