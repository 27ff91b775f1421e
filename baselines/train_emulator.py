"""Train an emulator, a forecast model learned from a data set; the same command goes on with it.

python baselines/train_emulator.py --data dambench --out runs/emulator

Its step is the commonest spacing of the training times, and it learns from references that far
apart. The best epoch is chosen by pairs of the validation split, or, where that split's times are
not as close, by the last fifth of the training split, after a gap of up to ten days: nothing is
learned from those.

runs/emulator is then a --model of baselines/cycle.py, and baselines/forecast_skill.py compares it
with persistence and climatology.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from dambench_hub.data import load_data
from dambench_hub.runtime.command_line import parser_of
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code
from dambench_hub.training.emulator_training import EmulatorConfig, train_emulator


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; wrong usage ends with exit code 2."""
    parser, default = parser_of(__doc__), EmulatorConfig()
    add = parser.add_argument
    add("--data", default="dambench", help="data set folder or Hub id")
    add("--out", type=local_path, required=True, help="folder of the training")
    add("--epochs", type=int, help=f"passes over the pairs ({default.epochs})")
    add("--batch-size", type=int, help=f"pairs of a step ({default.batch_size})")
    add("--learning-rate", type=float, help=f"the highest ({default.learning_rate:g})")
    add("--weight-decay", type=float, help=f"of AdamW ({default.weight_decay:g})")
    add("--width", type=int, help=f"features ({default.width})")
    add("--blocks", type=int, help=f"residual blocks ({default.blocks})")
    add("--kernel", type=int, help=f"points across its convolutions ({default.kernel})")
    add("--seed", type=int, help=f"of weights and order ({default.seed})")
    add("--device", default="auto", help="auto (a GPU, if any), cpu, cuda:1 …")
    return parser.parse_args(argv)


def train(args: argparse.Namespace) -> None:
    """Load, train."""
    given = {name: value for name, value in vars(args).items() if value is not None}
    data, out, device = (given.pop(name) for name in ("data", "out", "device"))
    train_emulator(EmulatorConfig(**given), load_data(data), out, device, shlex.join(sys.argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0 done, 1 the input is wrong or interrupted."""
    return exit_code(lambda: train(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
