"""Set the cycles of several methods beside one another, as a table and a picture.

    python baselines/compare_cycles.py results/*.errors.nc --out results/cycles.png

The files are those that baselines/cycle.py writes beside its prediction files. Errors are in
units of what a random day of the season is wrong by, mean over levels, then over variables.
Forecasts are those from analyses that all of them made forecasts from. Backgrounds rank.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dambench_hub.cycling import CycleRecord, on_common_starts
from dambench_hub.cycling.table import comparison_table
from dambench_hub.errors import DataError
from dambench_hub.plots import plot_cycles
from dambench_hub.runtime.command_line import parser_of, table_console
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("records", nargs="+", type=local_path, metavar="FILE", help="*.errors.nc")
    parser.add_argument("--out", type=local_path, help="picture to draw, .png, .svg or .pdf")
    parser.add_argument("--discard", type=int, default=10, help="cycles left out as spin-up (10)")
    args = parser.parse_args(argv)
    if args.discard < 0:
        parser.error("--discard must be at least 0")
    if args.out and args.out.suffix not in (".png", ".svg", ".pdf"):
        parser.error(f"--out must end in .png, .svg or .pdf, got {args.out}")
    return args


def compare(args: argparse.Namespace) -> None:
    """Print the table, draw the picture."""
    records = [CycleRecord.read(path) for path in args.records]
    require_comparable(records)
    records = on_common_starts(records)
    table_console().print(comparison_table(records, args.discard))
    if args.out:
        print(plot_cycles(records, args.out, args.discard))


def require_comparable(records: Sequence[CycleRecord]) -> None:
    """Refuse cycles of other days or channels.

    Raises:
        DataError: When there are some.
    """
    first = records[0]
    for other in records[1:]:
        if list(other.times) != list(first.times) or other.channels != first.channels:
            raise DataError(
                f"The cycles of {first.method} and {other.method} are of other days or channels "
                f"({first.times[0]} and {other.times[0]}, {len(first.channels)} and "
                f"{len(other.channels)}); compare cycles of one data set."
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: compare(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
