"""Simulate and pack the canonical world that comes with the package. For maintainers.

    python builders/osse/pack.py --work FOLDER [--workers N]

Killed, the same command goes on where it stopped. What rounding does to the channels is measured,
and refused if it is too much. It is another world then: `builders/state_version.py` states its
revisions.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from dambench_hub.building.osse.canonical.index import FOLDER
from dambench_hub.building.osse.canonical.packing import Simulated, pack_world
from dambench_hub.building.osse.dataset import canonical_revisions, simulated_source
from dambench_hub.building.osse.segments import SegmentStates
from dambench_hub.building.osse.simulation import simulate
from dambench_hub.building.osse.world import MEMBERS_IN, PRESETS, World
from dambench_hub.coordinates.grids import Grid
from dambench_hub.runtime.files import local_path
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--work", type=local_path, required=True, help="folder for the simulated segments")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    add("--seed", type=int, default=0, help="of the world")
    add("--out", type=local_path, default=FOLDER / "t21", help="default: in the package")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Pack the world; the exit code."""

    def pack() -> None:
        args = parse_args(argv)
        world, folder = World("canonical", args.seed), args.work / "model"
        simulate(world, folder, args.workers)
        presets = {name: PRESETS[name].splits for name in ("tiny", "mini", "cycle")}
        mini = World("mini", args.seed)
        source = simulated_source(mini)
        simulated = Simulated(
            seed=args.seed,
            grid=Grid.parse(mini.preset.grid),
            states={n: SegmentStates(world, folder, presets[n]) for n in ("mini", "cycle")},
            presets=presets,
            ensemble_splits=MEMBERS_IN,
            settings=source["settings"],
            versions=source["versions"],
        )
        index = pack_world(simulated, args.out)
        report(args.out, index.precision, canonical_revisions(index))

    return exit_code(pack)


def report(folder: Path, precision: object, revisions: object) -> None:
    """Print sizes, precision and revisions."""
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / 1e6:8.3f} MB  {path.name}")
    print(json.dumps({"largest share in %": precision, "revisions": revisions}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
