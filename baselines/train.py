"""Train a learned method, on one process or many; the same command again goes on where it stopped.

accelerate launch baselines/train.py --config CONFIG.yaml --data dambench --out runs/conv_cnp

`python` works in place of `accelerate launch`, and `torchrun`, which several processes without GPUs
need. Keys of the configuration can be changed behind the options: `epochs=3 learning_rate=2e-4`.
runs/conv_cnp/best is then a METHOD of baselines/predict.py; metrics.jsonl beside it tells how the
training went.

With `torchrun --max-restarts 3` a process that dies restarts all from the last training state. On
one machine (--standalone) this needs TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the environment, or
the new processes look for each other where the old ones were.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from dambench_hub import training
from dambench_hub.data import load_data
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser = parser_of(__doc__)
    parser.add_argument("--config", type=local_path, required=True, help="flat YAML file")
    parser.add_argument("--data", default="dambench", help="data set folder or Hub id")
    parser.add_argument("--out", type=local_path, required=True, help="folder of the training")
    parser.add_argument("--seed", type=int, help="the same as seed=SEED")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="stronger than the file")
    return parser.parse_args(argv)


def train(args: argparse.Namespace) -> None:
    """Load, train."""
    seed = [] if args.seed is None else [f"seed={args.seed}"]
    config = training.read_config(args.config, [*args.overrides, *seed])
    data = load_data(args.data)
    training.train(config, data, args.out, shlex.join(sys.argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done or max_minutes spent, 1 the input is wrong or interrupted."""
    return exit_code(lambda: train(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
