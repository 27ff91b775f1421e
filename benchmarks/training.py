"""How long training steps take, how much of it waits for data, and what a second process gains.

    python benchmarks/training.py --data dambench [--steps 30] [KEY=VALUE ...]

Trains a ConvCNP with the same global batch on one process and on two (torchrun), one thread each,
and compares times and losses. KEY=VALUE changes the configuration, as for baselines/train.py. The
first steps are left out of the times: they warm up memory and the first batch waits for the disk.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from dambench_hub.data import load_data

TRAIN = Path(__file__).parents[1] / "baselines" / "train.py"
WARM_UP = 3
CONFIG = {
    "method": "conv_cnp",
    "batch_size": 4,
    "micro_batch_size": 1,
    "mixed_precision": "no",
    "validation_samples": 2,
    "width": 32,
    "depth": 4,
    "kernel": 5,
    "norm": "group",
}


def main() -> None:
    """Train on one and on two processes, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="data set folder")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    args = parser.parse_args()
    data = load_data(args.data)
    changes = dict(override.split("=", 1) for override in args.overrides)
    batch_size = int(changes.get("batch_size", CONFIG["batch_size"]))
    epochs = math.ceil(args.steps / (data.size("train") // batch_size))
    with tempfile.TemporaryDirectory(prefix="dambench-training-") as folder:
        config = Path(folder, "config.yaml")
        config.write_text(yaml.safe_dump({**CONFIG, "epochs": epochs, "validation_every": epochs}))
        runs = {
            processes: train(processes, config, args.data, Path(folder, str(processes)), changes)
            for processes in (1, 2)
        }
    report(f"{data.manifest.name}, {len(data.channels)} channels on {data.grid}", runs)


def train(
    processes: int, config: Path, data: str, out: Path, changes: dict[str, str]
) -> list[dict[str, float]]:
    """The metrics of the steps of one training."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    subprocess.run(
        [
            *(sys.executable, *launcher, str(TRAIN), "--config", str(config), "--data", data),
            *("--out", str(out), *(f"{key}={value}" for key, value in changes.items())),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    lines = map(json.loads, (out / "metrics.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if "loss" in line]


def report(title: str, runs: dict[int, Sequence[dict[str, float]]]) -> None:
    """Print times, shares and differences."""
    one = runs[1]
    table = Table(title=f"{title}; {len(one)} steps")
    for name in (
        "processes",
        "s a step",
        "waiting for data",
        "speed-up",
        "largest loss difference",
    ):
        table.add_column(name, justify="right")
    for processes, steps in runs.items():
        timed = steps[WARM_UP:]
        seconds = statistics.median(step["seconds"] for step in timed)
        waiting = sum(s["waiting_seconds"] for s in timed) / sum(s["seconds"] for s in timed)
        of_one = statistics.median(step["seconds"] for step in one[WARM_UP:])
        apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(one, steps, strict=True))
        table.add_row(
            f"{processes}",
            f"{seconds:.3f}",
            f"{waiting:.2%}",
            f"{of_one / seconds:.2f}",
            f"{apart:.1e}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
