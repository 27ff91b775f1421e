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
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default="mini")
    args, options = parser.parse_known_args(argv)
    dambench(["build", args.preset, *options])


if __name__ == "__main__":
    main()
