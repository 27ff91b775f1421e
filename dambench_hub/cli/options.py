"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Prediction file, NetCDF-4 or safetensors.")
]
DataOption = Annotated[
    str, typer.Option("--data", metavar="DATA", help="Data set: a folder, or ORG/NAME on the Hub.")
]
DataArgument = Annotated[
    str, typer.Argument(metavar="DATA", help="Data set: a folder, or ORG/NAME on the Hub.")
]
TaskOption = Annotated[
    str | None, typer.Option("--task", metavar="TASK", help="Default: the task the file names.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
DATA = "dambench"
