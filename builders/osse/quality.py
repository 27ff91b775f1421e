"""Say how good the backgrounds of a data set with an ensemble are, and draw it.

python builders/osse/quality.py --data dambench --split test --out results/backgrounds.png
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dambench_hub.data import load_data
from dambench_hub.data.background_quality import background_quality
from dambench_hub.errors import DataError
from dambench_hub.plots import plot_backgrounds
from dambench_hub.runtime.files import local_path, write_atomic
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, help="folder of the data set, or its Hub id")
    parser.add_argument("--splits", nargs="+", help="default: all with an ensemble")
    parser.add_argument("--channel", default="z500", help="of the maps (default: z500)")
    parser.add_argument("--out", type=local_path, help="the picture, a PNG file")
    parser.add_argument("--json", type=local_path, help="file for the figures")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures; the exit code."""

    def report() -> None:
        args = parse_args(argv)
        data = load_data(args.data)
        splits = args.splits or data.manifest.ensemble_splits
        if not splits:
            raise DataError(f"{data.manifest.name} has no ensemble; build it with --ensemble.")
        qualities = [background_quality(data, split) for split in splits]
        text = json.dumps([quality.to_dict() for quality in qualities], indent=1)
        print(text)
        if args.json:
            write_atomic(Path(args.json), text + "\n")
        if args.out:
            last, name = qualities[-1], data.manifest.name
            caption = f"{name}, revision {data.revision}  ·  {len(last.mse)} days"
            plot_backgrounds(last, data.grid, args.out, caption, args.channel)

    return exit_code(report)


if __name__ == "__main__":
    sys.exit(main())
