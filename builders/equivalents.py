"""Give backgrounds equivalents of precipitation and radiation, where their forecast has none.

    python builders/equivalents.py train dambench --out equivalents.safetensors
    python builders/equivalents.py add dambench --trained equivalents.safetensors --out dambench-2

The first trains an operator on pairs of reference and observation of the training split, each year
left out in turn, or each month where there is one year only. The second writes the data set again
with what it says of the backgrounds; killed, the same command goes on. The card of the new data set
says how well the operator does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dambench_hub.building.equivalents import add_equivalents, train_equivalents
from dambench_hub.building.trained_equivalents import TrainedEquivalents
from dambench_hub.data import load_data
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    train = steps.add_parser("train", help="train the operator")
    train.add_argument("data", help="data set folder or Hub id")
    train.add_argument("--out", type=local_path, required=True, metavar="FILE")
    complete = steps.add_parser("add", help="write the data set again, with equivalents")
    complete.add_argument("data", help="data set folder or Hub id")
    complete.add_argument("--trained", type=local_path, required=True, metavar="FILE")
    complete.add_argument("--out", type=local_path, required=True, metavar="FOLDER")
    complete.add_argument("--fresh", action="store_true", help="delete what is in FOLDER first")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    args = parse_args(argv)

    def train() -> None:
        trained = train_equivalents(load_data(args.data))
        trained.write(args.out)
        for modality, skill in trained.skill.items():
            said = ", ".join(f"{name} {value:.3g}" for name, value in skill.items())
            print(f"{modality}: {said}")
        print(args.out)

    def complete() -> None:
        trained = TrainedEquivalents.read(args.trained)
        manifest = add_equivalents(args.data, trained, args.out, fresh=args.fresh)
        print(f"{args.out}: {manifest.name}, revision {manifest.revision}")

    return exit_code(train if args.step == "train" else complete)


if __name__ == "__main__":
    sys.exit(main())
