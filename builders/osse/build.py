"""Build the embedded default data set: a twin experiment made by a general circulation model.

    python builders/osse/build.py --preset tiny|mini|cycle|t31 --out dambench

The same as `dambench build PRESET --out dambench`, which says what the other options are. README.md
says what is done and why.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dambench_hub.cli import main as dambench


def main(argv: Sequence[str] | None = None) -> None:
    """Build the data set."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="All other options are those of `dambench build`:",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("--preset", default="mini", help="tiny, mini (default), cycle or t31")
    parser.add_argument(
        "-h", "--help", action="store_true", help="show this and those of the other"
    )
    args, options = parser.parse_known_args(argv)
    if args.help:
        parser.print_help()
        options = ["--help"]
    dambench(["build", args.preset, *options])


if __name__ == "__main__":
    main()
