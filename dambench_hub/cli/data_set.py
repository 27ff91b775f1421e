"""The commands of a data set: `dambench tasks`, `info`, `verify` and `convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from dambench_hub.cli.options import DATA, DataArgument
from dambench_hub.cli.printing import print_rich
from dambench_hub.errors import DambenchError
from dambench_hub.runtime.files import local_path


def tasks(
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Mark the tasks it is fit for.")
    ] = None,
) -> None:
    """List the tasks."""
    from dambench_hub.cli.tables import tasks_table
    from dambench_hub.data.dataset import load_data
    from dambench_hub.tasks.task import task_names

    print_rich(tasks_table(task_names(), load_data(data) if data else None))


def info(data: DataArgument = DATA) -> None:
    """Describe a data set: grid, channels, splits, observations, licence."""
    from dambench_hub.cli.tables import info_tables
    from dambench_hub.data.dataset import load_data

    print_rich(info_tables(load_data(data)))


def verify(
    data: DataArgument = DATA,
    full: Annotated[
        bool, typer.Option("--full", help="Compare every byte, not only sizes.")
    ] = False,
) -> None:
    """Compare a data set's files with its manifest; exit code 1 if one is absent or changed."""
    from dambench_hub.data.dataset import load_data
    from dambench_hub.storage.manifest import Manifest

    here = local_path(data)
    folder = here if here.exists() else load_data(data).folder
    manifest = Manifest.read(folder)
    if damage := manifest.damage(folder, full):
        listed = "\n".join(f"- {sentence}" for sentence in damage)
        raise DambenchError(f"{data} is damaged:\n{listed}\nFetch or build the data set again.")
    compared = "every byte" if full else "all sizes"
    print_rich(
        f"[green]✓[/] {manifest.name}, revision {manifest.revision}: {compared} as in the manifest."
    )


def convert(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FOLDER", parser=local_path, help="Where it goes; new or empty."
        ),
    ],
    format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="parquet, arrow or hdf5.")
    ],
    data: DataArgument = DATA,
    configs: Annotated[
        list[str] | None,
        typer.Option(
            "--configs",
            metavar="NAMES",
            help="With arrow: configs to write beside multimodal, separated by commas. "
            "Default: those that DATA has.",
        ),
    ] = None,
    keep_bits: Annotated[
        int | None,
        typer.Option(
            "--keep-bits",
            metavar="N",
            help="Round the backgrounds' mantissas to N bits, for smaller files: 1 to 23; "
            "geopotential and pressure need 14 or more. `dambench info` shows the error.",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete a data set that stands in --out first.")
    ] = False,
) -> None:
    """Write a data set again in another format, with the same values.

    Interrupted, it goes on where it stopped when it is run again.
    """
    from dambench_hub.building.conversion import convert_dataset

    names = None if configs is None else [n for text in configs for n in text.split(",") if n]
    manifest = convert_dataset(
        data, out, format=format, configs=names, keep_bits=keep_bits, fresh=fresh
    )
    print_rich(
        f"[green]✓[/] {escape(str(out))}: {manifest.name} in {manifest.format}, revision "
        f"{manifest.revision}, converted from {manifest.source['converted_from']}."
    )
