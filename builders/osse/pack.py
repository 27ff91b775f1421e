"""Pack a simulated world as the canonical one that comes with the package. For maintainers.

    python builders/osse/pack.py --mini FOLDER [--cycle FOLDER] --ensemble validation test

The folders hold the segments of the presets' simulations (`OUT/.build/model`). What rounding does
to the channels is measured, and refused if it is too much; the revisions of the presets are
written beside the index, and a test compares them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dambench_hub.building.osse.canonical.index import FOLDER, REVISIONS
from dambench_hub.building.osse.canonical.packing import Simulated, pack_world
from dambench_hub.building.osse.dataset import canonical_revisions, simulated_source
from dambench_hub.building.osse.segments import SegmentStates
from dambench_hub.building.osse.world import World
from dambench_hub.coordinates.grids import Grid
from dambench_hub.runtime.files import local_path, write_atomic
from dambench_hub.runtime.signals import exit_code


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--mini", type=local_path, required=True, help="segments of the preset mini")
    add("--cycle", type=local_path, help="segments of the preset cycle, of the same chains")
    add("--ensemble", nargs="*", default=[], help="splits of mini whose segments have members")
    add("--seed", type=int, default=0, help="of the world")
    add("--out", type=local_path, default=FOLDER / "t21", help="default: in the package")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Pack the world; the exit code."""

    def pack() -> None:
        args = parse_args(argv)
        folders = {"mini": args.mini, "cycle": args.cycle}
        worlds = {name: World(name, args.seed) for name, folder in folders.items() if folder}
        mini, source = worlds["mini"], simulated_source(worlds["mini"])
        simulated = Simulated(
            seed=args.seed,
            grid=Grid.parse(mini.preset.grid),
            states={name: SegmentStates(world, folders[name]) for name, world in worlds.items()},
            presets={name: world.preset.splits for name, world in worlds.items()},
            ensemble_splits=tuple(args.ensemble),
            settings=source["settings"],
            versions=source["versions"],
        )
        index = pack_world(simulated, args.out)
        revisions = canonical_revisions(index)
        write_atomic(args.out / REVISIONS, json.dumps(revisions, indent=1) + "\n")
        report(args.out, index.precision, revisions)

    return exit_code(pack)


def report(folder: Path, precision: object, revisions: object) -> None:
    """Print sizes, precision and revisions."""
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / 1e6:8.3f} MB  {path.name}")
    print(json.dumps({"largest share in %": precision, "revisions": revisions}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
