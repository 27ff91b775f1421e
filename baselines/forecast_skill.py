"""Compare an emulator's forecasts with persistence and climatology, lead by lead.

python baselines/forecast_skill.py runs/emulator --data dambench

Forecasts begin from references of a split, which is kinder than what any analysis gives, and are
verified where that split has a reference at their end. The climatology is that of the training
references: mean and first annual harmonic at each grid point, or the mean alone where they span
less than 300 days. `held_out` is what chose the best epoch, mostly the last part of the training
split; its climatology is that of the rest.

`activity` is how much weather the forecasts have, 1 being as much as the references: root mean
square anomaly from climatology, mean over the channels shown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table

from dambench_hub.coordinates.variables import parse_channel
from dambench_hub.data import Data, load_data
from dambench_hub.errors import TaskError, did_you_mean
from dambench_hub.models.devices import find_device
from dambench_hub.models.emulator import Emulator
from dambench_hub.runtime.command_line import parser_of, table_console
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.scoring.forecast_skill import (
    FORECASTS,
    LeadErrors,
    SeasonalClimatology,
    forecast_skill,
)
from dambench_hub.training.forecast_pairs import find_pairs

SHOWN = ("z500", "t850", "u500", "q700")
HELD_OUT = "held_out"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("emulator", metavar="FOLDER", help="of an emulator or of its training, or a Hub id")
    add("--data", default="dambench", help="data set folder or Hub id")
    add("--split", default="test", help="test (the default), validation or held_out")
    add("--leads", type=int, default=5, help="longest forecast, in steps (5)")
    add("--channels", nargs="+", metavar="NAME", help=f"shown ({' '.join(SHOWN)})")
    add("--device", default="auto", help="auto (a GPU, if any), cpu, cuda:1 …")
    args = parser.parse_args(argv)
    if args.leads < 1:
        parser.error("--leads must be at least 1")
    return args


def compare(args: argparse.Namespace) -> Table:
    """Load, forecast, verify; the table."""
    data = load_data(args.data)
    channels = args.channels or [name for name in SHOWN if name in data.channels]
    for name in channels:
        if name not in data.channels:
            raise TaskError(f"There is no channel {name!r}. {did_you_mean(name, data.channels)}")
    emulator = Emulator.from_pretrained(local_path(args.emulator), device=find_device(args.device))
    split, learned = args.split, np.arange(data.size("train"))
    if split == HELD_OUT:
        pairs = find_pairs(data)
        split, indices = pairs.held_out_split, np.union1d(pairs.held_out, pairs.held_out + 1)
        learned = np.union1d(pairs.learned, pairs.learned + 1)
    else:
        indices = np.arange(data.size(split))
    climatology = SeasonalClimatology.fit(data, learned)
    found = forecast_skill(emulator, data, split, indices, args.leads, climatology)
    kind = "seasonal climatology" if climatology.is_seasonal else "mean"
    title = f"RMSE of forecast / persistence / {kind}, {data.manifest.name}, {args.split}"
    return table_of(title, data, channels, emulator.step_hours, list(found))


def table_of(
    title: str,
    data: Data,
    channels: Sequence[str],
    step_hours: float,
    found: Sequence[tuple[int, LeadErrors]],
) -> Table:
    """A row for each lead."""
    at = [data.channels.index(name) for name in channels]
    table = Table(title=title, box=box.SIMPLE)
    for name in ("hours", "forecasts"):
        table.add_column(name, justify="right")
    for name in channels:
        table.add_column(f"{name}, {parse_channel(name).variable.units}", justify="right")
    table.add_column("activity", justify="right")
    for lead, errors in found:
        rmse = [errors.rmse(name)[at] for name in FORECASTS]
        cells = [
            " / ".join(f"{value:.3g}" for value in values) for values in zip(*rmse, strict=True)
        ]
        activity = f"{errors.activity[at].mean():.2f}"
        table.add_row(f"{lead * step_hours:g}", str(errors.count), *cells, activity)
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: table_console().print(compare(parse_args(argv))))


if __name__ == "__main__":
    sys.exit(main())
