"""Do processors expand the canonical world alike? Channels of a few days, in double precision.

    python benchmarks/processors.py expand --out here.npz [--preset mini] [--days 3]
    qemu-x86_64 -cpu Haswell-noTSX .venv/bin/python benchmarks/processors.py expand --out there.npz
    python benchmarks/processors.py compare here.npz there.npz

`expand` prints hashes, which may differ; `compare` prints the largest difference of any value in
units of the observation error (0.25 of the background error's standard deviation on these days),
and how many values differ once they are rounded to single precision. `qemu-x86_64` is in the Debian
package qemu-user; OPENBLAS_CORETYPE chooses the kernels of matrix products.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dambench_hub.building.osse.canonical.index import shipped
from dambench_hub.building.osse.canonical.precision import OWNERS, SEEN, Sight
from dambench_hub.building.osse.canonical.states import CanonicalStates
from dambench_hub.coordinates.grids import Grid
from dambench_hub.errors import BuildError
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("expand", help="save what this processor makes of some days")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--preset", default="mini")
    one.add_argument("--split", default="validation")
    one.add_argument("--days", type=int, default=3)
    two = commands.add_parser("compare", help="compare two such files")
    two.add_argument("files", type=Path, nargs=2)
    return parser.parse_args(argv)


def expand(preset: str, split: str, days: int, out: Path) -> None:
    """Save `reference`, `background` and the first day's `members`, float64."""
    index = next((index for index in shipped() if preset in index.presets), None)
    if index is None:
        raise BuildError(f"Nothing is shipped of {preset!r}.")
    start = time.perf_counter()
    states = CanonicalStates(index, preset)
    sight = Sight(states, Grid.parse(index.grid))
    fields = {
        owner: np.stack([sight.state(owner, split, n) for n in range(days)]) for owner in OWNERS
    }
    if split in index.ensemble_splits[preset]:
        fields["members"] = sight.ensemble(split, 0)
    for name, field in fields.items():
        print(f"{name:12}", hashlib.sha256(field.tobytes()).hexdigest()[:16])
    print(f"{time.perf_counter() - start:.1f} s")
    np.savez(out, **fields)


def compare(first: Path, second: Path) -> None:
    """Print differences in units of the observation error."""
    with np.load(first) as one, np.load(second) as other:
        error = (one["background"] - one["reference"]).std(axis=(0, 2, 3), keepdims=True)[0]
        for name in one.files:
            difference = np.abs(one[name] - other[name]) / (0.25 * error)
            worst = SEEN[int(difference.max(axis=(0, 2, 3)).argmax())]
            rounded = [file[name].astype(np.float32) for file in (one, other)]
            changed = int((rounded[0] != rounded[1]).sum())
            print(
                f"{name:12} largest difference {difference.max():.1e} of the observation error "
                f"({worst}); {changed} of {rounded[0].size} differ in single precision"
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Expand or compare; the exit code."""

    def run() -> None:
        args = parse_args(argv)
        if args.command == "expand":
            expand(args.preset, args.split, args.days, args.out)
        else:
            compare(*args.files)

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
