"""Write the card of a trained model: README.md, training.yaml and .eval_results/.

    dambench score fnp.nc --data dambench --json > scores.json
    python baselines/card.py runs/fnp --scores scores.json --data dambench --dataset-id ORG/NAME

The text is that of baselines/METHOD/README.md. What is not given is left out: without --scores the
card has no scores; without --dataset-id there is no entry for the Hub's leaderboard, which wants
the id of the data set. With --data, scores of another data set are refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dambench_hub.data import load_data
from dambench_hub.models import MULTI
from dambench_hub.models.card import LICENSE, Scored, write_model_card
from dambench_hub.models.pretrained import read_method, trained_folder
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=local_path, help="a trained model, or its training run")
    parser.add_argument(
        "--scores", type=local_path, nargs="+", default=[], metavar="JSON", help="one for each task"
    )
    parser.add_argument("--data", help="data set that was scored: folder or Hub id")
    parser.add_argument("--dataset-id", metavar="ORG/NAME", help="the same on the Hub")
    parser.add_argument("--license", default=LICENSE, help=f"of the weights ({LICENSE})")
    return parser.parse_args(argv)


def write_card(args: argparse.Namespace) -> Path:
    """Read what is given, write the card; returns its path."""
    folder = trained_folder(args.folder)
    data = load_data(args.data) if args.data else None
    on_hub = args.data if args.data and not local_path(args.data).exists() else None
    return write_model_card(
        folder,
        text=method_text(read_method(folder)),
        scores=[Scored.read(path, data) for path in args.scores],
        data=args.data or "dambench",
        dataset_id=args.dataset_id or on_hub,
        license=args.license,
    )


def method_text(method: str) -> str:
    """What the method's own card says, or that of the one it extends; else nothing."""
    here = Path(__file__).parent
    for name in method, method.removeprefix(MULTI):
        if (card := here / name / "README.md").is_file():
            return card.read_text("utf-8")
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong."""
    return exit_code(lambda: print(write_card(parse_args(argv))))


if __name__ == "__main__":
    sys.exit(main())
